"""Every published config: valid, complete in its header, and it takes a step."""

import importlib
import inspect
import io
import pathlib
import struct

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from medjax import config as configuration
from medjax import datasets, experiment, preparation
from medjax.pipeline.augment import Augmentation
from medjax.pipeline.partition import OFFICIAL_COLUMN
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
    configuration.check(config)
    size = SMALL.get(name, 32)
    images = np.random.default_rng(0).integers(0, 256, (30, size, size, config.data.channels), np.uint8)
    official = {} if config.split.kind == "clean" else {OFFICIAL_COLUMN: np.array(["train"] * 21 + ["test"] * 9)}
    table = ImageTable(
        images=images,
        labels=np.arange(30, dtype=np.int32) % 3,
        image_ids=np.array([f"image{i}" for i in range(30)]),
        group_ids=np.array([""] * 30),
        columns={name: np.array(["x", "y"] * 15) for name in config.data.input_columns} | official,
        class_names=("a", "b", "c"),
        fingerprint="f",
        content_hash="h",
        name="random",
        synthetic=True,
        skipped=(),
    )
    monkeypatch.setattr(preparation, "load_table", lambda _: table)
    changes = {"weights": "none", "trainable": "all", "normalization": "train", "batch_size": 4}
    config = ConfigDict({**config.to_dict(), **changes})
    if "steps" in config.model:
        config.model.steps = 2
    built = experiment.build(config, preparation.prepare(config, tmp_path), tmp_path)
    state, sums = built.train_step(built.state, next(built.examples.ahead([built.order(0)])))
    assert int(state.step) == 1
    assert np.isfinite(float(sums["loss"]))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))


def png(size, mode="L"):
    file = io.BytesIO()
    Image.new(mode, size, 100).save(file, "PNG")
    return file.getvalue()


def idx(values):
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def brain_tumor_mri():
    classes = datasets.DATASETS["brain_tumor_mri"].class_names
    return {f"{split}/{name}/1.jpg": png((20, 30)) for split in ("Training", "Testing") for name in classes}


def mnist():
    images, labels = np.zeros((2, 28, 28), np.uint8), np.array([0, 9], np.uint8)
    return {
        f"{part}-{name}": idx(values)
        for part in ("train", "t10k")
        for name, values in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels))
    }


SOURCES = {
    "brain_cancer_mri": lambda: {f"{n}/1.jpg": png((9, 9)) for n in ("brain_glioma", "brain_menin", "brain_tumor")},
    "brain_tumor_mri": brain_tumor_mri,
    "medical_mnist": lambda: {f"{n}/1.jpeg": png((64, 64)) for n in datasets.DATASETS["medical_mnist"].class_names},
    "mnist": mnist,
    "cifar10": lambda: {f"{n}.bin": bytes(3073) for n in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")},
    "image_folder": lambda: {f"{n}/1.png": png((5, 5), "RGB") for n in ("cat", "dog")},
    "image_table": lambda: {"a.png": png((5, 5)), "b.png": png((5, 5)), "m.csv": b"image,label\na.png,0\nb.png,1\n"},
}


@pytest.mark.parametrize("name", NAMES)
def test_its_dataset_becomes_a_table_of_the_models_input(name, tmp_path):
    config = load(name).get_config()
    if config.data.name == "rsna_lumbar":
        assert config.data.channels == config.data.options.slices  # its crops: datasets/test_rsna_lumbar.py
        return
    for file, data in SOURCES[config.data.name]().items():
        (tmp_path / "s" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "s" / file).write_bytes(data)
    config.data.path = str(tmp_path / "s")
    config.data.cache = str(tmp_path / "c")
    resolved = configuration.resolve(config)
    table = preparation.load_table(resolved)
    assert table.images.shape[1:] == (config.data.image_size, config.data.image_size, config.data.channels)
    assert table.labels.max() < len(table.class_names)
    assert not table.synthetic


def test_digits_are_neither_mirrored_nor_turned():
    augment = load("medical_cnn_mnist").get_config().augment
    assert Augmentation(**augment) == Augmentation()


@pytest.mark.parametrize("name", ["my_images", "my_table"])
def test_every_option_stands_in_the_config_with_its_default(name):
    config = load(name).get_config()
    parameters = inspect.signature(datasets.DATASETS[config.data.name].configure).parameters
    defaults = {name: parameter.default for name, parameter in list(parameters.items())[1:]}
    assert config.data.options.to_dict() == defaults
