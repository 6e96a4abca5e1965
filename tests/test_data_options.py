"""Whole runs of a tiny network: where the images lie, what else the network is told, and how classes are balanced."""

import dataclasses
import json

import numpy as np
import pytest

from medjax import config as configuration
from medjax import experiment, preparation
from medjax.pipeline.feed import DeviceFeed, HostFeed
from tests.configs import tiny

ONE_EPOCH = {"phantom__max_epochs": 1}


def rows(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def preprocessing(workdir):
    return json.loads((workdir / "preprocessing.json").read_text())


@pytest.fixture
def built(monkeypatch):
    """The experiments that are built while the test runs."""
    found = []
    build = experiment.build

    def watch(*arguments):
        found.append(build(*arguments))
        return found[-1]

    monkeypatch.setattr(experiment, "build", watch)
    return found


@pytest.mark.parametrize("route", [{}, {"trainable": "head", "feature_views": 2}])
def test_device_and_host_give_the_same_run_to_the_byte(route, run_tiny, tmp_path, built):
    for placement in ("device", "host"):
        run_tiny(tmp_path / placement, data__placement=placement, **route, **ONE_EPOCH)
    assert [type(each.images) for each in built] == [type(each.examples) for each in built] == [DeviceFeed, HostFeed]
    for name in ("metrics.jsonl", "predictions_val.csv", "predictions_test.csv"):
        assert (tmp_path / "device" / name).read_bytes() == (tmp_path / "host" / name).read_bytes(), name


def test_switches_that_are_off_leave_no_trace(finished):
    assert preprocessing(finished[0])["prior_correction"] is None
    assert preprocessing(finished[0])["input_columns"] == {}


def change_table(monkeypatch, change):
    load = preparation.cache.load_table
    monkeypatch.setattr(preparation.cache, "load_table", lambda *args, **options: change(load(*args, **options)))


def fewer_of_the_first_class(table):
    chosen = np.flatnonzero((table.labels > 0) | (np.arange(len(table)) % 3 == 0))
    fields = {name: getattr(table, name)[chosen] for name in ("images", "labels", "image_ids", "group_ids")}
    return dataclasses.replace(table, **fields, columns={})


def test_balanced_sampling_is_recorded_and_corrected_in_validation_and_test(run_tiny, tmp_path, monkeypatch, built):
    change_table(monkeypatch, fewer_of_the_first_class)
    evaluation = run_tiny(tmp_path, sampling="balanced", **ONE_EPOCH)
    recorded = preprocessing(tmp_path)["prior_correction"]
    only = built[0]
    counts = np.bincount(only.prepared.table.labels[only.prepared.splits["train"]])
    np.testing.assert_allclose(recorded["natural_prior"], counts / counts.sum())
    np.testing.assert_allclose(recorded["trained_prior"], np.full(len(counts), 1 / len(counts)))
    np.testing.assert_allclose(recorded["added_to_logits"], np.log(counts / counts.mean()), atol=1e-9)
    assert evaluation["splits"]["val"]["log_loss"] == pytest.approx(rows(tmp_path)[0]["val_loss"], rel=1e-6)


def make(workdir, cache, **changes):
    """The experiment, not yet run."""
    workdir.mkdir()
    config = tiny.get_config()
    config.data.cache = str(cache)
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    config = configuration.resolve(config)
    return experiment.build(config, preparation.prepare(config, workdir), workdir)


def test_class_weights_are_made_good_in_the_logits(tmp_path, monkeypatch):
    change_table(monkeypatch, fewer_of_the_first_class)
    plain = make(tmp_path / "plain", tmp_path / "cache")
    even = make(tmp_path / "even", tmp_path / "cache", class_weights="balanced")
    batch = next(plain.images.ahead([np.arange(4, dtype=np.int32)]))
    added = even.preprocessing["prior_correction"]["added_to_logits"]
    assert added[0] < -0.5 < 0 < min(added[1:])
    for name in ("logits", "val_logits"):
        was, now = (getattr(each, name)(each.state.variables, batch) for each in (plain, even))
        np.testing.assert_allclose(now - was, np.tile(added, (4, 1)), atol=1e-5)
    loss = [float(each.train_step(each.state, batch)[1]["loss"]) for each in (plain, even)]
    assert loss[0] != loss[1]


def test_an_input_column_is_told_to_the_network_and_recorded(tmp_path, monkeypatch):
    def with_sides(table):
        sides = np.array(["left", "right"])[np.arange(len(table)) % 2]
        return dataclasses.replace(table, columns={"side": sides})

    change_table(monkeypatch, with_sides)
    only = make(tmp_path / "run", tmp_path / "cache", data__input_columns=("side",))
    assert only.preprocessing["input_columns"] == {"side": ["left", "right"]}
    batch = next(only.images.ahead([np.zeros(2, np.int32)]))
    other = batch._replace(categories=1 - batch.categories)
    left, right = (only.logits(only.state.variables, each) for each in (batch, other))
    assert not np.allclose(left, right)


def test_every_augmentation_at_once_trains(run_tiny, tmp_path):
    names = ("shear", "crop", "gamma", "noise", "cutout", "mixup", "cutmix")
    on = {f"augment__{name}": 0.5 for name in names}
    run_tiny(tmp_path, **on, **ONE_EPOCH)
    assert np.isfinite(rows(tmp_path)[0]["train_loss"])


def test_targets_without_an_image_get_the_training_prior(run_tiny, tmp_path, monkeypatch):
    def with_targets(table):
        patients = np.array([f"p{row}" for row in range(len(table))])
        lacking = [
            {"image_id": f"t{row}", "group_id": f"p{row}", "label": 2, "columns": {"level": "l1"}, "reason": reason}
            for row, reason in ((0, "no coordinate"), (1, "no coordinate"), (2, "a report"))
        ]
        notes = {"predicted_by_prior": "no coordinate"}
        return dataclasses.replace(table, group_ids=patients, left_out=tuple(lacking), notes=notes, columns={})

    change_table(monkeypatch, with_targets)
    split = {"train": list(range(3, 700)), "val": [0, *range(700, 800)], "test": [1, 2, *range(800, 900)]}
    monkeypatch.setattr(preparation, "_load_splits", lambda *_: {name: np.array(rows) for name, rows in split.items()})
    evaluation = run_tiny(tmp_path, **ONE_EPOCH)
    assert evaluation["targets_without_image"] == {"val": 1, "test": 1}
    _, row = (tmp_path / "predictions_test_without_image.csv").read_text().splitlines()
    image_id, group_id, _, *probabilities, level = row.split(",")
    assert (image_id, group_id, level) == ("t1", "group-000001", "l1")
    # The phantom's 900 images are sorted by class, 300 each.
    assert [float(p) for p in probabilities] == pytest.approx([297 / 697, 300 / 697, 100 / 697])


def test_a_publishers_test_set_is_also_judged_with_one_image_a_group(run_tiny, tmp_path, monkeypatch):
    def published(table):
        images, labels = np.array(table.images), table.labels.copy()
        images[1], labels[1] = images[0][:, ::-1], labels[0]
        official = np.where(np.arange(len(table)) % 3 == 0, "test", "train")
        official[:2] = "test"
        return dataclasses.replace(table, images=images, labels=labels, columns={"official_split": official})

    change_table(monkeypatch, published)
    splits = run_tiny(tmp_path, drawn=True, split__kind="official_dedup", **ONE_EPOCH)["splits"]
    assert (splits["test"]["images"], splits["test, one image a group"]["images"]) == (301, 300)
    assert "one image a group" in (tmp_path / "report.html").read_text()
