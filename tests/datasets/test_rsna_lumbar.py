import csv
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from medjax.datasets import DATASETS
from medjax.datasets.description import Dataset, Example
from medjax.datasets.rsna_tables import COORDINATES_FILE, LABELS_FILE
from medjax.datasets.source import open_source
from medjax.errors import UserError
from medjax.pipeline.cache import load_table
from tests.datasets.dicom_writing import dicom
from tests.datasets.test_rsna_tables import COLUMNS, COORDINATE, labels, table

LEFT, RIGHT = "Left Subarticular Stenosis", "Right Subarticular Stenosis"
SMALL = {"crop_mm": 8, "crop_pixels": 8, "slices": 3}


def axial(number: int, **facts: Any) -> bytes:
    """8×8 pixels of 1 mm: columns 0 to 7 times 30, and 0 and 255 in the first row; slice `number` at z = number."""
    values = np.tile(np.arange(8) * 30, (8, 1)) + number
    values[0] = [0] * 4 + [255] * 4
    place = {
        "ImagePositionPatient": [0, 0, number],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [1, 1],
    }
    return dicom(values, **(place | facts))


def tree(root: Path, *, slices: dict[str, bytes] | None = None, places: list[dict[str, str]] | None = None) -> Path:
    """Study 10 with an axial series of three slices, graded on both sides at L4/L5; study 11 without coordinates."""
    grades = {"left_subarticular_stenosis_l4_l5": "Moderate", "right_subarticular_stenosis_l4_l5": ""}
    given = {"x": "3.5", "y": "3.5", "instance_number": "2"}
    standard = [COORDINATE | given | {"condition": condition} for condition in (LEFT, RIGHT)]
    root.mkdir(parents=True, exist_ok=True)
    (root / LABELS_FILE).write_text(table([labels(**grades), labels("11", spinal_canal_stenosis_l1_l2="Severe")]))
    (root / COORDINATES_FILE).write_text(table(standard if places is None else places))
    for name, data in (slices or {f"10/7/{n}.dcm": axial(n) for n in (1, 2, 3)}).items():
        (root / "train_images" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "train_images" / name).write_bytes(data)
    return root


def configured(root: Path, **options: Any) -> Dataset:
    return DATASETS["rsna_lumbar"].configured(open_source(root), SMALL | options)


def examples(root: Path, **options: Any) -> dict[str, Example]:
    split = configured(root, **options).splits(open_source(root))["train"]
    found = list(split.examples)
    assert len(found) == split.size
    return {example.image_id: example for example in found}


def pixels(example: Example) -> np.ndarray:
    assert not example.read_error
    return np.load(io.BytesIO(example.image))


def test_there_is_one_example_a_study_level_and_condition(tmp_path: Path) -> None:
    found = examples(tree(tmp_path))
    assert sorted(found) == sorted(f"{study}/{column}" for study in (10, 11) for column in COLUMNS)
    example = found["10/left_subarticular_stenosis_l4_l5"]
    assert (example.label, example.group_id, example.left_out) == (1, "10", "")
    about = {key: value for key, value in example.columns.items() if not key.startswith("source_")}
    assert about == {"condition": "subarticular_stenosis", "level": "l4_l5", "side": "left"}
    assert len({tuple(sorted(example.columns)) for example in found.values()}) == 1


def test_a_crop_is_a_stack_of_neighbours_and_the_right_side_is_mirrored(tmp_path: Path) -> None:
    found = examples(tree(tmp_path))
    left = pixels(found["10/left_subarticular_stenosis_l4_l5"])
    assert (left.dtype, left.shape) == (np.uint8, (8, 8, 3))
    assert left[3, :, 1].tolist() == [2, 32, 62, 92, 122, 152, 182, 212]
    assert left[3, 2].tolist() == [61, 62, 63]
    right = pixels(found["10/right_subarticular_stenosis_l4_l5"])
    np.testing.assert_array_equal(right, left[:, ::-1])


def test_an_empty_grade_is_missing_and_keeps_its_picture(tmp_path: Path) -> None:
    example = examples(tree(tmp_path))["10/right_subarticular_stenosis_l4_l5"]
    assert example.label == -1
    assert example.image


def test_a_target_without_a_coordinate_is_left_out_with_its_label(tmp_path: Path) -> None:
    dataset = configured(tree(tmp_path))
    example = examples(tmp_path)["11/spinal_canal_stenosis_l1_l2"]
    assert (example.left_out, example.label, example.image, example.read_error) == ("no coordinate", 2, b"", "")
    assert example.columns["condition"] == "spinal_canal_stenosis"
    assert (dataset.notes["targets"], dataset.notes["targets_without_coordinate"]) == (50, 48)
    assert dataset.notes["targets_without_label"] == 1


def test_the_series_of_the_coordinate_is_taken_where_there_are_several(tmp_path: Path) -> None:
    other = {f"10/{series}/{n}.dcm": axial(n + 20) for n in (1, 2, 3) for series in (6, 8)}
    root = tree(tmp_path, slices={f"10/7/{n}.dcm": axial(n) for n in (1, 2, 3)} | other)
    assert pixels(examples(root)["10/left_subarticular_stenosis_l4_l5"])[3, 0].tolist() == [1, 2, 3]


def test_the_notes_say_that_the_crops_are_oracles(tmp_path: Path) -> None:
    notes = configured(tree(tmp_path)).notes
    assert notes["results"] == "oracle crops, not comparable with the leaderboard"
    assert notes["crop"] == "8 mm around the given coordinate, 3 slices of 8 pixels"
    assert DATASETS["rsna_lumbar"].ordered
    assert DATASETS["rsna_lumbar"].class_names == ("Normal/Mild", "Moderate", "Severe")


def test_only_the_asked_conditions_are_read(tmp_path: Path) -> None:
    found = examples(tree(tmp_path), conditions=["spinal_canal_stenosis"])
    assert {example.columns["condition"] for example in found.values()} == {"spinal_canal_stenosis"}
    assert len(found) == 10


@pytest.mark.parametrize(
    ("slices", "words"),
    [
        (
            {"10/7/2.dcm": axial(2, PixelSpacing=None)},
            r"10/7/2\.dcm: has no usable PixelSpacing, so millimetres are not known",
        ),
        ({"10/7/2.dcm": axial(2, PixelSpacing=None, ImagerPixelSpacing=[1, 1])}, "has only ImagerPixelSpacing"),
        ({"10/7/1.dcm": axial(1)}, r"10/7/2\.dcm: is not in its series"),
        ({"12/7/1.dcm": axial(1)}, r"10/7/2\.dcm: is not in its series"),
        ({"10/7/2.dcm": b"text"}, r"10/7/2\.dcm: not a DICOM file"),
        ({"10/7/2.dcm": axial(2)[:-9]}, r"10/7/2\.dcm: (is cut short|holds no pixel data)"),
    ],
)
def test_a_slice_that_cannot_be_used_is_an_error_that_names_the_file(
    tmp_path: Path, slices: dict[str, bytes], words: str
) -> None:
    example = examples(tree(tmp_path, slices=slices))["10/left_subarticular_stenosis_l4_l5"]
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(example.read_error)
    assert (example.image, example.left_out) == (b"", "")


def test_the_detectors_spacing_can_be_allowed(tmp_path: Path) -> None:
    slices = {"10/7/2.dcm": axial(2, PixelSpacing=None, ImagerPixelSpacing=[1, 1])}
    found = examples(tree(tmp_path, slices=slices), imager_spacing=True)
    assert pixels(found["10/left_subarticular_stenosis_l4_l5"])[3, 2].tolist() == [62, 62, 62]


def test_damaged_neighbours_are_counted_in_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    slices = {"10/7/1.dcm": b"text", "10/7/2.dcm": axial(2), "10/7/3.dcm": axial(3)}
    found = examples(tree(tmp_path, slices=slices))
    assert pixels(found["10/left_subarticular_stenosis_l4_l5"])[3, 0].tolist() == [2, 2, 3]
    assert [record.getMessage() for record in caplog.records if "1 slices of 1 series" in record.getMessage()]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crop_mm": 0}, "crop_mm is 0; give the side of a crop, 1 to 1000 mm"),
        ({"crop_mm": "64"}, "crop_mm is '64'"),
        ({"crop_mm": float("nan")}, "crop_mm is nan"),
        ({"crop_pixels": 4.5}, "crop_pixels is 4.5"),
        ({"slices": 2}, "slices is 2; give an odd number"),
        ({"slices": True}, "slices is True"),
        ({"conditions": "spinal_canal_stenosis"}, "give a list of some of"),
        ({"conditions": ["scoliosis"]}, "give a list of some of spinal_canal_stenosis"),
        ({"conditions": [3]}, "give a list of some of"),
        ({"conditions": []}, "give a list of some of"),
        ({"conditions": 3}, "give a list of some of"),
        ({"imager_spacing": "yes"}, "imager_spacing is 'yes'"),
        ({"window": 3}, "has no option 'window'; its options are crop_mm, crop_pixels, slices"),
    ],
)
def test_an_impossible_option_is_one_line(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        configured(tree(tmp_path), **options)
    assert "\n" not in str(caught.value)


def test_tables_without_images_and_slices_that_are_there_twice_are_one_line(tmp_path: Path) -> None:
    root = tree(tmp_path / "a", slices={"../other/1": b""})
    with pytest.raises(UserError, match=r"holds no train_images/<study>/<series>/<instance>.dcm"):
        examples(root)
    root = tree(tmp_path / "b", slices={"10/7/2.dcm": axial(2), "10/7/02.dcm": axial(2)})
    with pytest.raises(UserError, match="are the same slice twice"):
        examples(root)


def test_the_table_is_built_from_a_zip_with_everything_in_it(tmp_path: Path) -> None:
    root, archive = tree(tmp_path / "tree"), tmp_path / "lumbar.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(root.rglob("*")):
            file.write(path, Path("rsna") / path.relative_to(root))
    options = {"image_size": 8, "channels": 3, "fit": "squash", "on_bad_image": "stop", "progress": False}
    made = load_table("rsna_lumbar", source=archive, cache_dir=tmp_path / "cache", options=SMALL, **options)  # type: ignore[arg-type]
    assert made.images.shape == (2, 8, 8, 3)
    assert made.images[0, 3, 2].tolist() == [61, 62, 63]
    assert made.labels.tolist() == [1, -1]
    assert made.columns["side"].tolist() == ["left", "right"]
    assert made.group_ids.tolist() == ["10", "10"]
    assert len(made.left_out) == 48
    assert made.ordered
    assert made.notes["results"].startswith("oracle crops")


def real_rows(name: str) -> list[dict[str, str]]:
    folder = Path(os.environ["MEDJAX_TEST_DATA"]) / "rsna_2024_lumbar_extract"
    return list(csv.DictReader((folder / name).read_text().splitlines()))


@pytest.mark.real_data
def test_the_real_tables_of_60_studies(tmp_path: Path) -> None:
    for name in (LABELS_FILE, COORDINATES_FILE):
        (tmp_path / name).write_text(table(real_rows(name)))
    notes = configured(tmp_path).notes
    assert (notes["targets"], notes["targets_without_coordinate"], notes["targets_without_label"]) == (1500, 33, 27)


@pytest.mark.real_data
def test_real_targets_on_real_slices(tmp_path: Path) -> None:
    """Two studies of the challenge, one with missing grades, on slices of a real series, enlarged to hold them."""
    rows = real_rows(LABELS_FILE)
    studies = [rows[0]["study_id"], next(row["study_id"] for row in rows if "" in row.values())]
    places = [row for row in real_rows(COORDINATES_FILE) if row["study_id"] in studies]
    (tmp_path / LABELS_FILE).write_text(table([row for row in rows if row["study_id"] in studies]))
    (tmp_path / COORDINATES_FILE).write_text(table(places))
    with zipfile.ZipFile(Path(os.environ["MEDJAX_TEST_DATA"]) / "dicom_mr_series.zip") as archive:
        names = archive.namelist()
        for study, series, instance in {
            (row["study_id"], row["series_id"], int(row["instance_number"]) + step)
            for row in places
            for step in (-1, 0, 1)
        }:
            dataset = pydicom.dcmread(io.BytesIO(archive.read(names[instance % len(names)])))
            pixels = np.kron(dataset.pixel_array, np.ones((2, 2), np.int16))
            dataset.Rows, dataset.Columns = pixels.shape
            dataset.PixelData = pixels.tobytes()
            dataset.PixelSpacing = [float(spacing) / 2 for spacing in dataset.PixelSpacing]
            folder = tmp_path / "train_images" / study / series
            folder.mkdir(parents=True, exist_ok=True)
            dataset.save_as(folder / f"{instance}.dcm")
    found = examples(tmp_path, crop_mm=48, crop_pixels=96)
    made = [example for example in found.values() if example.image]
    assert len(made) == len(places)
    assert not any(example.read_error for example in found.values())
    assert len(found) - len(made) == sum(example.left_out == "no coordinate" for example in found.values())
    for example in made:
        stack = np.load(io.BytesIO(example.image))
        assert stack.shape == (96, 96, 3)
        assert stack.std() > 10
        assert any((stack[..., 0] != stack[..., 1]).ravel())
    assert {example.columns["source_spacing"] for example in made} == {"0.3333\\0.35"}
