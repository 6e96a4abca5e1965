import io
import json
import logging
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from medjax.datasets.description import Dataset, Example
from medjax.datasets.image_folder import DATASET
from medjax.datasets.pseudonyms import Pseudonyms, load_key, original_names
from medjax.datasets.source import open_source
from medjax.errors import UserError
from medjax.pipeline import cache


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (4, 4), value).save(file, "PNG")
    return file.getvalue()


def place(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(number))
    return root


def configured(root: Path, **options) -> Dataset:
    return DATASET.configured(open_source(root), {"ids": "names", **options})


def examples(dataset: Dataset) -> dict[str, list[Example]]:
    return {name: list(split.examples) for name, split in dataset.splits(None).items()}


def listed(dataset: Dataset) -> list[tuple[str, int, str]]:
    return [(e.image_id, e.label, e.group_id) for split in examples(dataset).values() for e in split]


def load(root: Path, cache_dir: Path, **changes):
    options = {"image_size": 2, "channels": 1, "fit": "pad", "on_bad_image": "stop", "progress": False}
    return cache.load_table("image_folder", source=root, cache_dir=cache_dir, **(options | changes))


def test_folders_are_classes_in_sorted_order(tmp_path: Path) -> None:
    dataset = configured(place(tmp_path, "dog/1.png", "cat/2.JPG", "cat/1.tiff"))
    assert dataset.class_names == ("cat", "dog")
    assert listed(dataset) == [("cat/1.tiff", 0, ""), ("cat/2.JPG", 0, ""), ("dog/1.png", 1, "")]
    assert not dataset.ordered


def test_split_folders_are_the_official_splits(tmp_path: Path) -> None:
    names = [f"{split}/{name}/1.png" for split in ("Test", "training", "val") for name in ("cat", "dog")]
    dataset = configured(place(tmp_path, *names))
    assert {name: [e.image_id for e in found] for name, found in examples(dataset).items()} == {
        "train": ["training/cat/1.png", "training/dog/1.png"],
        "val": ["val/cat/1.png", "val/dog/1.png"],
        "test": ["Test/cat/1.png", "Test/dog/1.png"],
    }


def test_the_positive_class_is_last_and_degrees_keep_their_order(tmp_path: Path) -> None:
    place(tmp_path, "ill/1.png", "well/1.png")
    positive = configured(tmp_path, positive_class="ill")
    assert (positive.class_names, positive.notes["positive_class"]) == (("well", "ill"), "ill")
    ordered = configured(tmp_path, ordered=("well", "ill"))
    assert (ordered.class_names, ordered.ordered) == (("well", "ill"), True)


def test_the_folder_below_the_class_is_the_patient(tmp_path: Path) -> None:
    dataset = configured(place(tmp_path, "cat/p1/1.png", "cat/p2/1.png", "dog/p1/1.png"), group_from="subfolder")
    assert [group for *_, group in listed(dataset)] == ["p1", "p2", "p1"]
    assert dataset.notes["group_from"] == "subfolder"


def test_a_pattern_may_put_one_group_into_two_official_splits(tmp_path: Path) -> None:
    place(tmp_path, *(f"{split}/{name}/P1_0.png" for split in ("train", "test") for name in ("cat", "dog")))
    dataset = configured(tmp_path, group_from="pattern", group_pattern=r"(P\d)_")
    assert {group for *_, group in listed(dataset)} == {"P1"}


def test_ids_are_pseudonyms_by_default_and_the_terminal_can_find_the_file(tmp_path: Path) -> None:
    place(tmp_path, "cat/Jane Doe/1.png", "dog/John Roe/1.png")
    source = open_source(tmp_path)
    dataset = DATASET.configured(source, {"group_from": "subfolder"})
    image_id, _, group_id = listed(dataset)[0]
    pseudonyms = Pseudonyms(load_key())
    assert image_id == pseudonyms.of("image", "cat/Jane Doe/1.png")
    assert group_id == pseudonyms.of("group", "Jane Doe")
    assert original_names(source.files, [image_id], pseudonyms) == {image_id: "cat/Jane Doe/1.png"}


def test_a_zip_gives_the_ids_of_the_folder(tmp_path: Path) -> None:
    names = ["cat/1.png", "dog/1.png"]
    place(tmp_path / "d", *names)
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for name in names:
            archive.write(tmp_path / "d" / name, f"wrapped/{name}")
    with open_source(tmp_path / "d.zip") as source:
        zipped = listed(DATASET.configured(source, {}))
    assert zipped == listed(DATASET.configured(open_source(tmp_path / "d"), {}))


def test_no_file_name_is_written_anywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture, dicom_stand_in) -> None:
    place(tmp_path / "s", "cat/JaneDoe/JaneDoe1.png", "dog/JohnRoe/JohnRoe1.png", "dog/JohnRoe/JohnRoe.txt")
    (tmp_path / "s/cat/JaneDoe/JaneDoe2.png").write_bytes(b"no picture")
    options = {"group_from": "subfolder"}
    with caplog.at_level(logging.INFO), pytest.raises(UserError) as caught:
        load(tmp_path / "s", tmp_path / "c", options=options)
    assert "JaneDoe" not in str(caught.value)
    assert "python -m medjax.which says which files" in str(caught.value)
    table = load(tmp_path / "s", tmp_path / "c", options=options, on_bad_image="skip")
    bad = Pseudonyms(load_key()).of("image", "cat/JaneDoe/JaneDoe2.png")
    assert [image_id for image_id, _ in table.skipped] == [bad]
    assert table.notes["unused_files"] == 1
    written = [file.read_bytes() for file in (tmp_path / "c").rglob("*") if file.is_file()]
    assert written
    assert not any(name in data for data in (*written, caplog.text.encode()) for name in (b"JaneDoe", b"JohnRoe"))


def test_another_key_makes_another_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path / "s", "cat/1.png", "dog/1.png")
    first = load(tmp_path / "s", tmp_path / "c")
    monkeypatch.setenv("MEDJAX_KEY", str(tmp_path / "other"))
    second = load(tmp_path / "s", tmp_path / "c")
    assert first.fingerprint != second.fingerprint
    assert not set(first.image_ids.tolist()) & set(second.image_ids.tolist())


def test_what_is_no_image_is_counted_and_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, dicom_stand_in
) -> None:
    place(tmp_path, "cat/1.png", "dog/1.png", "preview.png")
    (tmp_path / "cat/notes.txt").write_text("x")
    (tmp_path / "cat/.hidden.png").write_text("x")
    with caplog.at_level(logging.WARNING, "medjax"):
        dataset = configured(tmp_path)
    assert "2 files left aside, which are no images or in no class folder" in caplog.text
    assert dataset.notes["unused_files"] == 2
    assert len(listed(dataset)) == 2


def test_dicom_becomes_a_table_by_patient(tmp_path: Path, dicom_stand_in) -> None:
    for name, patient in {"ill/a": "P1", "ill/b": "P1", "well/c.dcm": "P2", "well/sr": "REPORT"}.items():
        (tmp_path / "s" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "s" / name).write_bytes(f"DICM {patient}".encode())
    table = load(tmp_path / "s", tmp_path / "c", options={"group_from": "patient_id", "ids": "names"})
    assert table.image_ids.tolist() == ["ill/a", "ill/b", "well/c.dcm"]
    pseudonyms = Pseudonyms(load_key())
    assert table.group_ids.tolist() == [pseudonyms.of("patient", patient) for patient in ("P1", "P1", "P2")]
    assert [row["reason"] for row in table.left_out] == ["a structured report"]
    assert (table.images.dtype.name, table.images.max()) == ("uint16", 500)
    assert table.notes["dicom"] == {"policy": "auto"}
    assert json.loads(json.dumps(table.notes)) == table.notes


def test_dicom_without_a_patient_is_counted(tmp_path: Path, dicom_stand_in) -> None:
    place(tmp_path, "ill/a.png", "well/b.png")
    with pytest.raises(UserError, match=r"2 of 2 images have no DICOM PatientID \(1 in 'ill', 1 in 'well'\)"):
        configured(tmp_path, group_from="patient_id")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1.png", "2.png"], "holds 2 files and no class folder"),
        (["cat/1.png"], "found 'cat': there is nothing to tell apart"),
        (["cat/1.png", "dog/"], r"the class folder 'dog' of .* holds no image \(0 other files\)"),
        (["train/cat/1.png", "train/dog/1.png", "test/cat/1.png", "test/dog/"], "class folder 'test/dog' of"),
        (["x/y/cat/1.png", "x/y/dog/2.png", "z/q/1.png"], r"'x' of .* taken for a class, and 2 of its images lie in"),
        (["train/cat/1.png", "train/dog/1.png", "val/Cat/1.png"], "the class 'Cat' is in 'val' and not in 'train'"),
        (["cat/1.png", "dog/1.png", "brain.nii.gz"], "holds 1 NIfTI file"),
        (["brain.nii"], "holds 1 NIfTI file"),
    ],
)
def test_another_layout_is_one_line_that_says_what_was_found(tmp_path: Path, names: list[str], message: str) -> None:
    place(tmp_path, *(name for name in names if not name.endswith("/")))
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        if name.endswith("/"):
            (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=message) as caught:
        configured(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_class_that_a_split_lacks_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place(tmp_path, "train/cat/1.png", "train/dog/1.png", "val/cat/1.png")
    with caplog.at_level(logging.WARNING, "medjax"):
        configured(tmp_path)
    assert "no image of dog in 'val'" in caplog.text


def test_an_unknown_option_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no option 'groups_from'; its options are group_from, group_pattern"):
        configured(place(tmp_path, "cat/1.png", "dog/1.png"), groups_from="subfolder")
