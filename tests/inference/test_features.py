import jax.numpy as jnp
import numpy as np
import pytest

from medjax.inference import features
from medjax.pipeline.feed import HostFeed
from medjax.sharding import make_mesh

FEED = HostFeed(
    np.arange(6.0, dtype=np.float32)[:, None], np.zeros(6, np.int32), np.zeros((6, 0), np.int32), make_mesh()
)
VARIABLES = {"params": {"w": jnp.ones(2)}}


class Step:
    """Features [B, 2]: the example, and whether it was augmented."""

    def __init__(self):
        self.calls = 0

    def __call__(self, variables, batch, root):
        self.calls += 1
        return jnp.stack([batch.rows[:, 0], jnp.full(len(batch.indices), root is not None, jnp.float32)], axis=1)


def compute(folder, step, views=1, variables=VARIABLES, table_hash="t"):
    return features.load_or_compute(
        folder / "features.npy",
        step,
        variables,
        FEED,
        6,
        plain=np.array([1]),
        augmented=np.array([0, 4, 5]),
        views=views,
        seed=0,
        batch_size=2,
        table_hash=table_hash,
    )


def test_one_view_is_the_plain_image_of_training_and_validation(tmp_path):
    table = compute(tmp_path, Step())
    assert table.shape == (6, 1, 2)
    assert table[:, 0, 0].tolist() == [0, 1, 0, 0, 4, 5]
    assert not table[:, 0, 1].any()


def test_more_views_are_augmented_for_training_and_plain_for_validation(tmp_path):
    table = compute(tmp_path, Step(), views=3)
    assert table[[0, 4, 5], :, 1].all()
    assert table[1, 0].tolist() == [1, 0]


def test_a_second_run_reads_the_file(tmp_path):
    step = Step()
    first, calls = compute(tmp_path, step), step.calls
    np.testing.assert_array_equal(compute(tmp_path, step), first)
    assert step.calls == calls


@pytest.mark.parametrize("change", [{"views": 2}, {"table_hash": "u"}, {"variables": {"params": {"w": jnp.zeros(2)}}}])
def test_other_views_images_or_weights_are_computed_anew(tmp_path, change):
    step = Step()
    compute(tmp_path, step)
    calls = step.calls
    compute(tmp_path, step, **change)
    assert step.calls > calls
