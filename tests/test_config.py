import logging
import pathlib
import re

import pytest
from ml_collections import ConfigDict

from configs import resnet50_brain
from medjax import config as configuration
from medjax.errors import UserError
from medjax.pipeline.augment import Augmentation


@pytest.fixture
def config(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return resnet50_brain.get_config()


def change(config, field, value):
    *path, last = field.split(".")
    part = config
    for name in path:
        part = part[name]
    part[last] = value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 10**20),
        ("seed", 2**31),
        ("folds", 10**9),
        ("max_epochs", 0),
        ("early_stopping.patience_epochs", -1),
        ("split.val", 0.0),
        ("split.test", -0.1),
        ("label_smoothing", 1.0),
        ("optimizer.learning_rate", 0.0),
        ("optimizer.learning_rate", float("nan")),
        ("optimizer.learning_rate", float("inf")),
        ("optimizer.name", "adan"),
        ("schedule.decay_factor", 1.5),
        ("data.channels", 0),
        ("data.image_size", 0),
        ("feature_views", 0),
        ("dtype", "float16"),
        ("data.placement", "gpu"),
        ("sampling", "even"),
        ("class_weights", "inverse"),
        ("augment.crop", 0.0),
        ("augment.crop", 1.1),
        ("augment.shear", 90.0),
        ("augment.gamma", -0.1),
        ("augment.noise", -0.1),
        ("augment.cutout", 1.0),
        ("augment.mixup", -1.0),
        ("augment.cutmix", -1.0),
        ("accumulate", 0),
        ("on_nan", "ignore"),
        ("evaluation.primary", "auc"),
        ("evaluation.coverage", 1.0),
        ("evaluation.views", 0),
        ("profile_steps", (3,)),
        ("profile_steps", (5, 4)),
        ("profile_steps", (-1, 4)),
    ],
)
def test_an_impossible_value_is_one_line_that_names_field_and_value(config, field, value):
    change(config, field, value)
    with pytest.raises(UserError) as caught:
        configuration.check(config)
    assert f"config.{field}={value!r}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_field_that_is_missing_is_named(config):
    del config.split.kind
    with pytest.raises(UserError, match=r"config\.split\.kind is missing"):
        configuration.check(config)


def test_fractions_must_leave_something_to_train_on(config):
    config.split.val, config.split.test = 0.5, 0.5
    with pytest.raises(UserError, match="below 1"):
        configuration.check(config)


def test_views_of_an_image_need_an_augmentation(config):
    config.evaluation.views = 4
    configuration.check(config)
    config.augment = resnet50_brain.no_augmentation()
    config.augment.mixup = 0.2  # blends images; a view is of one
    with pytest.raises(UserError, match=re.escape("config.evaluation.views=4 views of an image are all the same")):
        configuration.check(config)


def test_an_unknown_dataset_is_refused_with_the_known_ones(config):
    config.data.name = "brain_tumour"
    with pytest.raises(UserError, match="phantom"):
        configuration.check(config)


def test_the_published_config_is_valid(config):
    configuration.check(config)


def test_without_the_dataset_the_demo_trains_the_phantom_from_scratch_and_says_so(config, caplog, monkeypatch):
    monkeypatch.setattr(configuration.log, "propagate", True)
    with caplog.at_level(logging.WARNING):
        resolved = configuration.resolve(config)
    assert (resolved.data.name, resolved.data.image_size) == ("phantom", 64)
    assert (resolved.weights, resolved.trainable, resolved.normalization) == ("none", "all", "train")
    assert resolved.max_epochs == config.phantom.max_epochs
    assert "DEMO" in caplog.text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("image_folder", "image_folder reads your own images: give the folder or .zip with --config.data.path=PATH"),
        ("image_table", "image_table reads your own images: give"),
        ("mnist", "mnist is not on disk: get it from https://"),
        ("medical_mnist", "save it as data/medical_mnist.zip or data/medical_mnist/, or give its place with"),
    ],
)
def test_no_phantom_stands_in_for_other_images(config, name, message):
    config.data.name = name
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        configuration.resolve(config)
    assert "\n" not in str(caught.value)


def test_a_given_path_that_is_wrong_never_becomes_a_demo(config):
    config.data.path = "not/there.zip"
    with pytest.raises(UserError, match=r"not/there\.zip"):
        configuration.resolve(config)


def test_pretrained_weights_mean_a_frozen_backbone_and_their_constants(config):
    pathlib.Path("images").mkdir()
    config.data.path = "images"
    resolved = configuration.resolve(config)
    assert (resolved.trainable, resolved.normalization) == ("head", "imagenet")


def test_no_weights_mean_that_everything_is_trained(config):
    pathlib.Path("images").mkdir()
    config.data.path, config.weights = "images", "none"
    resolved = configuration.resolve(config)
    assert (resolved.trainable, resolved.normalization) == ("all", "train")


def test_resolve_leaves_the_given_config_alone(config):
    before = config.to_json()
    configuration.resolve(config)
    assert config.to_json() == before


def test_every_difference_is_named_with_both_values():
    old, new = {"a": {"b": 1, "c": 2}, "d": "x"}, {"a": {"b": 1, "c": 3}, "e": None}
    assert configuration.differences(old, new) == ["a.c: 2 there, 3 here", "d: 'x' there, None here"]


def test_the_hash_follows_the_values():
    first, second = ConfigDict({"a": 1}), ConfigDict({"a": 2})
    assert configuration.short_hash(first) == configuration.short_hash(ConfigDict({"a": 1}))
    assert configuration.short_hash(first) != configuration.short_hash(second)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_blending_needs_more_than_a_head_to_train(config, name):
    pathlib.Path("images").mkdir()
    config.data.path = "images"
    config.augment[name] = 0.2
    with pytest.raises(UserError, match=f"config.augment.{name}=0.2"):
        configuration.resolve(config)
    config.trainable = "from:layer4"
    configuration.resolve(config)


@pytest.mark.parametrize("trainable", ["head", "from:layer4"])
def test_input_columns_need_the_first_layer_to_be_trained(config, trainable):
    pathlib.Path("images").mkdir()
    config.data.path, config.trainable, config.data.input_columns = "images", trainable, ("level",)
    with pytest.raises(UserError, match=r"config\.data\.input_columns=\('level',\)"):
        configuration.resolve(config)
    config.trainable = "all"
    configuration.resolve(config)


def test_without_augmentation_every_switch_is_off():
    assert Augmentation(**resnet50_brain.no_augmentation()) == Augmentation()


def test_no_path_is_kept(config):
    config.data.path = config.data.cache = config.split.file = config.weights = "/home/doe/a"
    config.data.options = ConfigDict({"root": "doe"})
    assert "doe" not in str(configuration.settings(config))
    config.weights = "IMAGENET1K_V2"
    assert configuration.settings(config)["weights"] == "IMAGENET1K_V2"
