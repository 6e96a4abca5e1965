"""Measure how many images a second are decoded into the table, and reach the device from it, beside a peer's.

    python tests/benchmarks/input.py --data=brain_cancer_mri.zip --out=input.json
        [--peer='python input_speed.py FOLDER --size 224'] [--size=224] [--placement=device] [--batches=28]

A batch is ready when it lies on the device as normalised floats. In every round each contestant runs once, so that what
else the machine does meets all alike; the figures are medians of the rounds. The peer's command prints, as its last
line, JSON with first_epoch_images_per_s and second_epoch_images_per_s, each over one epoch in which it decodes,
augments and normalises. Not a test: it asserts nothing.
"""

import argparse
import contextlib
import json
import logging
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import jax
import numpy as np

from medjax import sharding
from medjax.inputs import ImageInput
from medjax.memory import keep_freed_memory
from medjax.pipeline import sampler
from medjax.pipeline.augment import Augmentation
from medjax.pipeline.cache import load_table
from medjax.pipeline.feed import PLACEMENTS, make_feed
from medjax.pipeline.table import ImageTable

# Each of ours, and what of the peer's it stands against.
CONTESTANTS = {
    "decode and cache": "first_epoch_images_per_s",
    "plain": "second_epoch_images_per_s",
    "flip and rotation": "second_epoch_images_per_s",
}
AUGMENTATIONS = {
    "plain": Augmentation(),
    "flip and rotation": Augmentation(flip_horizontal=True, rotation=30.0),
}


def decode(args: argparse.Namespace, folder: str) -> ImageTable:
    """Make the table of the dataset in a folder, or open the one that is there."""
    return load_table(
        args.dataset,
        source=pathlib.Path(args.data),
        image_size=args.size,
        channels=3,
        fit="squash",
        on_bad_image="skip",
        cache_dir=pathlib.Path(folder),
        progress=False,
    )


def decode_speed(args: argparse.Namespace) -> float:
    """Images a second from the source to a finished table, into a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        table = decode(args, folder)
        return len(table) / (time.perf_counter() - start)


def make_batches(table: ImageTable, name: str, args: argparse.Namespace) -> Callable[[int], float]:
    """Compile a contestant -> a function of the round that returns its images a second."""
    mesh = sharding.make_mesh()
    nothing = np.zeros((len(table), 0), np.int32)
    feed = make_feed(table.images, labels=table.labels, categories=nothing, placement=args.placement, mesh=mesh)
    order = sampler.order("shuffle", 0, np.arange(len(table)), table.labels, args.batch)
    inputs = ImageInput((0.19,) * 3, (0.17,) * 3, AUGMENTATIONS[name])
    divided, key = sharding.by_batch(mesh), jax.random.key(0)

    def make(batch, step):
        return inputs(batch, jax.random.split(jax.random.fold_in(key, step), args.batch))

    program = jax.jit(make, in_shardings=(divided, sharding.replicated(mesh)), out_shardings=divided)

    def run(steps: range) -> None:
        with contextlib.closing(feed.ahead(map(order, steps))) as batches:
            for step, batch in zip(steps, batches, strict=True):
                jax.block_until_ready(program(batch, np.int32(step)))

    run(range(3))

    def speed(number: int) -> float:
        first = number * args.batches
        start = time.perf_counter()
        run(range(first, first + args.batches))
        return args.batch * args.batches / (time.perf_counter() - start)

    return speed


def peer_speeds(command: str) -> dict[str, float]:
    """Run the peer's command -> its JSON line, empty where it failed."""
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    if done.returncode != 0 or not done.stdout.strip():
        print(f"peer failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}", file=sys.stderr)
        return {}
    line = json.loads(done.stdout.strip().splitlines()[-1])
    return {name: line[name] for name in set(CONTESTANTS.values())}


def measure(args: argparse.Namespace) -> dict[str, list[float]]:
    """Run all rounds -> name of ours or of a peer's figure -> images a second in each round."""
    speeds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        table = decode(args, folder)
        runs = {name: make_batches(table, name, args) for name in AUGMENTATIONS}
        for number in range(args.rounds):
            found = {"decode and cache": decode_speed(args)}
            found |= {name: speed(number + 1) for name, speed in runs.items()}
            found |= peer_speeds(args.peer) if args.peer else {}
            for name, value in found.items():
                speeds.setdefault(name, []).append(value)
    return speeds


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder or .zip of the dataset")
    parser.add_argument("--dataset", default="brain_cancer_mri", help="a dataset of medjax/datasets/")
    parser.add_argument("--peer", help="command")
    parser.add_argument("--size", type=int, default=224, help="pixels, height and width")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--batches", type=int, default=28, help="timed batches of a contestant in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--placement", default="auto", choices=PLACEMENTS)
    parser.add_argument("--out", help="JSON file to write")
    return parser.parse_args()


def main() -> None:
    """Measure, print a table and write the JSON file."""
    args = parse_arguments()
    keep_freed_memory()
    logging.getLogger("absl").setLevel(logging.ERROR)
    speeds = measure(args)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    print(f"{'images/s':<20}{'medjax':>10}{'peer':>10}{'/ peer':>10}")
    for name, other in CONTESTANTS.items():
        ours, peer = medians[name], medians.get(other)
        print(f"{name:<20}{ours:>10.1f}" + (f"{peer:>10.1f}{ours / peer:>10.2f}" if peer else ""))
    if args.out:
        where = {"device": jax.devices()[0].device_kind, "jax": jax.__version__, "machine": platform.processor()}
        settings = {name: getattr(args, name) for name in ("dataset", "size", "batch", "placement", "peer")}
        with open(args.out, "w") as file:
            json.dump({**where, **settings, "images_per_s": medians, "all_rounds": speeds}, file, indent=1)


if __name__ == "__main__":
    main()
