"""Make the runs of a sweep file, each in a folder of its own, and compare those that finish.

python launch/sweep.py --sweep=FILE --workdir=FOLDER [--jobs=N] [--gpus=0,1,…] [--dry_run] [-- --config.FIELD=VALUE …]
python launch/sweep.py --sweep=FILE --workdir=FOLDER --slurm [--jobs=N] [--sbatch='--gpus-per-node=1 …'] [-- …]

medjax/sweep_file.py says what a sweep file holds. What stands after -- is for every run. The same command leaves out
what is finished and goes on with what is not; a run that fails stops no other. The log of a run is FOLDER/NAME/log.txt:
what a terminal would have shown. Runs beside one another on a CPU share its cores; with --gpus each has one of its own.

Ends with status 0, 1 (not all runs finished), 2 (a mistake in the command), 75 (SIGTERM) or 130 (Ctrl-C).
"""

from __future__ import annotations

import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from absl import flags

LAUNCH = pathlib.Path(__file__).resolve().parent
STOPPED = {signal.SIGINT: 130, signal.SIGTERM: 75}  # exit statuses, as of medjax.main
sys.path.insert(0, os.getcwd())  # as `python -m` does: configs import one another from here

from medjax import terminal  # noqa: E402
from medjax.errors import UserError  # noqa: E402
from medjax.pipeline.storage import disk_errors  # noqa: E402
from medjax.sweep import Run, expand, is_finished  # noqa: E402
from medjax.sweep_file import read_sweep  # noqa: E402
from medjax.terminal import log  # noqa: E402

_SWEEP = flags.DEFINE_string("sweep", None, "The sweep file.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder for the folders of the runs, and for the comparison.")
_JOBS = flags.DEFINE_integer("jobs", 1, "How many runs at once.", lower_bound=1)
_GPUS = flags.DEFINE_list("gpus", [], "GPUs by their CUDA numbers: as many runs at once, each on one of them.")
_SLURM = flags.DEFINE_bool("slurm", False, "Submit the runs as an array job, and the comparison after it.")
_SBATCH = flags.DEFINE_string("sbatch", "", "With --slurm: further options of sbatch for the runs.")
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Only check the file and list the runs.")
_COLLECT = flags.DEFINE_bool("collect", False, "Start nothing: list the runs and compare the finished ones.")


def main(argv: Sequence[str]) -> None:
    """Check every config before anything starts; then make the runs, list them and compare."""
    if not _SWEEP.value or not _WORKDIR.value:
        raise UserError("give --sweep=FILE and --workdir=FOLDER.")
    if _GPUS.value and _JOBS.value not in (1, len(_GPUS.value)):
        raise UserError(
            f"--jobs={_JOBS.value} with {len(_GPUS.value)} --gpus: each run has one of them; leave --jobs out."
        )
    workdir = pathlib.Path(_WORKDIR.value)
    log.setLevel("ERROR")  # what a config says of itself, its run will say
    runs = expand(read_sweep(pathlib.Path(_SWEEP.value)), argv[1:])
    terminal.set_up_log()
    terminal.mark_demo(any(run.config.data.name == "phantom" for run in runs))
    todo = [run for run in runs if not is_finished(run, workdir / run.name)]
    log.info(f"{len(runs)} runs, {len(runs) - len(todo)} of them finished before")
    if _DRY_RUN.value:
        return _print_table(runs, workdir, {})
    if _SLURM.value and todo:
        return submit(todo, workdir, argv)
    statuses: dict[str, int] = {}
    stopped_by = None if _COLLECT.value else run_here(todo, workdir, _GPUS.value or [""] * _JOBS.value, statuses)
    _print_table(runs, workdir, statuses)
    if stopped_by:
        log.error("stopped; the same command goes on where this one stopped.")
        sys.exit(STOPPED[stopped_by])
    _compare(runs, workdir)
    sys.exit(int(any(statuses.values()) or not all(is_finished(run, workdir / run.name) for run in runs)))


def run_here(
    todo: Sequence[Run], workdir: pathlib.Path, gpus: Sequence[str], statuses: dict[str, int]
) -> signal.Signals | None:
    """Make runs in processes of their own, as many at once as there are `gpus` ("" leaves the choice to JAX).

    What pools folds waits until all of them are finished. Ctrl-C and SIGTERM are passed on; then nothing more starts.

    Args:
      todo: runs, folds before what pools them.
      workdir: the sweep's folder.
      gpus: CUDA numbers, one for each run at a time.
      statuses: filled with the exit status of every run that has ended.

    Returns:
      The signal that stopped it; None where nothing did.
    """
    waiting, free, heard = list(todo), list(gpus), []
    going: dict[str, tuple[subprocess.Popen, str]] = {}

    def pass_on(number: int, _: object) -> None:
        heard.append(signal.Signals(number))
        for process, _gpu in going.values():
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while True:
            free += _take_ended(going, statuses)
            lacking = {run.name for run in waiting} | going.keys() | {name for name in statuses if statuses[name]}
            ready = [run for run in waiting if not lacking.intersection(run.folds)]
            if ready and free and not heard:
                going[ready[0].name] = (_start(ready[0], workdir, free[0]), free.pop(0))
                waiting.remove(ready[0])
            elif going:
                time.sleep(0.1)
            else:
                return heard[0] if heard else None  # what still waits, waits for folds that failed
    finally:
        for process, _gpu in going.values():  # only where a run could not be started: the disk is full
            process.terminate()
            process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


def _take_ended(going: dict[str, tuple[subprocess.Popen, str]], statuses: dict[str, int]) -> list[str]:
    """Move what has ended from `going` to `statuses`; return the GPUs that are free now."""
    ended = [name for name, (process, _) in going.items() if process.poll() is not None]
    for name in ended:
        statuses[name] = going[name][0].returncode
        log.info(f"{name}: {_said(statuses[name])}")
    return [going.pop(name)[1] for name in ended]


def _start(run: Run, workdir: pathlib.Path, gpu: str) -> subprocess.Popen:
    """Start a run by launch/local.sh with this Python, deaf to the terminal's Ctrl-C: it hears ours."""
    folder = workdir / run.name
    environment = {**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "log.txt", "a") as output:
            return subprocess.Popen(
                [LAUNCH / "local.sh", *run.arguments, f"--workdir={folder}"],
                env=environment | ({"CUDA_VISIBLE_DEVICES": gpu} if gpu else {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def submit(todo: Sequence[Run], workdir: pathlib.Path, argv: Sequence[str]) -> None:
    """Submit an array job of the runs, one of what pools folds after it, and the comparison when all have ended.

    Raises:
      UserError: sbatch is not there, or refuses.
    """
    after: list[str] = []
    with disk_errors(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
    for name, stage in (
        ("runs", [run for run in todo if not run.folds]),
        ("pooled", [run for run in todo if run.folds]),
    ):
        if not stage:
            continue
        array = f"--array=0-{len(stage) - 1}%{_JOBS.value}"
        options = [array, f"--output={workdir / name}-%a.txt", *shlex.split(_SBATCH.value), *after]
        tasks = [shlex.join([*run.arguments, f"--workdir={workdir / run.name}"]) for run in stage]
        job = _sbatch([*options, str(LAUNCH / "slurm.sbatch"), *tasks])
        after = [f"--dependency=afterany:{job}"]
        log.info(f"job {job}: {len(stage)} runs, {_JOBS.value} at once")
    own = ["python", str(LAUNCH / "sweep.py"), f"--sweep={_SWEEP.value}", f"--workdir={workdir}", "--collect"]
    wrapped = shlex.join([*own, "--", *argv[1:]])
    log.info(f"job {_sbatch([f'--output={workdir}/comparison.txt', *after, f'--wrap={wrapped}'])}: the comparison")


def _sbatch(arguments: Sequence[str]) -> str:
    """Submit a job; return its number."""
    try:
        done = subprocess.run(["sbatch", "--parsable", *arguments], capture_output=True, text=True)
    except FileNotFoundError as error:
        raise UserError("there is no sbatch here: leave --slurm out, or go to a node that can submit jobs.") from error
    if done.returncode:
        raise UserError(f"sbatch refused: {' '.join(done.stderr.split())}")
    return done.stdout.strip().partition(";")[0]


def _print_table(runs: Sequence[Run], workdir: pathlib.Path, statuses: dict[str, int]) -> None:
    """Print how far each run is, what the sweep sets in it, and the last line of what failed."""
    width = max(len(run.name) for run in runs)
    for run in runs:
        folder, status = workdir / run.name, statuses.get(run.name, 0)
        state = "finished" if is_finished(run, folder) else "begun" if (folder / "config.json").exists() else "to do"
        failed = status not in (0, *STOPPED.values())
        sets = " ".join(f"{field}={value}" for field, value in run.overrides.items())
        print(f"{'failed' if failed else state:8}  {run.name:{width}}  {sets}".rstrip())
        if failed:
            print(f"{'':8}  {_said(status)}: {_last_line(folder / 'log.txt')}")


def _last_line(file: pathlib.Path) -> str:
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "")


def _said(status: int) -> str:
    return "finished" if status == 0 else f"status {status}"


def _compare(runs: Sequence[Run], workdir: pathlib.Path) -> None:
    """Compare the finished runs; their folds, which were pooled, are no runs of their own."""
    pooled = {fold for run in runs for fold in run.folds}
    folders = [workdir / run.name for run in runs if run.name not in pooled and is_finished(run, workdir / run.name)]
    if len(folders) < 2:
        log.info(f"{len(folders)} of {len(runs) - len(pooled)} runs finished: nothing to compare yet")
        return
    sys.stdout.flush()
    command = [sys.executable, "-m", "medjax.compare", *map(str, folders), f"--output={workdir}"]
    if subprocess.run(command).returncode:
        raise UserError("the finished runs cannot be compared; see the line above.")


if __name__ == "__main__":
    terminal.run(main, paths=True, resumes=True)
