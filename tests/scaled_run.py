"""A tiny training run on some devices and processes; started by test_scaling.py, one process each.

python -m tests.scaled_run '{"devices": 2, "processes": 2, "process": 0, "port": 1234, …}' prints the losses as JSON.
"""

import contextlib
import hashlib
import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from medjax import processes, sharding, steps
from medjax.checkpoint import Checkpoints
from medjax.inference.predictions import collect
from medjax.inputs import ImageInput
from medjax.models.classifier import Classifier
from medjax.models.head import DenseHead
from medjax.models.layers import ConvNorm, global_avg_pool
from medjax.pipeline import sampler
from medjax.pipeline.augment import Augmentation
from medjax.pipeline.feed import make_feed
from medjax.state import create_state

ROWS, CLASSES, BATCH = 37, 3, 16
DEFAULTS = {
    "devices": 1,
    "processes": 1,
    "process": 0,
    "port": 0,
    "dtype": "float64",
    "placement": "host",
    "accumulate": 1,
    "until": 20,
    "checkpoints": "",
}


class Backbone(nn.Module):
    """A convolution with batch norm, in any dtype."""

    dtype: str

    @nn.compact
    def __call__(self, x, train=False):
        return global_avg_pool(ConvNorm(4, padding=1, dtype=jnp.dtype(self.dtype), name="conv1")(x, train))


def main(how):
    if how["processes"] > 1:
        processes.start(f"127.0.0.1:{how['port']}", how["processes"], how["process"])
    mesh = sharding.make_mesh()
    assert mesh.size == how["devices"] * how["processes"]
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (ROWS, 8, 8, 1), np.uint8)
    labels = rng.integers(0, CLASSES, ROWS).astype(np.int32)
    nothing = np.zeros((ROWS, 0), np.int32)
    feed = make_feed(images, labels, nothing, placement=how["placement"], mesh=mesh)
    dtype = jnp.dtype(how["dtype"])
    model = Classifier(Backbone(how["dtype"]), DenseHead(CLASSES, (5,), (0.3,), dtype=dtype))
    augmentation = Augmentation(flip_horizontal=True, rotation=10.0, brightness=0.1, mixup=0.0)
    inputs = ImageInput((0.5,), (0.25,), augmentation, dtype)
    variables = model.init(jax.random.key(1), jnp.zeros((1, 8, 8, 1), dtype))
    variables = jax.tree.map(lambda leaf: leaf.astype(dtype), variables)
    optimizer = optax.adam(1e-2)
    state = sharding.replicate(create_state(variables, optimizer, lambda _: True), mesh)
    train = steps.make_train_step(model, inputs, optimizer, 0.0, mesh, accumulate=how["accumulate"])
    predict = steps.make_predict_step(model, inputs, mesh)
    key = sharding.random_key(0, mesh)
    order = sampler.order("shuffle", 0, np.arange(ROWS), labels, BATCH)
    losses, batches = [], []
    with contextlib.ExitStack() as stack:
        saved = None
        if how["checkpoints"]:
            saved = stack.enter_context(Checkpoints(pathlib.Path(how["checkpoints"]), "min"))
            if saved.latest_step is not None:
                state, _ = saved.restore(saved.latest_step, like=state)
        first = int(state.step)
        for batch in feed.ahead(order(step) for step in range(first, how["until"])):
            rows = jax.jit(lambda a: a, out_shardings=sharding.replicated(mesh))(batch)
            batches.append(hashlib.sha256(b"".join(np.asarray(part).tobytes() for part in rows)).hexdigest())
            state, sums = train(state, batch, key)
            losses.append(float(sums["loss"]))
        if saved:
            saved.save(state, {"step": int(state.step)}, watched=losses[-1])
    # 37 rows do not divide by 16: the last batch is padded, and every row must still come once
    logits = collect(lambda batch: predict(state.variables, batch), feed, np.arange(ROWS), BATCH)
    print(json.dumps({"first": first, "losses": losses, "batches": batches, "logits": logits.tolist()}))


if __name__ == "__main__":
    main({**DEFAULTS, **json.loads(sys.argv[1])})
