"""Every published config: valid, complete in its header, and it takes a step."""

import importlib
import pathlib

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from medjax import config as configuration
from medjax import datasets, experiment
from medjax.pipeline.table import ImageTable

NAMES = sorted(path.stem for path in pathlib.Path("configs").glob("*.py"))
SMALL = {"unet_lumbar": 16, "multilevel_unet_brain": 16, "medical_cnn_mnist": 28, "cnn_cifar10": 32}


def load(name):
    return importlib.import_module(f"configs.{name}")


@pytest.mark.parametrize("name", NAMES)
def test_the_header_says_where_from_what_to_expect_how_long_and_the_command(name):
    header = load(name).__doc__
    for word in ("Source:", "Expected:", "Time:", f"Command: python -m medjax.main --config=configs/{name}.py"):
        assert word in header


@pytest.mark.parametrize("name", NAMES)
def test_it_builds_and_takes_a_step(name, tmp_path, monkeypatch):
    config = load(name).get_config()
    assert config.name == name
    monkeypatch.setattr(datasets, "find_dataset", lambda name: None)  # some builders are still to come
    configuration.check(config)
    size = SMALL.get(name, 32)
    images = np.random.default_rng(0).integers(0, 256, (30, size, size, config.data.channels), np.uint8)
    table = ImageTable(
        images=images,
        labels=np.arange(30, dtype=np.int32) % 3,
        image_ids=np.array([f"image{i}" for i in range(30)]),
        group_ids=np.array([""] * 30),
        columns={},
        class_names=("a", "b", "c"),
        fingerprint="f",
        content_hash="h",
        name="random",
        synthetic=True,
        skipped=(),
    )
    monkeypatch.setattr(experiment.cache, "load_table", lambda *_, **__: table)
    changes = {"weights": "none", "trainable": "all", "normalization": "train", "batch_size": 4}
    config = ConfigDict({**config.to_dict(), **changes})
    if "steps" in config.model:
        config.model.steps = 2
    built = experiment.build(config, tmp_path)
    state, sums = built.train_step(built.state, next(built.examples.ahead([built.order(0)])))
    assert int(state.step) == 1
    assert np.isfinite(float(sums["loss"]))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
