import contextlib
import importlib.util
import io
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from medjax.datasets.dicom import read_frames, read_picture
from medjax.datasets.dicom_header import is_dicom, parse, read_header
from medjax.datasets.source import ReadError
from tests.datasets.dicom_writing import SECRET, dicom

SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"  # in pydicom's wheel; nothing is downloaded
GREY = [[0, 1], [2, 300]]


def modality(data: bytes, frame: int | None = None) -> list[list[float]]:
    picture = read_picture(data, frame)
    assert picture.transform is not None
    return picture.transform.modality(picture.stored).tolist()


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_signed_and_unsigned_values_of_8_to_32_bits_are_read(dtype: str, syntax: str) -> None:
    ends = np.iinfo(dtype)
    data = dicom([[ends.min, 1, 0], [5, 6, ends.max]], dtype=dtype, syntax=syntax)
    assert read_picture(data).stored.tolist() == [[ends.min, 1, 0], [5, 6, ends.max]]


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big"])
def test_values_are_read_without_the_preamble_and_the_meta_information(syntax: str) -> None:
    data = dicom(GREY, syntax=syntax)
    bare = data[144 + int.from_bytes(data[140:144], "little") :]
    assert read_picture(bare).stored.tolist() == GREY


def test_bits_above_those_stored_do_not_count() -> None:
    unsigned = dicom([[0xF001, 0x0FFF]], dtype=np.uint16, BitsStored=12, HighBit=11)
    assert read_picture(unsigned).stored.tolist() == [[1, 4095]]
    signed = dicom([[0x0FFF, 0x07FF]], dtype=np.int16, BitsStored=12, HighBit=11)
    assert read_picture(signed).stored.tolist() == [[-1, 2047]]


def test_the_rescale_is_applied_to_stored_values() -> None:
    assert modality(dicom(GREY, RescaleSlope=2, RescaleIntercept=-1024)) == [[-1024, -1022], [-1020, -424]]
    assert modality(dicom(GREY)) == GREY


def test_a_modality_table_replaces_the_rescale() -> None:
    table = {"LUTDescriptor": ("US", [4, 1, 16]), "LUTData": ("US", [10, 20, 30, 40]), "ModalityLUTType": "US"}
    data = dicom([[0, 1], [2, 9]], RescaleSlope=7, RescaleIntercept=7, ModalityLUTSequence=[table])
    assert modality(data) == [[10, 10], [20, 40]]


@pytest.mark.parametrize("syntax", ["explicit", "big"])
def test_tables_come_as_words_or_bytes(syntax: str) -> None:
    order = ">u2" if syntax == "big" else "<u2"
    words = {"LUTDescriptor": ("US", [3, 0, 16]), "LUTData": ("OW", np.array([7, 8, 900], order).tobytes())}
    lut = read_picture(dicom([[0, 1]], syntax=syntax, VOILUTSequence=[words])).transform.voi_lut  # type: ignore[union-attr]
    assert lut is not None
    assert (lut.entries.tolist(), lut.top) == ([7, 8, 900], 65535)
    octets = {"LUTDescriptor": ("US", [4, 0, 8]), "LUTData": ("OW", bytes([1, 2, 3, 250]))}
    lut = read_picture(dicom([[0, 1]], VOILUTSequence=[octets])).transform.voi_lut  # type: ignore[union-attr]
    assert lut is not None
    assert (lut.entries.tolist(), lut.top) == ([1, 2, 3, 250], 255)


def test_a_table_that_says_0_entries_has_65536_and_one_cut_short_is_refused() -> None:
    whole = {"LUTDescriptor": ("US", [0, 0, 16]), "LUTData": ("OW", np.arange(65536, dtype="<u2").tobytes())}
    assert modality(dicom([[5, 700]], ModalityLUTSequence=[whole])) == [[5, 700]]
    short = whole | {"LUTData": ("OW", b"\0\0")}
    with pytest.raises(ReadError, match="lookup tables is cut short"):
        read_picture(dicom([[5, 700]], ModalityLUTSequence=[short]))


def test_a_table_of_signed_values_begins_below_0() -> None:
    table = {"LUTDescriptor": ("US", [3, 65535, 16]), "LUTData": ("US", [10, 20, 30])}
    assert modality(dicom([[-1, 0, 1]], ModalityLUTSequence=[table])) == [[10, 20, 30]]


def test_the_first_of_several_windows_is_taken_with_its_function() -> None:
    data = dicom(GREY, WindowCenter=[40, 300], WindowWidth=[400, 1500], VOILUTFunction="LINEAR_EXACT")
    window = read_picture(data).transform.window  # type: ignore[union-attr]
    assert window is not None
    assert (window.center, window.width, window.function) == (40, 400, "LINEAR_EXACT")
    with pytest.raises(ReadError, match="no usable width"):
        read_picture(dicom(GREY, WindowCenter=40, WindowWidth=0))


def test_padding_is_a_stored_value_or_a_range_in_either_order() -> None:
    pixels = [[-2000, -1999], [-1500, 7]]
    rescale = {"RescaleSlope": 1, "RescaleIntercept": -1024}
    one = read_picture(dicom(pixels, PixelPaddingValue=("SS", -2000), **rescale))
    assert one.padding is not None
    assert one.padding.tolist() == [[True, False], [False, False]]
    for value, limit in ((-2000, -1500), (-1500, -2000)):
        several = read_picture(dicom(pixels, PixelPaddingValue=("SS", value), PixelPaddingRangeLimit=("SS", limit)))
        assert several.padding is not None
        assert several.padding.tolist() == [[True, True], [True, False]]
    assert read_picture(dicom(pixels, PixelPaddingValue=("SS", 5))).padding is None


def test_padding_written_with_the_wrong_sign_is_understood() -> None:
    picture = read_picture(dicom([[-2000, 7]], PixelPaddingValue=("US", 63536)))
    assert picture.padding is not None
    assert picture.padding.tolist() == [[True, False]]
    picture = read_picture(dicom([[65535, 7]], dtype=np.uint16, PixelPaddingValue=("SS", -1)))
    assert picture.padding is not None
    assert picture.padding.tolist() == [[True, False]]


def test_monochrome1_is_marked_and_the_presentation_shape_does_not_decide() -> None:
    assert read_picture(dicom(GREY, PhotometricInterpretation="MONOCHROME1")).transform.inverted  # type: ignore[union-attr]
    assert not read_picture(dicom(GREY, PresentationLUTShape="INVERSE")).transform.inverted  # type: ignore[union-attr]


def test_colour_is_rgb_of_8_bits() -> None:
    rgb = [[[255, 0, 0], [1, 2, 3]]]
    picture = read_picture(dicom(rgb, dtype=np.uint8))
    assert picture.transform is None
    assert picture.stored.tolist() == rgb
    deep = read_picture(dicom(np.array(rgb) * 257, dtype=np.uint16))
    assert (deep.stored.dtype, deep.stored.tolist()) == (np.uint8, rgb)
    shallow = dicom([[[0, 1, 15]]], dtype=np.uint8, BitsStored=4, HighBit=3)
    assert read_picture(shallow).stored.tolist() == [[[0, 17, 255]]]
    planes = np.array(rgb).transpose(2, 0, 1)
    by_plane = dicom(rgb, dtype=np.uint8, PlanarConfiguration=1, PixelData=planes.astype(np.uint8).tobytes())
    assert read_picture(by_plane).stored.tolist() == rgb


def test_ybr_becomes_rgb() -> None:
    # PS3.3 C.7.6.3.1.2: Y 76, CB 85, CR 255 is pure red, to a rounding of one.
    picture = read_picture(
        dicom([[[76, 85, 255], [128, 128, 128]]], dtype=np.uint8, PhotometricInterpretation="YBR_FULL")
    )
    np.testing.assert_allclose(picture.stored, [[[254, 0, 0], [128, 128, 128]]], atol=1)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_becomes_rgb(bits: int) -> None:
    scale, kind = (257, "<u2") if bits == 16 else (1, "u1")
    facts: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for color, entries in (("Red", [255, 0]), ("Green", [0, 10]), ("Blue", [7, 20])):
        facts[f"{color}PaletteColorLookupTableDescriptor"] = ("US", [2, 0, bits])
        facts[f"{color}PaletteColorLookupTableData"] = ("OW", (np.array(entries) * scale).astype(kind).tobytes())
    picture = read_picture(dicom([[0, 1], [1, 0]], dtype=np.uint8, **facts))
    assert picture.stored.tolist() == [[[255, 0, 7], [0, 10, 20]], [[0, 10, 20], [255, 0, 7]]]


def test_frames_are_named_or_it_is_an_error() -> None:
    groups = [
        {
            "PixelValueTransformationSequence": [{"RescaleSlope": 1, "RescaleIntercept": 100 * number}],
            "FrameVOILUTSequence": [{"WindowCenter": number, "WindowWidth": 9}],
            "PlanePositionSequence": [{"ImagePositionPatient": [0, 0, number]}],
        }
        for number in (1, 2)
    ]
    data = dicom(
        np.arange(4).reshape(2, 2), Rows=1, NumberOfFrames=2, PerFrameFunctionalGroupsSequence=groups, RescaleSlope=5
    )
    assert modality(data, 2) == [[202, 203]]
    assert read_picture(data, 2).header.position == (0, 0, 2)
    assert read_picture(data, 2).transform.window.center == 2  # type: ignore[union-attr]
    assert [frame.stored.tolist() for frame in read_frames(data)] == [[[0, 1]], [[2, 3]]]
    with pytest.raises(ReadError, match="holds 2 frames; name the one to use, frame = 1 to 2"):
        read_picture(data)
    with pytest.raises(ReadError, match="has no frame 3; it holds 2"):
        read_picture(data, 3)
    with pytest.raises(ReadError, match="says that it holds 99999999 frames"):
        read_picture(dicom(GREY, NumberOfFrames=99999999), 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a DICOM file"),
        (b"\x89PNG\r\n\x1a\n", "not a DICOM file"),
        (dicom(), "holds no pixel data"),
        (dicom(GREY, PixelData=b""), "holds no pixel data"),
        (dicom(GREY, Rows=0), "has 0 rows and 2 columns"),
        (dicom(GREY, Rows=60000), "is cut short: 8 bytes of pixels, and 240,000 are needed"),
        (dicom(GREY, Rows=60000, Columns=60000), "60000×60000 pixels, more than the 67,108,864 allowed"),
        (dicom(GREY)[:-2], r"is cut short: 6 bytes|holds no pixel data"),
        (dicom(GREY, SamplesPerPixel=3), "has 3 samples a pixel, which does not fit MONOCHROME2"),
        (dicom(GREY, PhotometricInterpretation="HSV"), "photometric interpretation that is not known"),
        (dicom(GREY, PhotometricInterpretation=None), "photometric interpretation that is not known"),
        (dicom(GREY, BitsAllocated=1, BitsStored=1), "stores 1 of 1 bits"),
        (dicom(GREY, BitsAllocated=64, BitsStored=64), "stores 64 of 64 bits"),
        (dicom(GREY, BitsStored=17), "stores 17 of 16 bits"),
        (dicom(GREY, RescaleSlope=0, RescaleIntercept=0), "rescale slope is 0"),
        (dicom(GREY, RescaleSlope=("LO", SECRET)), r"cannot be decoded \(ValueError\)"),
        (dicom(GREY, PixelRepresentation=None), "cannot be decoded"),
        (dicom(GREY, PixelData=None, FloatPixelData=b"\0" * 16), "holds floating-point values"),
    ],
)
def test_a_broken_file_says_what_is_wrong_with_it(data: bytes, reason: str) -> None:
    with pytest.raises(ReadError, match=reason) as caught:
        read_picture(data)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("syntax", "reason"),
    [
        (RLELossless, "its pixels cannot be decoded"),
        (JPEG2000Lossless, "its compressed picture is 64×64 pixels, and its header says 8192×8192"),
        (JPEGLSLossless, "its compressed picture is 64×64 pixels, and its header says 8192×8192"),
    ],
)
def test_a_header_that_claims_more_than_is_compressed_is_refused(syntax: str, reason: str) -> None:
    data = compressed(dicom(np.zeros((64, 64), np.int16)), syntax, Rows=8192, Columns=8192)
    with pytest.raises(ReadError, match=reason):
        read_picture(data)


def compressed(data: bytes, syntax: str, **changes: Any) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.compress(syntax)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    file = io.BytesIO()
    dataset.save_as(file)
    return file.getvalue()


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_lossless_compression_gives_the_values_back(syntax: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (64, 48), np.uint16)
    data = compressed(dicom(pixels, dtype=np.uint16, BitsStored=12, HighBit=11), syntax)
    np.testing.assert_array_equal(read_picture(data).stored, pixels)


def test_a_compressed_picture_of_another_size_is_refused() -> None:
    data = compressed(dicom(np.zeros((4, 4), np.uint8), dtype=np.uint8), JPEGLSLossless, Rows=5)
    with pytest.raises(ReadError, match="its compressed picture is 4×4 pixels, and its header says 4×5"):
        read_picture(data)


def test_the_decoder_under_the_gpl_is_asked_for_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (SHIPPED / "SC_rgb_jpeg_gdcm.dcm").read_bytes()
    assert read_picture(data).stored.shape == (100, 100, 3)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "libjpeg" else find(name))
    with pytest.raises(ReadError, match=r"pip install 'medjax\[dicom\]'"):
        read_picture(data)


def test_an_unknown_compression_is_refused() -> None:
    data = compressed(dicom(np.zeros((4, 4), np.uint8), dtype=np.uint8), RLELossless)
    mpeg = data.replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.9\0")
    with pytest.raises(ReadError):
        read_picture(mpeg)
    dataset = pydicom.dcmread(io.BytesIO(dicom(np.zeros((4, 4), np.uint8), dtype=np.uint8)))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    dataset.PixelData = encapsulate([b"\0\0\1\xb3"])
    file = io.BytesIO()
    dataset.save_as(file)
    with pytest.raises(ReadError, match=r"transfer syntax\) that is not supported"):
        read_picture(file.getvalue())


def shipped(*modalities: str) -> list[Path]:
    found = []
    for path in sorted(path for path in SHIPPED.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if is_dicom(data) and read_modality(data) in modalities:
            found.append(path)
    return found


def read_modality(data: bytes) -> str:
    try:
        return read_header(parse(data, pixels=False)[0]).modality
    except ReadError:
        return ""


@pytest.mark.parametrize("path", shipped("MR", "CT"), ids=lambda path: path.name)
def test_every_mr_and_ct_file_that_pydicom_ships(path: Path) -> None:
    data = path.read_bytes()
    header = read_header(parse(data, pixels=False)[0])
    if "TINY_ALPHA" in path.parts:
        with pytest.raises(ReadError, match="holds no pixel data"):
            read_picture(data)
        return
    if path.name == "MR_truncated.dcm":
        with pytest.raises(ReadError, match="is cut short: 8,130 bytes of pixels, and 8,192 are needed"):
            read_picture(data)
        return
    picture = read_picture(data)
    assert (header.no_picture == "a localizer") == ("CT2N" in path.parts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's opinion of its own old files
        dataset = pydicom.dcmread(path)
        stored = dataset.pixel_array
        values = apply_modality_lut(stored, dataset)
        seen = apply_voi_lut(values, dataset) if "WindowCenter" in dataset else None
    np.testing.assert_array_equal(picture.stored, stored)
    assert picture.transform is not None
    np.testing.assert_allclose(picture.transform.modality(stored), values)
    if seen is not None and seen.max() > seen.min():
        grey = picture.transform.voi(values)
        # pydicom shows the same curve over the range of the stored bits, rescaled.
        low, high = sorted(picture.transform.modality(np.array(picture.transform.stored_range)).tolist())
        np.testing.assert_allclose(grey, (seen - low) / (high - low), atol=1e-6)


def test_the_same_picture_in_every_encoding_is_the_same() -> None:
    names = ["RLE", "bigendian", "expb", "implicit", "jp2klossless", "jpeg_ls_lossless", "padded"]
    stored = read_picture((SHIPPED / "MR_small.dcm").read_bytes()).stored
    for name in names:
        np.testing.assert_array_equal(read_picture((SHIPPED / f"MR_small_{name}.dcm").read_bytes()).stored, stored)


def test_every_file_that_pydicom_ships_is_read_or_refused_with_a_reason() -> None:
    read = 0
    for path in sorted(path for path in SHIPPED.rglob("*") if path.is_file() and "TINY_ALPHA" not in path.parts):
        with contextlib.suppress(ReadError):
            read += read_picture(path.read_bytes(), 1).stored.dtype.kind in "iu"
    assert read > 80


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_jp2klossless.dcm", "CT_small.dcm", "MR_small_RLE.dcm"])
def test_damaged_bytes_lead_to_a_picture_or_a_reason(name: str) -> None:
    data = (SHIPPED / name).read_bytes()
    random = np.random.default_rng(0)
    for _ in range(60):
        cut = data[: random.integers(len(data))]
        changed = bytearray(data)
        for at in random.integers(128, 2500, 4):
            changed[at] = random.integers(256)
        for damaged in (cut, bytes(changed)):
            with contextlib.suppress(ReadError):
                assert read_picture(damaged).stored.dtype.kind in "iu"


def test_reading_imports_pydicom_only_when_it_is_needed() -> None:
    code = "import sys, medjax.datasets.dicom_images, medjax.datasets as d; print('pydicom' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
