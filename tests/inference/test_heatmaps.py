import jax.numpy as jnp
import numpy as np

from medjax.datasets.phantom import lesion_mask
from medjax.evaluation.predictions import Predictions
from medjax.inference.heatmaps import heatmaps_for, lesion_hits
from medjax.pipeline.feed import HostFeed
from medjax.pipeline.table import ImageTable
from medjax.sharding import make_mesh

IDS = ["infiltrating/0001.png", "extra_axial/0002.png", "ring_enhancing/0003.png"]
# "images" that are the lesions themselves, and beside them their opposite
IMAGES = np.stack([np.stack([lesion_mask(name), ~lesion_mask(name)], axis=-1) for name in IDS]).astype(np.uint8)
LABELS = np.arange(3, dtype=np.int32)
FEED = HostFeed(IMAGES, LABELS, np.zeros((3, 0), np.int32), make_mesh())


def table(name):
    none = np.full(3, "")
    return ImageTable(IMAGES, LABELS, np.array(IDS), none, {}, ("a", "b"), "", "", name, True, ())


def predictions(ids, classes):
    probabilities = np.eye(2)[classes] * 0.8 + 0.1
    return Predictions(ids, [""] * len(ids), np.zeros(len(ids), np.int64), probabilities, ("a", "b"), {})


def step(variables, batch, classes):
    """Class 0 is explained by the lesion, class 1 by what is around it."""
    of_class = jnp.where(classes[batch.indices] == 0, 0, 1)
    return jnp.take_along_axis(batch.rows, of_class[:, None, None, None], axis=-1)[..., 0].astype(jnp.float32) * 5


def test_the_predicted_class_of_each_image_is_explained_in_the_order_that_was_asked_for():
    predicted = predictions([IDS[2], IDS[0]], [1, 0])
    maps = heatmaps_for(step, {}, FEED, table("phantom"), predicted, [IDS[0], IDS[2]], 2)
    assert list(maps) == [IDS[0], IDS[2]]
    np.testing.assert_array_equal(maps[IDS[0]], lesion_mask(IDS[0]).astype(np.float32))
    np.testing.assert_array_equal(maps[IDS[2]], (~lesion_mask(IDS[2])).astype(np.float32))
    assert heatmaps_for(step, {}, FEED, table("phantom"), predicted, [], 2) == {}


def test_an_image_whose_map_is_zero_everywhere_has_none():
    predicted = predictions([IDS[2], IDS[0]], [1, 0])
    assert heatmaps_for(lambda *given: 0 * step(*given), {}, FEED, table("phantom"), predicted, [IDS[0]], 2) == {}


def test_hits_are_counted_on_the_phantom_and_nowhere_else():
    predicted = predictions([IDS[2], IDS[1], IDS[0]], [0, 1, 0])
    found = lesion_hits(step, {}, FEED, table("phantom"), predicted, 2)
    assert (found["images"], found["hits"]) == (3, 2)
    assert lesion_hits(step, {}, FEED, table("brain_cancer_mri"), predicted, 2) is None
