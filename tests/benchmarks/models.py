"""Measure training step and inference of each network, as XLA lowers it and as medjax does, beside a peer's.

    python tests/benchmarks/models.py --models=resnet50,brain_cnn --out=speed.json
        [--peer='python step_speed.py {model} --batch {batch} --channels-last']
        [--dtype=bfloat16] [--lowerings=medjax] [--image-size=64] [--cpu-devices=2]

medjax runs the compiled steps of a training run, from uint8 images on; the peer gets floats. In every round each
contestant runs once, so that what else the machine does meets all alike; the figures are medians of the rounds. The
peer's command prints, as its last line, JSON with train_images_per_s and infer_images_per_s; where it cannot run a
model, its column stays empty. Not a test: it asserts nothing.
"""

import argparse
import contextlib
import json
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax

from medjax import sharding, steps
from medjax.inputs import ImageInput
from medjax.memory import keep_freed_memory
from medjax.models import create_model
from medjax.models.layers import native_lowering
from medjax.pipeline.augment import Augmentation
from medjax.pipeline.feed import Batch
from medjax.state import create_state


@dataclass(frozen=True)
class Case:
    """What is fed to a network: image shape [H, W, C], number of classes, batch size."""

    shape: tuple[int, int, int]
    classes: int
    batch: int


CASES = {
    "resnet50": Case((224, 224, 3), 3, 16),
    "brain_cnn": Case((224, 224, 3), 3, 32),
    "spiking_cnn": Case((64, 64, 1), 6, 32),
    "medical_cnn": Case((28, 28, 1), 10, 128),
    "unet_classifier": Case((224, 224, 3), 4, 4),
    "multilevel_unet": Case((224, 224, 3), 4, 4),
    "spatial_cnn": Case((64, 64, 1), 6, 32),
    "cifar_cnn": Case((32, 32, 3), 10, 128),
}
KINDS = ("train", "infer")


def build(name: str, case: Case, dtype: jnp.dtype) -> tuple[dict[str, Callable[[], None]], dict[str, float]]:
    """Compile medjax's own steps -> ({"train": run one step, "infer": run one batch}, seconds each took to compile)."""
    model, mesh = create_model(name, num_classes=case.classes, dtype=dtype), sharding.make_mesh()
    channels = case.shape[-1]
    inputs = ImageInput((0.5,) * channels, (0.25,) * channels, Augmentation(), dtype)
    variables = jax.jit(model.init)(jax.random.key(1), jnp.zeros((1, *case.shape), dtype))
    optimizer = optax.adam(1e-4)
    state = sharding.replicate(create_state(variables, optimizer, lambda path: True), mesh)
    batch = Batch(*(sharding.place(array, sharding.by_batch(mesh)) for array in _examples(case)))
    key = sharding.random_key(0, mesh)
    # The training step gives its first argument away.
    kept = jax.tree.map(jnp.copy, state.variables)
    train_step = steps.make_train_step(model, inputs, optimizer, 0.0, mesh)
    train, train_seconds = _compiled(train_step, state, batch, key)
    infer, infer_seconds = _compiled(steps.make_predict_step(model, inputs, mesh), kept, batch)
    current = [state]

    def train_once():
        current[0], _ = jax.block_until_ready(train(current[0], batch, key))

    def infer_once():
        jax.block_until_ready(infer(kept, batch))

    return {"train": train_once, "infer": infer_once}, {"train": train_seconds, "infer": infer_seconds}


def _examples(case: Case) -> tuple[np.ndarray, ...]:
    """A batch's arrays: random images, of each class about the same number."""
    chance, rows = np.random.default_rng(0), np.arange(case.batch, dtype=np.int32)
    images = chance.integers(0, 256, (case.batch, *case.shape), np.uint8)
    return images, rows % case.classes, np.zeros((case.batch, 0), np.int32), rows


def _compiled(function, *args):
    start = time.perf_counter()
    return function.lower(*args).compile(), time.perf_counter() - start


def images_per_second(run: Callable[[], None], batch: int, steps: int) -> float:
    """Median speed of `steps` runs of a batch, after one that warms up."""
    run()
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return batch / statistics.median(seconds)


def peer_speeds(command: str, name: str, batch: int) -> dict[str, float]:
    """Run the peer's command on one model -> {"train": images/s, "infer": images/s}, empty where it failed."""
    words = [word.format(model=name, batch=batch) for word in shlex.split(command)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not done.stdout.strip():
        print(f"peer failed on {name}: {(done.stderr.strip().splitlines() or ['no output'])[-1]}", file=sys.stderr)
        return {}
    line = json.loads(done.stdout.strip().splitlines()[-1])
    return {kind: line[f"{kind}_images_per_s"] for kind in KINDS}


def measure(name: str, case: Case, args: argparse.Namespace) -> dict:
    """Measure one network -> its row of the JSON file."""
    contestants, compile_seconds = {}, {}
    for lowering in args.lowerings:
        with native_lowering() if lowering == "native" else contextlib.nullcontext():
            contestants[lowering], compile_seconds[lowering] = build(name, case, jnp.dtype(args.dtype))
    speeds: dict[str, dict[str, list[float]]] = {}
    for _ in range(args.rounds):
        for lowering, runs in contestants.items():
            for kind in KINDS:
                speed = images_per_second(runs[kind], case.batch, args.steps)
                speeds.setdefault(lowering, {}).setdefault(kind, []).append(speed)
        for kind, speed in (peer_speeds(args.peer, name, case.batch) if args.peer else {}).items():
            speeds.setdefault("peer", {}).setdefault(kind, []).append(speed)
    medians = {who: {kind: statistics.median(found) for kind, found in each.items()} for who, each in speeds.items()}
    shape = "x".join(map(str, case.shape))
    return {
        "model": name, "batch": case.batch, "shape": shape, "images_per_s": medians, "all_rounds": speeds,
        "compile_s": compile_seconds,
    }  # fmt: skip


def print_row(row: dict) -> None:
    """Print one network's speeds and the ratios of medjax's to the others'."""
    for kind in KINDS:
        speed = {who: each[kind] for who, each in row["images_per_s"].items()}
        cells = [f"{speed[who]:10.2f}" if who in speed else " " * 10 for who in ("native", "medjax", "peer")]
        for other in ("native", "peer"):
            known = "medjax" in speed and other in speed
            cells.append(f"{speed['medjax'] / speed[other]:10.2f}" if known else " " * 10)
        compiling = row["compile_s"].get("medjax", {}).get(kind, float("nan"))
        print(f"{row['model']:<16}{row['batch']:>6} {kind:<6}{''.join(cells)}{compiling:10.1f}", flush=True)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = {"type": lambda text: text.split(","), "metavar": "A,B,..."}
    parser.add_argument(
        "--models", default=["resnet50", "brain_cnn", "spiking_cnn", "medical_cnn", "unet_classifier"], **names
    )
    parser.add_argument("--lowerings", default=["native", "medjax"], help="native, medjax or both", **names)
    parser.add_argument("--peer", help="command; {model} and {batch} are replaced")
    parser.add_argument("--batch", type=int, help="instead of each network's own")
    parser.add_argument("--image-size", type=int, help="pixels, instead of each network's own")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--cpu-devices", type=int, default=1, help="devices that share the cores and the batch")
    parser.add_argument("--steps", type=int, default=3, help="timed steps of a contestant in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", help="JSON file to write")
    return parser.parse_args()


def main() -> None:
    """Measure the networks asked for, print a table and write the JSON file."""
    args = parse_arguments()
    keep_freed_memory()
    jax.config.update("jax_num_cpu_devices", args.cpu_devices)
    print(f"{'images/s':<16}{'batch':>6} {'':<6}    native    medjax      peer  / native    / peer compile s")
    rows = []
    for name in args.models:
        height, width, channels = CASES[name].shape
        size = (args.image_size or height, args.image_size or width, channels)
        rows.append(measure(name, Case(size, CASES[name].classes, args.batch or CASES[name].batch), args))
        print_row(rows[-1])
    if args.out:
        where = {"device": jax.devices()[0].device_kind, "jax": jax.__version__, "machine": platform.processor()}
        with open(args.out, "w") as file:
            json.dump(
                {**where, "dtype": args.dtype, "devices": jax.device_count(), "peer": args.peer, "rows": rows},
                file,
                indent=1,
            )


if __name__ == "__main__":
    main()
