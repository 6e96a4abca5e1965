import logging
import warnings
import zlib
from typing import Any

import numpy as np
import pytest

from medjax.datasets import dicom_header
from medjax.datasets.dicom_header import Header, is_dicom, numbers, parse, read_header, shielded
from medjax.datasets.source import ReadError
from tests.datasets.dicom_writing import SECRET, dicom


def header(data: bytes, frame: int | None = None) -> Header:
    return read_header(parse(data, pixels=False)[0], frame)


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big"])
def test_dicom_is_told_by_its_content_with_and_without_the_preamble(syntax: str) -> None:
    data = dicom(np.zeros((2, 2)), syntax=syntax)
    bare = data[144 + int.from_bytes(data[140:144], "little") :]
    assert is_dicom(data)
    assert is_dicom(bare)
    assert header(bare).modality == "MR"


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"DICM",
        b"\x89PNG\r\n\x1a\n" * 20,
        b"\xff\xd8\xff\xe0" * 40,
        b"II*\0\x08\0\0\0",
        b"BM" + b"\0" * 200,
        b"8\0" * 99,
    ],
)
def test_other_files_are_no_dicom(head: bytes) -> None:
    assert not is_dicom(head)
    with pytest.raises(ReadError, match="not a DICOM file"):
        parse(head, pixels=False)


def test_a_header_holds_what_the_file_says() -> None:
    found = header(
        dicom(
            np.zeros((2, 3)),
            Manufacturer=" Maker \n of  scanners ",
            SeriesInstanceUID="1.2.3",
            PixelSpacing=[0.5, 0.25],
            ImagePositionPatient=[1, 2, 3],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            BurnedInAnnotation="NO",
        )
    )
    assert (found.modality, found.manufacturer, found.photometric, found.bits) == (
        "MR",
        "Maker of scanners",
        "MONOCHROME2",
        16,
    )
    assert (found.frames, found.burned_in, found.no_picture) == (1, "NO", "")
    assert (found.patient_id, found.series) == ("ID-4711", "1.2.3")
    assert (found.spacing, found.position) == ((0.5, 0.25), (1, 2, 3))
    assert found.orientation == (1, 0, 0, 0, 1, 0)
    assert found.imager_spacing is None
    assert "ID-4711" not in repr(found)


def test_what_is_absent_or_empty_is_none() -> None:
    found = header(dicom(np.zeros((2, 2)), PixelSpacing="", ImagePositionPatient="", PatientID=None))
    assert (found.spacing, found.position, found.patient_id, found.burned_in) == (None, None, "", "")


def test_a_name_in_a_coded_element_does_not_get_through() -> None:
    found = header(dicom(np.zeros((2, 2)), Modality=("LO", "Jane Doe, born 1966"), BurnedInAnnotation=("LO", SECRET)))
    assert (found.modality, found.burned_in) == ("", "")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"modality": "SR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.22"}, "a structured report"),
        ({"modality": "SR", "SOPClassUID": None}, "a structured report"),
        ({"modality": "SEG", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}, "a segmentation or registration"),
        ({"modality": "PR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.1"}, "a presentation state"),
        ({"modality": "RTDOSE", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.2"}, "a radiotherapy object"),
        ({"modality": "RTIMAGE", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.1"}, ""),
        ({"modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a localizer"),
        ({"modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}, ""),
        ({"modality": "CT", "ImageType": "LOCALIZER"}, "a localizer"),
    ],
)
def test_what_is_no_picture_says_what_it_is(facts: dict[str, Any], reason: str) -> None:
    assert header(dicom(np.zeros((2, 2)), **facts)).no_picture == reason


def enhanced() -> bytes:
    """Three frames: spacing shared, position and rescale of each its own."""
    frames = [
        {
            "PlanePositionSequence": [{"ImagePositionPatient": [0, 0, z]}],
            "PixelValueTransformationSequence": [{"RescaleSlope": z, "RescaleIntercept": 1}],
        }
        for z in (1, 2, 3)
    ]
    shared = {
        "PixelMeasuresSequence": [{"PixelSpacing": [2, 3]}],
        "PlaneOrientationSequence": [{"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}],
    }
    return dicom(
        np.arange(6).reshape(3, 2),
        Rows=1,
        Columns=2,
        NumberOfFrames=3,
        PixelSpacing=[9, 9],
        PerFrameFunctionalGroupsSequence=frames,
        SharedFunctionalGroupsSequence=[shared],
    )


def test_functional_groups_of_the_frame_go_before_the_shared_ones_and_these_before_the_file() -> None:
    found = header(enhanced(), frame=3)
    assert (found.frames, found.position, found.spacing) == (3, (0, 0, 3), (2, 3))
    dataset = parse(enhanced(), pixels=False)[0]
    assert dicom_header.element(dataset, "RescaleSlope", 1) == 2
    assert dicom_header.element(dataset, "WindowCenter", 1) is None


@pytest.mark.parametrize(
    "facts",
    [
        {"NumberOfFrames": ("LO", SECRET)},
        {"BitsStored": ("LO", SECRET)},
    ],
)
def test_an_element_that_cannot_be_is_an_error_that_does_not_quote_it(facts: dict[str, Any]) -> None:
    with pytest.raises(ReadError) as caught:
        header(dicom(np.zeros((2, 2)), **facts))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PixelSpacing", [0.5, 0]),
        ("PixelSpacing", [0.5]),
        ("ImagerPixelSpacing", [-1, -1]),
        ("ImagePositionPatient", ("LO", ["a", "b", "c"])),
        ("ImageOrientationPatient", ("LO", ["nan"] * 6)),
    ],
)
def test_impossible_geometry_is_absent_since_a_picture_needs_none(keyword: str, value: Any) -> None:
    found = header(dicom(np.zeros((2, 2)), **{keyword: value}))
    assert (found.spacing, found.imager_spacing, found.position, found.orientation) == (None,) * 4


def test_nothing_that_pydicom_says_gets_out(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ReadError, match=r"^its step \(KeyError\)$"), shielded("its step"):  # noqa: PT012
        warnings.warn(SECRET, stacklevel=1)
        logging.getLogger("pydicom.pixels").error(SECRET)
        raise KeyError(SECRET)
    assert not caplog.records
    assert logging.getLogger("pydicom").isEnabledFor(logging.WARNING)


def test_a_panic_of_a_decoder_in_rust_is_an_error_of_the_file_and_ctrl_c_is_not() -> None:
    panic = type("PanicException", (BaseException,), {})
    with pytest.raises(ReadError, match="PanicException"), shielded("its step"):
        raise panic(SECRET)
    with pytest.raises(KeyboardInterrupt), shielded("its step"):
        raise KeyboardInterrupt


def test_the_pixels_are_not_needed_for_the_header() -> None:
    data = dicom(np.zeros((100, 100)))
    dataset, ended = parse(data[:2000], pixels=False)
    assert ended
    assert read_header(dataset).bits == 16


def test_a_deflated_file_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dicom_header, "MAX_FILE_BYTES", 2**20)
    plain = dicom(np.zeros((2, 2)))
    meta = plain[: 144 + int.from_bytes(plain[140:144], "little")]
    meta = meta.replace(b"\x14\x001.2.840.10008.1.2.1\x00", b"\x16\x001.2.840.10008.1.2.1.99")
    meta = meta[:140] + (len(meta) - 144).to_bytes(4, "little") + meta[144:]

    def deflated(tail: int) -> bytes:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return (
            meta
            + deflater.compress(plain[144 + int.from_bytes(plain[140:144], "little") :] + b"\0" * tail)
            + deflater.flush()
        )

    assert header(deflated(0)).modality == "MR"
    with pytest.raises(ReadError, match="deflated, and cut short or more than 1 MiB"):
        parse(deflated(2**21), pixels=False)


def test_numbers_are_counted_and_finite() -> None:
    assert numbers(3, 1) == (3,)
    assert numbers("", 2) is None
    assert numbers([], 2) is None
    with pytest.raises(ReadError):
        numbers([1, float("inf")], 2)
