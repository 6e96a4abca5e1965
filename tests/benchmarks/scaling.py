"""A sheet of what many devices would need and what would bound them, from the networks and a model of the machine.

    python tests/benchmarks/scaling.py [--out=scaling.json]

Nothing here is measured. Parameters, operations and what the backward pass keeps are counted from the programs; time
follows from the figures of `MACHINE`, an 8-GPU host of today: step = computation + all-reduce of the gradients + one
small all-reduce for each batch norm and direction, none of it overlapped: the step is rather too long than too short.
"""

import argparse
import json
import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from medjax.flops import flops_per_image
from medjax.losses import cross_entropy
from medjax.models import create_model
from medjax.models.layers import native_lowering

MACHINE = {
    "operations a second": 400e12,  # bfloat16, sustained: 40 % of an H100's 989e12
    "bytes a second between the GPUs of a host": 450e9,
    "bytes a second between hosts, a GPU": 50e9,
    "seconds a message": 5e-6,
    "GPUs a host": 8,
}
DEVICES = (1, 8, 64, 512)


@dataclass(frozen=True)
class Case:
    """A network, the images it is given [H, W, C], its classes, and how many images a device takes in a step."""

    name: str
    shape: tuple[int, int, int]
    classes: int
    batch: int


CASES = (Case("resnet50", (224, 224, 3), 3, 128), Case("unet_classifier", (224, 224, 3), 4, 32))


def count(case: Case) -> dict[str, Any]:
    """Count parameters, norms, operations an image (training: three times the forward pass), bytes kept an image."""
    model = create_model(case.name, num_classes=case.classes, dtype=jnp.bfloat16)
    image = jax.ShapeDtypeStruct((1, *case.shape), jnp.bfloat16)
    with native_lowering():
        variables = jax.eval_shape(model.init, jax.random.key(0), image)
        kept = [_kept_bytes(model, variables, case, batch) for batch in (1, 2)]
    sizes = [math.prod(leaf.shape) for leaf in jax.tree.leaves(variables["params"])]
    forward = flops_per_image(model.apply, variables, jax.ShapeDtypeStruct(case.shape, jnp.bfloat16))
    norms = len({path[:-1] for path in flatten_dict(variables.get("batch_stats", {}))})
    return {"parameters": sum(sizes), "norms": norms, "operations": 3 * forward, "kept": kept[1] - kept[0]}


def _kept_bytes(model: Any, variables: Any, case: Case, batch: int) -> int:
    """Bytes that the forward pass leaves for the backward pass."""

    def residuals(params, images):
        def loss(params):
            others = {**variables, "params": params}
            logits, _ = model.apply(
                others, images, train=True, mutable=["batch_stats"], rngs={"dropout": jax.random.key(0)}
            )
            return cross_entropy(logits, jnp.zeros(batch, jnp.int32), 0.0, None).mean()

        return jax.vjp(loss, params)[1]

    variables = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), variables)
    images = jax.ShapeDtypeStruct((batch, *case.shape), jnp.bfloat16)
    left = jax.eval_shape(residuals, variables["params"], images)
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(left))


def simulate(case: Case, counted: dict[str, Any], devices: int) -> dict[str, Any]:
    """One line of the sheet."""
    per_host = int(MACHINE["GPUs a host"])
    speed = MACHINE[
        "bytes a second between the GPUs of a host" if devices <= per_host else "bytes a second between hosts, a GPU"
    ]
    message = MACHINE["seconds a message"] * 2 * math.ceil(math.log2(devices)) if devices > 1 else 0.0
    sent = 2 * (devices - 1) / devices * 4 * counted["parameters"]
    seconds = {
        "computation": case.batch * counted["operations"] / MACHINE["operations a second"],
        "gradients": sent / speed + message,
        "batch norms": 2 * counted["norms"] * message,
    }
    step = sum(seconds.values())
    images = devices * case.batch / step
    memory = 16 * counted["parameters"] + case.batch * counted["kept"]  # float32: weights, gradient, Adam's two
    return {
        "network": case.name,
        "devices": devices,
        "batch": devices * case.batch,
        "memory_bytes": memory,
        "sent_bytes": sent,
        "seconds": seconds,
        "images_per_second": images,
        "efficiency": seconds["computation"] / step,
        "host_bytes_per_second": images * int(np.prod(case.shape)) * min(devices, per_host) / devices,
        "bound": max(seconds, key=lambda name: seconds[name]),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Set the sheet as Markdown."""
    lines = [
        "| network | devices, batch | memory a device | sent a step and device | step | images/s, of ideal | "
        "into a host | longest part |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        parts = ", ".join(f"{1e3 * value:.1f} ms {name}" for name, value in row["seconds"].items() if value)
        lines.append(
            f"| {row['network']} | {row['devices']}, {row['batch']:,} | {row['memory_bytes'] / 2**30:.1f} GiB | "
            f"{row['sent_bytes'] / 1e6:,.0f} MB | {parts} | {row['images_per_second']:,.0f}, {row['efficiency']:.0%} | "
            f"{row['host_bytes_per_second'] / 1e9:.1f} GB/s | {row['bound']} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="", help="JSON file")
    args = parser.parse_args()
    rows = []
    for case in CASES:
        counted = count(case)
        print(f"{case.name}: {counted}")
        rows += [simulate(case, counted, devices) for devices in DEVICES]
    print(table(rows))
    if args.out:
        with open(args.out, "w", encoding="utf-8") as file:
            json.dump({"machine": MACHINE, "rows": rows}, file, indent=2)


if __name__ == "__main__":
    main()
