import types

import numpy as np
import pytest
from PIL import Image

from medjax.errors import UserError
from medjax.inference.files import intensity_options, read_images
from tests.datasets.dicom_writing import SECRET, dicom


@pytest.fixture
def make_run(tmp_path):
    """make_run(notes, dtype, …) -> what read_images looks at of a run."""

    def make(notes=None, **preprocessing):
        kept = {"image_size": 2, "channels": 1, "fit": "squash", "dtype": "uint8"} | preprocessing
        return types.SimpleNamespace(workdir=tmp_path / "run", notes=notes or {}, preprocessing=kept)

    return make


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of images, "scans", below the one that the command is given in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").mkdir()
    return tmp_path / "scans"


def save(file, pixels, dtype=np.uint8):
    file.parent.mkdir(exist_ok=True)
    Image.fromarray(np.array(pixels, dtype)).save(file)


def test_files_and_folders_come_in_order_with_the_names_given(make_run, folder):
    save(folder / "b.png", [[1, 2], [3, 4]])
    save(folder / "deeper" / "a.bmp", [[5, 6], [7, 8]])
    (folder / "notes.txt").write_text("no image")
    save(folder.parent / "single.png", [[9, 9], [9, 9]])
    images = read_images(["single.png", "scans/", "./scans/b.png"], make_run())
    found = list(images)
    assert len(images) == 3
    assert [name for name, _ in found] == ["single.png", "scans/b.png", "scans/deeper/a.bmp"] == list(images.names)
    np.testing.assert_array_equal(found[1][1], [[[1], [2]], [[3], [4]]])
    assert found[1][1].dtype == np.uint8


def test_more_files_than_are_read_ahead_all_come_and_in_order(make_run, folder):
    for number in range(40):
        save(folder / f"{number:02d}.png", [[number, number], [number, number]])
    assert [int(image[0, 0, 0]) for _, image in read_images(["scans"], make_run())] == list(range(40))


def test_size_channels_and_depth_are_those_of_the_run(make_run, folder):
    save(folder / "a.png", np.full((6, 4), 100))
    ((_, image),) = read_images(["scans"], make_run(image_size=3, channels=3, dtype="uint16"))
    assert image.shape == (3, 3, 3)
    assert image.dtype == np.uint16
    assert (image == 100 * 257).all()


def test_what_cannot_be_used_has_a_reason_and_stops_nothing(make_run, folder):
    (folder / "a.png").write_bytes(b"")
    save(folder / "b.png", [[1, 2], [3, 4]])
    (folder / "c.png").write_bytes(dicom([[0, 1]]))
    (folder / "d.nii.gz").write_bytes(b"volume")
    (folder.parent / "e.txt").write_text("text")
    found = dict(read_images(["scans", "e.txt"], make_run()))
    assert isinstance(found.pop("scans/b.png"), np.ndarray)
    assert found == {
        "scans/a.png": "empty file (0 bytes)",
        "scans/c.png": "DICOM under the suffix of a picture; rename it to .dcm",
        "scans/d.nii.gz": "NIfTI, a volume; save the slices to use as PNG or TIFF",
        "e.txt": "neither a picture nor DICOM",
    }


@pytest.mark.parametrize(("paths", "message"), [(["none.png"], "no such file"), (["scans"], "no image in scans")])
def test_nothing_to_read_is_one_line(make_run, folder, paths, message):
    with pytest.raises(UserError, match=message):
        read_images(paths, make_run())


def test_a_run_on_crops_takes_no_pictures(make_run, folder):
    save(folder / "a.png", [[1, 2], [3, 4]])
    with pytest.raises(UserError, match="trained on crops"):
        read_images(["scans"], make_run({"crop": "64 mm around the given coordinate"}))


def test_dicom_is_shown_by_the_window_of_training(make_run, folder):
    window = {"intensity": "window", "window": [50.5, 101.0], "modalities": {"CT": 9}}
    pixels, hounsfield = [[0, 25], [50, 100]], {"RescaleSlope": 1, "RescaleIntercept": 0}
    (folder / "a").write_bytes(dicom(pixels, modality="CT", **hounsfield))
    ((_, image),) = read_images(["scans"], make_run({"dicom": window}, dtype="uint16"))
    np.testing.assert_array_equal(image[..., 0], np.rint(np.array(pixels) / 100 * 65535))


def test_percentiles_are_those_of_the_whole_series(make_run, folder):
    series = {"SeriesInstanceUID": "1.2.3"}
    (folder / "a").write_bytes(dicom([[0, 100], [0, 100]], **series))
    (folder / "b").write_bytes(dicom([[0, 200], [0, 200]], **series))
    policy = {"intensity": "percentiles", "modalities": {"MR": 2}}
    found = dict(read_images(["scans"], make_run({"dicom": policy})))
    assert found["scans/a"].max() == 128  # half of the brightest voxel of the series
    assert found["scans/b"].max() == 255


def test_a_modality_the_run_never_saw_is_named_and_nothing_of_the_patient(make_run, folder, caplog):
    (folder / "a").write_bytes(dicom([[0, 100]], modality="CR"))
    policy = {"intensity": "percentiles", "modalities": {"MR": 2}}
    ((_, reason),) = read_images(["scans"], make_run({"dicom": policy}))
    assert reason == "DICOM of modality CR; the run was trained on MR"
    assert SECRET not in caplog.text


def test_options_of_training_without_dicom_follow_the_modality():
    assert intensity_options({}) == {"intensity": "auto", "window": (), "frame": 0}
    notes = {"dicom": {"intensity": "window", "window": [40.0, 400.0], "frame": 3}}
    assert intensity_options(notes) == {"intensity": "window", "window": (40.0, 400.0), "frame": 3}


def test_a_run_that_was_trained_opens_its_own_way(finished, folder):
    from medjax.inference.finished_run import open_finished_run

    save(folder / "a.png", np.full((30, 20), 7))
    run = open_finished_run(finished[0])
    ((_, image),) = read_images(["scans"], run)
    assert image.shape == (16, 16, 1)
