import io
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medjax.datasets.dicom_images import DicomImages
from medjax.datasets.source import ReadError, ZipSource, open_source
from medjax.errors import UserError
from tests.datasets.dicom_writing import SECRET, dicom

CT = {"modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024}
NO_TEXT = {"BurnedInAnnotation": "NO"}


def images(root: Path, files: dict[str, bytes], **options: Any) -> DicomImages:
    for name, data in files.items():
        (root / name).write_bytes(data)
    source = open_source(root)
    return DicomImages(source, source.files, **options)


def pixels(found: DicomImages, name: str) -> np.ndarray:
    return np.load(io.BytesIO(found.picture(name)))


def test_a_ct_is_shown_in_one_window_of_hounsfield_units_whatever_its_header_says(tmp_path: Path) -> None:
    # LINEAR, centre 40 and width 400: 0 up to −160, 1 above 239; 40 is (40 − 39.5)/399 + 0.5.
    stored = [[864, 1064, 1263, 4000]]
    found = images(tmp_path, {"a": dicom(stored, WindowCenter=9, WindowWidth=9, **CT)})
    assert pixels(found, "a").dtype == np.uint16
    assert pixels(found, "a").tolist() == [[0, round((0.5 / 399 + 0.5) * 65535), 65535, 65535]]
    assert found.notes["window"] == [40, 400]
    assert found.notes["intensity_policy"].endswith("the default for CT")


def test_the_window_of_the_user_is_taken_and_said(tmp_path: Path) -> None:
    found = images(tmp_path, {"a": dicom([[-500, 424, 2000]], **CT)}, window=(-600, 1500))
    assert pixels(found, "a").tolist() == [[0, round((0.5 / 1499 + 0.5) * 65535), 65535]]
    assert found.notes["window"] == [-600, 1500]
    assert "given" in found.notes["intensity_policy"]


def test_a_ct_without_a_rescale_has_no_hounsfield_units(tmp_path: Path) -> None:
    found = images(tmp_path, {"a": dicom([[0, 1]], modality="CT")})
    with pytest.raises(ReadError, match="Hounsfield units are not known"):
        found.picture("a")


def test_an_mr_is_stretched_between_the_percentiles_of_its_series_without_padding(tmp_path: Path) -> None:
    ramp = np.arange(1000)
    series = {"SeriesInstanceUID": "1.2.1", "PixelPaddingValue": ("SS", -9)}
    files = {
        "a": dicom([[*ramp[:500], -9, -9]], **series),
        "b": dicom([[*ramp[500:], -9, -9]], **series),
        "other": dicom([[5000, 7000]], SeriesInstanceUID="1.2.2"),
    }
    found = images(tmp_path, files)
    # Of 0…999 without padding the 0.5 percentile is 4 (the 5th of 1000) and the 99.5 percentile 994.
    expected = np.rint(np.clip((ramp - 4) / 990, 0, 1) * 65535)
    together = np.concatenate([pixels(found, "a")[0], pixels(found, "b")[0]])
    np.testing.assert_array_equal(together, [*expected[:500], 0, 0, *expected[500:], 0, 0])
    assert pixels(found, "other").tolist() == [[0, 65535]]
    assert found.notes["percentiles"] == [0.5, 99.5]


def test_files_without_a_series_are_series_of_their_own(tmp_path: Path) -> None:
    found = images(tmp_path, {"a": dicom([[0, 10]]), "b": dicom([[0, 1000]])})
    assert pixels(found, "a").tolist() == pixels(found, "b").tolist() == [[0, 65535]]


def test_an_unreadable_slice_does_not_count_in_its_series(tmp_path: Path) -> None:
    good, bad = (dicom(values, SeriesInstanceUID="1.2") for values in ([[0, 10]], [[0, 9999]]))
    found = images(tmp_path, {"a": good, "b": bad[:-2]})
    assert pixels(found, "a").tolist() == [[0, 65535]]
    with pytest.raises(ReadError, match=r"cut short|no pixel data"):
        found.picture("b")


def test_all_frames_count_in_the_percentiles_and_the_named_one_is_shown(tmp_path: Path) -> None:
    data = dicom([[0, 5], [5, 10]], Rows=1, NumberOfFrames=2, SeriesInstanceUID="1.2")
    assert pixels(images(tmp_path, {"a": data}, frame=2), "a").tolist() == [[32768, 65535]]
    with pytest.raises(ReadError, match="name the one to use"):
        images(tmp_path, {"a": data}).picture("a")


def test_a_radiograph_is_shown_as_its_header_wants_and_monochrome1_inverted(tmp_path: Path) -> None:
    facts = {"modality": "CR", "PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": ("SS", -5)}
    found = images(
        tmp_path, {"a": dicom([[0, 1, 3, -5]], WindowCenter=2, WindowWidth=4, VOILUTFunction="LINEAR_EXACT", **facts)}
    )
    assert pixels(found, "a").tolist() == [[65535, round(0.75 * 65535), round(0.25 * 65535), 0]]
    assert found.notes["intensity"] == "voi"


def test_colour_is_kept_as_it_is_beside_any_policy(tmp_path: Path) -> None:
    rgb = dicom([[[1, 2, 3]]], dtype=np.uint8, modality="OT")
    found = images(tmp_path, {"ct": dicom([[0, 1]], **CT), "rgb": rgb})
    assert pixels(found, "rgb").tolist() == [[[1, 2, 3]]]
    assert pixels(found, "rgb").dtype == np.uint8
    assert [found.columns(name)["source_intensity"] for name in ("ct", "rgb")] == ["window", "colour"]


def test_modalities_of_several_policies_need_a_named_one(tmp_path: Path) -> None:
    files = {"ct": dicom([[0, 1]], **CT), "mr1": dicom([[0, 1]]), "mr2": dicom([[0, 1]])}
    with pytest.raises(UserError) as caught:
        images(tmp_path, files)
    assert str(caught.value) == (
        "the DICOM files are of several modalities, CT (1), MR (2), whose grey values no one policy fits; give the "
        "files of one modality at a time (a training may also name one policy for all: "
        "--config.data.options.intensity=window, percentiles or voi)"
    )
    assert images(tmp_path, files, intensity="percentiles").notes["intensity"] == "percentiles"
    with pytest.raises(UserError, match="needs a window"):
        images(tmp_path, files, intensity="window")
    assert images(tmp_path, files, intensity="window", window=(0, 10)).notes["modalities"] == {"CT": 1, "MR": 2}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"intensity": "minmax"}, "choose one of auto, window, percentiles, voi"),
        ({"window": (40, 0)}, "the width at least 1"),
        ({"window": 40}, "give \\(centre, width\\)"),
        ({"window": ("a", "b")}, "give \\(centre, width\\)"),
        ({"frame": 0}, "the first is 1"),
        ({"frame": True}, "the first is 1"),
        ({"window": (40, 400)}, "a window is given, but the intensity policy is 'percentiles'"),
    ],
)
def test_an_impossible_option_is_one_line(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        images(tmp_path, {"a": dicom([[0, 1]])}, **options)


def test_dicom_is_found_by_content_and_what_is_no_picture_is_counted(tmp_path: Path) -> None:
    files = {
        "a.png": dicom([[0, 1]]),
        "b.dcm": b"no DICOM",
        "empty": b"",
        "sr": dicom(modality="SR"),
        "scout": dicom([[0, 1]], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    }
    found = images(tmp_path, files)
    assert found.names == {"a.png", "sr", "scout"}
    assert found.left_out == {"sr": "a structured report", "scout": "a localizer"}
    assert found.notes["left_out"] == {"a localizer": 1, "a structured report": 1}


def test_nothing_but_other_files_has_no_policy_and_needs_none(tmp_path: Path) -> None:
    found = images(tmp_path, {"a": b"\x89PNG", "b": b"text"})
    assert (found.names, dict(found.left_out), found.notes) == (frozenset(), {}, {})
    assert found.columns("a")["source_modality"] == ""


def test_the_columns_have_the_same_keys_for_every_name(tmp_path: Path) -> None:
    found = images(tmp_path, {"a": dicom([[0, 1]], Manufacturer="Maker"), "b": b"text", "sr": dicom(modality="SR")})
    assert found.columns("a") == {
        "source_modality": "MR",
        "source_manufacturer": "Maker",
        "source_photometric": "MONOCHROME2",
        "source_bits": 16,
        "source_intensity": "percentiles",
    }
    assert found.columns("a").keys() == found.columns("b").keys() == found.columns("sr").keys()


def test_text_burned_into_the_pixels_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = {
        "yes": dicom([[0, 1]], BurnedInAnnotation="YES"),
        "no": dicom([[0, 1]], **NO_TEXT),
        "silent": dicom([[0, 1]]),
    }
    images(tmp_path, files)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "2 of 3 DICOM pictures" in caplog.text
    assert "YES in 1, absent or something else in 1" in caplog.text


def test_no_warning_where_all_say_no(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images(tmp_path, {"a": dicom([[0, 1]], **NO_TEXT)})
    assert not caplog.records


def test_nothing_of_the_patient_gets_out_but_the_id_that_is_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    damaged = dicom([[0, 1]], RescaleSlope=("LO", SECRET), RescaleIntercept=("LO", SECRET), PixelSpacing=("LO", SECRET))
    found = images(tmp_path, {"good": dicom([[0, 1]]), "bad": damaged})
    assert found.patient_id("good") == "ID-4711"
    assert found.patient_id("unknown") == ""
    with pytest.raises(ReadError) as caught:
        found.picture("bad")
    said = [str(caught.value), repr(found.notes), repr(found.columns("good")), repr(found.columns("bad")), caplog.text]
    said += [*capfd.readouterr(), np.asarray(pixels(found, "good")).tobytes().decode("latin1")]
    assert not any(SECRET in text or "4711" in text or "Doe" in text for text in said)


def test_a_header_longer_than_its_usual_beginning_is_read_to_its_end(tmp_path: Path) -> None:
    table = {"LUTDescriptor": ("US", [0, 0, 16]), "LUTData": ("OW", np.arange(65536, dtype="<u2").tobytes())}
    long = dicom([[0, 65535]], dtype=np.uint16, modality="CR", ModalityLUTSequence=[table], BurnedInAnnotation="NO")
    found = images(tmp_path, {"a": long})
    assert found.columns("a")["source_bits"] == 16
    assert pixels(found, "a").tolist() == [[0, 65535]]
    cut_in_a_value = images(tmp_path, {"a": dicom([[0, 1]], Manufacturer=("UT", "x" * 70_000))})
    assert cut_in_a_value.patient_id("a") == "ID-4711"
    assert cut_in_a_value.columns("a")["source_manufacturer"] == "x" * 64


@pytest.mark.real_data
def test_a_real_series_in_a_zip_has_one_policy_and_one_scale(caplog: pytest.LogCaptureFixture) -> None:
    with ZipSource(Path(os.environ["MEDJAX_TEST_DATA"]) / "dicom_mr_series.zip") as source:
        found = DicomImages(source, source.files)
        assert len(found.names) == 40
        assert found.left_out == {}
        assert found.notes["intensity"] == "percentiles"
        assert "40 of 40" in caplog.text
        pictures = np.stack([pixels(found, name) for name in source.files])
    assert pictures.shape == (40, 384, 274)
    assert pictures.dtype == np.uint16
    assert pictures.max() == 65535
    saturated = (pictures == 65535).mean()
    assert 0.005 <= saturated <= 0.02  # the highest half percent, and the ties of these few grey levels
    assert (pictures.max(axis=(1, 2)) < 65535).sum() == 0
