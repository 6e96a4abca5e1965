import json
import os
from pathlib import Path

import numpy as np
import pytest

from medjax.pipeline import duplicate_file
from medjax.pipeline.audit import audit
from medjax.pipeline.cache import load_table
from medjax.pipeline.duplicate_file import duplicates_of
from medjax.pipeline.table import ImageTable, content_hash

CLASSES = ("ant", "bee")


def pictures() -> np.ndarray:
    """Rows 0–3 differ; 4 is 0 again, 5 is 1 mirrored, 6 is 2 again, 7 is 2 turned."""
    noise = np.random.default_rng(0).random((4, 8, 8)).repeat(8, axis=1).repeat(8, axis=2)
    images = list((noise * 255).astype(np.uint8))
    images += [images[0], np.fliplr(images[1]), images[2], np.rot90(images[2])]
    return np.stack(images)[..., None]


def make_table(images: np.ndarray, labels: list[int], **changes: object) -> ImageTable:
    numbers = np.array(labels, np.int32)
    ids = np.array([f"{k}.png" for k in range(len(labels))])
    facts = {"fingerprint": "f", "content_hash": content_hash(images, numbers, ids), "name": "tiny"}
    fields = {"group_ids": np.array([""] * len(labels)), "columns": {}, "skipped": (), "synthetic": False} | changes
    return ImageTable(images=images, labels=numbers, image_ids=ids, class_names=CLASSES, **facts, **fields)  # type: ignore[arg-type]


@pytest.fixture
def table() -> ImageTable:
    columns = {
        "source_height": np.array([8] * 8),
        "source_width": np.array([8] * 4 + [9] * 4),
        "source_mode": np.array(["L"] * 8),
        "official_split": np.array(["train"] * 8),
    }
    left_out = ({"reason": "a localizer"}, {"reason": "a localizer"}, {"reason": "no coordinate"})
    return make_table(
        pictures(),
        [0, 0, 0, 1, 0, 1, 1, -1],
        columns=columns,
        left_out=left_out,
        skipped=(("bad.png", "truncated"),),
        group_ids=np.array(["p", "", "", "p", "", "", "", ""]),
    )


SPLITS = {"train": np.array([0, 1, 2, 3]), "test": np.array([4, 5, 6])}


def test_copies_across_splits_are_counted_on_both_sides(table: ImageTable) -> None:
    (pair,) = audit(table, SPLITS)["copies"]["across_splits"]
    assert pair == {
        "splits": ["train", "test"],
        "exact_groups": 2,
        "exact_images": {"train": 2, "test": 2},
        "near_links": 1,
        "near_images": {"train": 1, "test": 1},
        "images": {"train": 3, "test": 3},
        "groups": 3,
    }


def test_copies_within_a_split_are_counted(table: ImageTable) -> None:
    within = audit(table, {"train": np.arange(8), "test": np.array([], dtype=int)})["copies"]["within_splits"]
    assert within["train"] == {
        "images": 8,
        "exact_groups": 2,
        "exact_images": 4,
        "exact_surplus": 2,
        "near_links": 2,
        "near_images": 5,  # 1 and 5; 2, its copy 6, and 7
        "groups": 3,
        "images_in_groups": 7,
    }
    assert set(within["test"].values()) == {0}


def test_without_splits_the_whole_table_is_counted(table: ImageTable) -> None:
    copies = audit(table)["copies"]
    assert (copies["overall"]["exact_images"], copies["overall"]["near_links"]) == (4, 2)
    assert copies["across_splits"] == []
    assert copies["within_splits"] == {}


def test_labels_that_differ_among_copies_are_found(table: ImageTable) -> None:
    found = audit(table)["copies"]["conflicting_labels"]
    # 2 (ant) and 6 (bee) are one picture; 1 (ant) and 5 (bee) are near; 7 has no label, but its copies disagree.
    assert found == {"exact_groups": 1, "exact_images": 2, "near_links": 2}


def test_the_worst_pairs_come_first(table: ImageTable) -> None:
    pairs = audit(table, SPLITS)["copies"]["worst_pairs"]
    ids = [pair["image_ids"] for pair in pairs]
    assert ids == [["2.png", "6.png"], ["1.png", "5.png"], ["0.png", "4.png"], ["2.png", "7.png"]]
    assert pairs[1] == {
        "image_ids": ["1.png", "5.png"],
        "labels": ["ant", "bee"],
        "splits": ["train", "test"],
        "kind": "near",
        "correlation": 1.0,
        "orientation": "mirrored left to right",
        "across_splits": True,
        "labels_differ": True,
    }
    assert (pairs[3]["splits"], pairs[3]["labels"]) == (["train", ""], ["ant", ""])


def test_pairs_across_splits_precede_conflicts(table: ImageTable) -> None:
    pairs = audit(table, {"train": np.array([0, 1, 2, 3, 5, 6]), "test": np.array([4])})["copies"]["worst_pairs"]
    assert [pair["image_ids"] for pair in pairs][:2] == [["0.png", "4.png"], ["2.png", "6.png"]]


def test_a_large_group_gives_two_pairs() -> None:
    table = make_table(np.repeat(pictures()[:1], 9, axis=0), [0] * 9)
    copies = audit(table)["copies"]
    assert len(copies["worst_pairs"]) == 2
    (group,) = copies["largest_groups"]
    assert group == {"images": 9, "first_image": "0.png", "classes": {"ant": 9}, "splits": {}}


def test_the_flow_counts_what_every_step_leaves(table: ImageTable) -> None:
    report = audit(table, SPLITS)
    assert report["flow"] == {"found": 12, "readable": 11, "kept": 8, "labelled": 7, "used": 7}
    assert report["left_out"] == {"a localizer": 2, "no coordinate": 1}
    assert report["skipped"] == [{"image_id": "bad.png", "reason": "truncated"}]


def test_classes_are_counted_by_split(table: ImageTable) -> None:
    assert audit(table, SPLITS)["classes"] == {
        "ant": {"all": 4, "train": 3, "test": 1},
        "bee": {"all": 3, "train": 1, "test": 2},
        "": {"all": 1, "train": 0, "test": 0},
    }


def test_only_facts_of_the_file_are_compared_with_the_class(table: ImageTable) -> None:
    facts = {fact["fact"]: fact for fact in audit(table)["facts"]}
    assert list(facts) == ["size", "colour mode"]
    assert facts["size"]["counts"] == {"8×8": {"ant": 3, "bee": 1}, "9×8": {"ant": 1, "bee": 2}}
    assert facts["colour mode"]["cramers_v"] is None


def test_groups_and_patients_are_counted_and_obstacles_said(table: ImageTable) -> None:
    grouping = audit(table, fractions={"test": 0.2, "val": 0.2})["grouping"]
    assert {key: grouping[key] for key in ("groups", "largest", "images_with_patient", "patients")} == {
        "groups": 3,  # 0, 3 and 4 by patient and copy; 1 and 5; 2, 6 and 7
        "largest": 3,
        "images_with_patient": 2,
        "patients": 1,
    }
    assert grouping["obstacles"] == []
    assert "too few to be in each of 4 splits" in audit(table, fractions={"a": 0.1, "b": 0.1, "c": 0.1})["warnings"][1]


def test_the_leak_is_the_first_warning(table: ImageTable) -> None:
    first, second, *_ = audit(table, SPLITS)["warnings"]
    assert first.startswith(
        "3 images of test can be found among the images of train: 2 as exact copies in 2 groups, 1 as"
    )
    assert second.startswith("copies have different labels: 1 group of exact copies and 2 pairs of near copies")


def test_the_audit_is_json_and_always_the_same(table: ImageTable) -> None:
    assert json.dumps(audit(table, SPLITS)) == json.dumps(audit(table, SPLITS))


def on_disk(folder: Path) -> ImageTable:
    np.save(folder / "images.npy", pictures())
    return make_table(np.load(folder / "images.npy", mmap_mode="r"), [0] * 8)


def test_the_search_is_kept_beside_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = duplicates_of(on_disk(tmp_path))
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".npy"] == ["duplicates.npz"]
    monkeypatch.setattr(duplicate_file, "find_duplicates", None)
    second = duplicates_of(on_disk(tmp_path))
    assert second.groups.tolist() == first.groups.tolist() == [0, 1, 2, 3, 0, 1, 2, 2]
    assert (second.i.tolist(), second.orientation.tolist()) == (first.i.tolist(), first.orientation.tolist())


@pytest.mark.parametrize("change", ["version", "content", "damage"])
def test_what_does_not_belong_to_the_table_is_searched_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    table = on_disk(tmp_path)
    duplicates_of(table)
    if change == "version":
        monkeypatch.setattr(duplicate_file, "VERSION", 99)
    elif change == "content":
        table = make_table(table.images, [1] * 8)
    else:
        file = tmp_path / "duplicates.npz"
        file.write_bytes(file.read_bytes()[:200])
    searched = []
    search = duplicate_file.find_duplicates
    monkeypatch.setattr(duplicate_file, "find_duplicates", lambda images: searched.append(1) or search(images))
    assert duplicates_of(table).groups.tolist() == [0, 1, 2, 3, 0, 1, 2, 2]
    duplicates_of(table)
    assert searched == [1]


def test_an_unwritable_folder_only_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    table = on_disk(tmp_path)

    def refuse(*_: object) -> None:
        raise duplicate_file.UserError("cannot write it")

    monkeypatch.setattr(duplicate_file, "write_bytes", refuse)
    assert len(duplicates_of(table).groups) == 8
    assert "cannot write it; the search for copies is repeated in every run" in caplog.text


def test_a_table_in_memory_is_searched(table: ImageTable) -> None:
    assert duplicates_of(table).exact.tolist() == [0, 1, 2, 3, 0, 5, 2, 7]


def test_one_kind_of_pair_does_not_crowd_out_the_others(table: ImageTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medjax.pipeline.audit._PAIRS", 1)
    noise = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 1), dtype=np.uint8)
    images = np.concatenate([noise, noise, noise[:1, ::-1]])
    pairs = audit(make_table(images, [0, 0, 0, 0, 0, 0, 1]))["copies"]["worst_pairs"]
    assert [(pair["kind"], pair["labels_differ"]) for pair in pairs] == [("near", True), ("exact", False)]


@pytest.mark.real_data
@pytest.mark.skipif("MEDJAX_TEST_DATA" not in os.environ, reason="MEDJAX_TEST_DATA is not set")
def test_the_known_leak_of_the_brain_tumour_set_is_found(tmp_path: Path) -> None:
    source = Path(os.environ["MEDJAX_TEST_DATA"]) / "brain_tumor_mri.zip"
    fixed = {"channels": 1, "fit": "squash", "on_bad_image": "stop", "progress": False, "cache_dir": tmp_path}
    table = load_table("brain_tumor_mri", source=source, image_size=224, **fixed)  # type: ignore[arg-type]
    splits = {name: np.flatnonzero(table.columns["official_split"] == name) for name in ("train", "test")}
    (pair,) = audit(table, splits)["copies"]["across_splits"]
    assert (pair["exact_groups"], pair["exact_images"]["test"]) == (189, 216)
    assert pair["images"]["test"] > 900
