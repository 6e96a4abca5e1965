"""Measure how long a run takes to its first training step: cold, with nothing kept, and warm, started again.

    python tests/benchmarks/first_step.py --out=first_step.json [--rounds=3] [-- --config=configs/resnet50_brain.py …]

Cold, the images are decoded and audited and every program is compiled; warm, both are kept from the start before. Times
are seconds since the process began, medians of the rounds. Not a test: it asserts nothing.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

STAGES = ("programs imported", "images ready", "model built", "first step done")
_CHILD = "MEDJAX_BENCHMARK_BEGAN"  # when the process to be measured was started, seconds since 1970


def run_to_first_step() -> None:
    """Do what medjax.main does until the first step is done, and print the stages' seconds as JSON."""
    from absl import app

    from medjax import command_line, memory

    def main(_):
        config, workdir, _ = command_line.read_run()
        memory.keep_freed_memory()
        command_line.join_processes()
        from medjax import experiment as experiments
        from medjax.compilation import keep_compiled
        from medjax.preparation import prepare

        keep_compiled()
        seconds = [_since_start()]
        experiments.check(config)
        workdir.mkdir(parents=True, exist_ok=True)
        prepared = prepare(config, workdir, images=False)
        seconds.append(_since_start())
        experiment = experiments.build(config, prepared, workdir)
        seconds.append(_since_start())
        batch = next(experiment.examples.ahead(map(experiment.order, range(1))))
        _, sums = experiment.train_step(experiment.state, batch)
        float(sums["loss"])
        seconds.append(_since_start())
        print(json.dumps(dict(zip(STAGES, seconds, strict=True))), flush=True)
        os._exit(0)  # the feed's thread has the next batches in hand

    app.run(main)


def _since_start() -> float:
    return time.time() - float(os.environ[_CHILD])


def start(options: list[str], kept: pathlib.Path) -> dict[str, float]:
    """Start a run that keeps images and programs in a folder -> seconds to each stage."""
    with tempfile.TemporaryDirectory() as workdir:
        done = subprocess.run(
            [sys.executable, __file__, *options, f"--workdir={workdir}", f"--config.data.cache={kept / 'images'}"],
            env={**os.environ, "MEDJAX_CACHE": str(kept), _CHILD: str(time.time())},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Start the run cold and warm in turn, print a table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", help="JSON file to write")
    parser.add_argument("options", nargs="*", help="of medjax.main")
    args = parser.parse_args()
    options = args.options or ["--config=configs/resnet50_brain.py"]
    rounds: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as kept:
            for name, found in rounds.items():
                found.append(start(options, pathlib.Path(kept)))
                print(name, found[-1], file=sys.stderr, flush=True)
    medians = {
        name: {stage: statistics.median(each[stage] for each in found) for stage in STAGES}
        for name, found in rounds.items()
    }
    print(f"{'seconds':<20}{'cold':>8}{'warm':>8}")
    for stage in STAGES:
        print(f"{stage:<20}{medians['cold'][stage]:8.1f}{medians['warm'][stage]:8.1f}")
    if args.out:
        where = {"machine": platform.processor(), "options": options}
        pathlib.Path(args.out).write_text(json.dumps({**where, "seconds": medians, "all_rounds": rounds}, indent=1))


if __name__ == "__main__":
    run_to_first_step() if _CHILD in os.environ else main()
