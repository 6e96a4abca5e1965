import io
from pathlib import Path

import numpy as np
import pytest

from medjax.datasets.description import Example
from medjax.datasets.pictures import Pictures, has_picture_suffix
from medjax.datasets.source import open_source
from medjax.errors import UserError
from tests.datasets.dicom_writing import dicom


def make(root: Path, files: dict[str, bytes], **options) -> Pictures:
    for name, data in files.items():
        (root / name).write_bytes(data)
    defaults = {"intensity": "auto", "window": (), "frame": 0}
    return Pictures(open_source(root), sorted(files), **(defaults | options))


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "bmp", "tif", "tiff", "PNG", "TiFF"])
def test_pictures_are_known_by_suffix_in_either_case(suffix: str) -> None:
    assert has_picture_suffix(f"a/b.{suffix}")


@pytest.mark.parametrize("name", ["png", "a.png.txt", "a.gif", "a.dcm", "a"])
def test_other_suffixes_are_no_pictures(name: str) -> None:
    assert not has_picture_suffix(name)


def test_pictures_alone_need_no_reader_of_dicom(tmp_path: Path) -> None:
    pictures = make(tmp_path, {"a.png": b"1"})
    assert pictures.has("a.png")
    assert pictures.notes == {}
    assert pictures.example("a.png", "i", 2, "g", {"sex": "f"}) == Example("i", b"1", 2, "g", columns={"sex": "f"})


def test_dicom_is_known_by_content_and_the_rest_is_no_image(tmp_path: Path, dicom_stand_in) -> None:
    pictures = make(tmp_path, {"scan": b"DICM P1", "x.17": b"DICM P2", "notes.txt": b"text", "a.dcm": b"text"})
    assert [name for name in ("scan", "x.17", "notes.txt", "a.dcm") if pictures.has(name)] == ["scan", "x.17", "a.dcm"]
    assert pictures.patient_id("x.17") == "P2"
    assert pictures.patient_id("a.dcm") == ""


def test_options_reach_the_reader_of_dicom(tmp_path: Path, dicom_stand_in) -> None:
    pictures = make(tmp_path, {"scan": b"DICM P1", "a.png": b"1"}, intensity="voi", window=(40, 400), frame=1)
    assert dicom_stand_in.calls == [(("scan",), "voi", (40.0, 400.0), 1)]
    assert pictures.notes == {"dicom": {"policy": "voi"}}


def test_no_window_and_no_frame_are_none(tmp_path: Path, dicom_stand_in) -> None:
    make(tmp_path, {"scan": b"DICM P1"})
    assert dicom_stand_in.calls == [(("scan",), "auto", None, None)]


def test_every_example_has_the_same_columns(tmp_path: Path, dicom_stand_in) -> None:
    pictures = make(tmp_path, {"a": b"DICM P1", "b.png": b"1", "c": b"DICM REPORT"})
    examples = [pictures.example(name, name, 0, "", {"k": "v"}) for name in ("a", "b.png", "c")]
    examples.append(pictures.missing("d", 0, "", {"k": "v"}))
    assert examples[0].columns == {"k": "v", "source_modality": "MR", "source_size": 2}
    assert [e.columns for e in examples[1:]] == [{"k": "v", "source_modality": "", "source_size": 0}] * 3
    assert examples[0].image.startswith(b"\x93NUMPY")
    assert (examples[2].left_out, examples[2].image) == ("a structured report", b"")
    assert (examples[3].read_error, examples[3].image) == ("not there", b"")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("bad.dcm", b"DICM BAD", "truncated pixel data"),
        ("bad.dcm", b"text", "neither a picture nor DICOM"),
        ("bad.png", bytes(128) + b"DICM", "DICOM under the suffix of a picture; rename it to .dcm"),
    ],
)
def test_what_is_wrong_with_a_file_is_in_its_example(
    tmp_path: Path, dicom_stand_in, name: str, data: bytes, reason: str
) -> None:
    example = make(tmp_path, {name: data}).example(name, "i", 1, "g", {})
    assert (example.image_id, example.read_error, example.image, example.label) == ("i", reason, b"", 1)


def test_a_broken_link_is_an_example_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("nowhere")
    assert "No such file" in make(tmp_path, {}).example("a.png", "i", 0, "", {}).read_error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": (1,)}, r"window is \(1,\); give center and width"),
        ({"window": (40, 0)}, r"window is \(40, 0\)"),
        ({"frame": -1}, "frame is -1; the first frame is 1"),
    ],
)
def test_impossible_options_are_refused(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(tmp_path, {"a.png": b"1"}, **options)


@pytest.mark.parametrize("name", ["brain.nii", "brain.NII.GZ"])
def test_volumes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="holds 1 NIfTI file; medjax classifies images, not volumes"):
        make(tmp_path, {name: b"1"})


def test_frames_are_counted_from_1_as_the_reader_of_dicom_counts_them(tmp_path: Path) -> None:
    data = dicom([[0, 5], [5, 10]], Rows=1, NumberOfFrames=2, SeriesInstanceUID="1.2")
    second = make(tmp_path, {"a": data}, frame=2).example("a", "i", 0, "", {})
    assert np.load(io.BytesIO(second.image)).tolist() == [[32768, 65535]]
    assert "name the one to use" in make(tmp_path, {"a": data}, frame=0).example("a", "i", 0, "", {}).read_error
