"""From a config to a split, its audit and its unit; on the phantom, where copies are made by hand."""

import dataclasses
import json

import numpy as np
import pytest

from medjax import config as configuration
from medjax import preparation
from medjax.errors import UserError
from tests.configs import tiny


def draw_pictures(count):
    """Pictures that are no copies of one another: uint8 [count, 32, 32, 1]."""
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 1), np.uint8)


@pytest.fixture
def table(phantom_table):
    """60 pictures: row 50 is a copy of row 0, mirrored, and 20 of 1; the publisher tests on the last 20."""
    images = draw_pictures(60)
    images[50], images[20] = images[0][:, ::-1], images[1]
    return dataclasses.replace(
        phantom_table,
        images=images,
        labels=np.arange(60, dtype=np.int32) % 2,
        image_ids=np.array([f"i{row}" for row in range(60)]),
        group_ids=np.array([""] * 60),
        columns={"official_split": np.array(["train"] * 40 + ["test"] * 20)},
        class_names=("a", "b"),
    )


@pytest.fixture
def phantom_table(tmp_path_factory):
    config = tiny.get_config()
    config.data.cache = str(tmp_path_factory.mktemp("cache"))
    return preparation.load_table(configuration.resolve(config))


@pytest.fixture
def prepare(table, monkeypatch, tmp_path):
    def run(**changes):
        config = tiny.get_config()
        config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
        monkeypatch.setattr(preparation, "load_table", lambda _: table)
        return preparation.prepare(configuration.resolve(config), tmp_path)

    return run


def split_of(prepared):
    return {int(row): name for name, rows in prepared.splits.items() for row in rows}


def test_copies_stay_together(prepare, tmp_path):
    for seed in range(5):
        prepared = prepare(split__seed=seed)
        where = split_of(prepared)
        assert (where[0], where[1]) == (where[50], where[20])
        assert prepared.table.group_ids[0] == prepared.table.group_ids[50] != prepared.table.group_ids[1]
        assert prepared.unit == "near-copy group (patient overlap unknown)"
        (tmp_path / "splits.json").unlink()


def test_what_the_dataset_says_of_its_results_stands_beside_the_unit(table, monkeypatch, tmp_path):
    told = dataclasses.replace(table, notes={"results": "oracle crops"})
    monkeypatch.setattr(preparation, "load_table", lambda _: told)
    prepared = preparation.prepare(configuration.resolve(tiny.get_config()), tmp_path)
    assert prepared.unit.endswith(" (patient overlap unknown). Results: oracle crops")


def test_without_the_search_every_image_is_its_own_unit(prepare):
    prepared = prepare(split__near_copies=False)
    assert prepared.unit == "image (patient overlap unknown)"
    assert set(prepared.table.group_ids) == {""}


def test_official_keeps_its_leaks_and_counts_them(prepare, tmp_path):
    prepared = prepare(split__kind="official")
    assert prepared.splits["test"].tolist() == list(range(40, 60))
    assert prepared.unit.startswith("the publisher's split, its leaks kept")
    assert any("1 image of test" in warning for warning in prepared.audit["warnings"]), prepared.audit["warnings"]
    assert json.loads((tmp_path / "splits.json").read_text())["removed"] == []


def test_official_dedup_leaves_the_copy_of_a_test_image_out_of_training(prepare, tmp_path):
    prepared = prepare(split__kind="official_dedup")
    assert 0 not in split_of(prepared)
    assert prepared.splits["test"].tolist() == list(range(40, 60))
    assert prepared.copies_in_test
    assert json.loads((tmp_path / "splits.json").read_text())["removed"] == ["i0"]
    assert not any("of test" in warning for warning in prepared.audit["warnings"])


def test_a_second_look_finds_the_same_split_and_files(prepare, tmp_path):
    first = prepare()
    files = {name: (tmp_path / name).read_bytes() for name in ("splits.json", "audit.json", "audit.html")}
    again = prepare()
    assert {name: rows.tolist() for name, rows in first.splits.items()} == {
        name: rows.tolist() for name, rows in again.splits.items()
    }
    assert files == {name: (tmp_path / name).read_bytes() for name in files}


def test_the_pages_of_a_run_without_pictures_hold_none(table, monkeypatch, tmp_path):
    monkeypatch.setattr(preparation, "load_table", lambda _: table)
    config = configuration.resolve(tiny.get_config())
    preparation.prepare(config, tmp_path)
    assert "<img" in (tmp_path / "audit.html").read_text()
    preparation.prepare(config, tmp_path, images=False)
    assert "<img" not in (tmp_path / "audit.html").read_text()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("prevalence", (0.25, 0.25, 0.5), "2 classes need a share each, in this order: a, b"),
        ("subgroups", ("site",), "no column 'site'; columns of the images: official_split"),
    ],
)
def test_settings_that_do_not_fit_the_images_are_refused_before_anything_is_written(
    prepare, tmp_path, field, value, message
):
    with pytest.raises(UserError, match=message):
        prepare(**{f"evaluation__{field}": value})
    assert not list(tmp_path.glob("*.json"))
