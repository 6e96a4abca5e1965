import csv
import signal
import types

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from medjax.errors import UserError
from medjax.evaluation.fitted import Calibration
from medjax.evaluation.predictions import Predictions, read_csv
from medjax.evaluation.settings import Settings
from medjax.inference import prediction_file
from medjax.inference.prediction_file import predict_files
from medjax.json_file import write_json
from medjax.preemption import Stopped
from medjax.preparation import load_table
from tests.configs import tiny


class Brightness:
    """A network that takes an image for bright with its brightness as probability, two images at a time."""

    batch_size = 2

    def __init__(self, runs):
        pass

    def __call__(self, images):
        bright = np.array([image.mean() / 255 for image in images])
        return np.stack([1 - bright, bright], axis=1)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run without a network; the working directory is empty but for it."""
    workdir = tmp_path / "run"
    workdir.mkdir()
    write_json(workdir / "config.json", {"split": {}})
    write_json(workdir / "evaluation.json", {"classes": []})
    write_json(workdir / "audit.json", {"copies": {}, "grouping": {}})
    write_json(workdir / "splits.json", {"content_hash": "", "how": {}, "splits": {}})
    found = types.SimpleNamespace(
        workdir=workdir,
        notes={},
        config=ConfigDict({"batch_size": 2}),
        preprocessing={"image_size": 1, "channels": 1, "fit": "squash", "dtype": "uint8", "input_columns": {}},
        class_names=("dark", "=bright"),
        synthetic=False,
    )
    monkeypatch.setattr(prediction_file, "open_finished_run", lambda _: found)
    monkeypatch.setattr(prediction_file, "Predictor", Brightness)
    monkeypatch.chdir(tmp_path)
    return found


def save(tmp_path, **greys):
    for name, grey in greys.items():
        Image.fromarray(np.full((3, 3), grey, np.uint8)).save(tmp_path / f"{name}.png")
    return [f"{name}.png" for name in greys]


def rows_of(file):
    with open(file, newline="") as opened:
        return list(csv.DictReader(opened))


def calibrate(run, sharpness=1.0):
    """Give the run a calibration on 60 images whose probabilities are too timid."""
    rng = np.random.default_rng(0)
    bright = rng.uniform(0.3, 0.7, 60)
    labels = (rng.uniform(size=60) < np.clip(3 * (bright - 0.5) + 0.5, 0, 1)).astype(int)
    ids = [f"{k}" for k in range(60)]
    table = Predictions(ids, ids, labels, np.stack([1 - bright, bright], axis=1), run.class_names)
    calibration = Calibration.fit(table, Settings())
    calibration.write(run.workdir, demo=False)
    return calibration


def test_a_row_an_image_with_the_reason_where_there_is_none(run, tmp_path):
    paths = save(tmp_path, a=51, b=255, d=204)
    (tmp_path / "c.png").write_bytes(b"")
    summary = predict_files([*paths[:2], "c.png", paths[2]], [run.workdir], tmp_path / "out.csv", overwrite=False)
    rows = rows_of("out.csv")
    assert [row["image_id"] for row in rows] == ["a.png", "b.png", "c.png", "d.png"]
    assert [row["predicted"] for row in rows] == ["dark", "'=bright", "", "'=bright"]
    assert [row["reason"] for row in rows] == ["", "", "empty file (0 bytes)", ""]
    assert [row["prob_=bright"] for row in rows] == ["0.2", "1.0", "", "0.8"]
    assert [row["set"] for row in rows] == [""] * 4
    assert "demo" not in rows[0]
    assert summary.counts == {"dark": 1, "=bright": 2, "": 1}


def test_probabilities_and_sets_are_those_of_the_calibration(run, tmp_path):
    calibration = calibrate(run)
    assert calibration.temperature.value < 0.9
    predict_files(save(tmp_path, a=102, b=250), [run.workdir], tmp_path / "out.csv", overwrite=False)
    raw = np.array([[1 - 102 / 255, 102 / 255], [1 - 250 / 255, 250 / 255]])
    rows = rows_of("out.csv")
    found = [[float(row[f"prob_{name}"]) for name in run.class_names] for row in rows]
    np.testing.assert_array_equal(found, calibration.probabilities(raw))
    sets = calibration.sets(raw)
    expected = ["|".join(name for name, held in zip(run.class_names, row, strict=True) if held) for row in sets]
    assert [row["set"].removeprefix("'") for row in rows] == expected
    assert "" not in expected


def test_a_demo_says_so_in_every_row(run, tmp_path):
    run.synthetic = True
    predict_files(save(tmp_path, a=1, b=2, c=3), [run.workdir], tmp_path / "out.csv", overwrite=False)
    assert all(row["demo"].startswith("DEMO") for row in rows_of("out.csv"))


def test_what_is_there_is_replaced_only_when_asked(run, tmp_path):
    paths, output = save(tmp_path, a=1), tmp_path / "out.csv"
    output.write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        predict_files(paths, [run.workdir], output, overwrite=False)
    assert output.read_text() == "mine"
    predict_files(paths, [run.workdir], output, overwrite=True)
    assert len(rows_of(output)) == 1


def test_nothing_is_written_where_there_is_nothing_to_read(run, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        predict_files(["none.png"], [run.workdir], tmp_path / "out.csv", overwrite=False)
    assert not (tmp_path / "out.csv").exists()


def test_a_place_that_cannot_be_written_is_one_line(run, tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        predict_files(save(tmp_path, a=1), [run.workdir], tmp_path / "none" / "out.csv", overwrite=False)


def test_a_disk_that_takes_half_of_the_last_rows_is_an_error_and_the_rows_before_are_whole(run, tmp_path, files_end_at):
    paths = save(tmp_path, a=1, b=2, c=3)
    predict_files(paths, [run.workdir], tmp_path / "whole.csv", overwrite=False)
    whole = (tmp_path / "whole.csv").read_bytes()
    with files_end_at(len(whole) - 3), pytest.raises(UserError, match=r"cannot write .*out.csv"):
        predict_files(paths, [run.workdir], tmp_path / "out.csv", overwrite=False)
    assert (tmp_path / "out.csv").read_bytes() == b"".join(whole.splitlines(keepends=True)[:3])


@pytest.mark.parametrize("end", [KeyboardInterrupt(), Stopped(signal.SIGTERM)], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_file_holds_whole_rows_and_says_how_many(run, tmp_path, monkeypatch, caplog, end):
    monkeypatch.setattr(prediction_file.log, "propagate", True)

    def stop_at_the_second(self, images):
        if self.done:
            raise end
        self.done = True
        return Brightness.__call__(self, images)

    stopping = type("Stopping", (Brightness,), {"done": False, "__call__": stop_at_the_second})
    monkeypatch.setattr(prediction_file, "Predictor", stopping)
    with pytest.raises(type(end)):
        predict_files(save(tmp_path, a=1, b=2, c=3), [run.workdir], tmp_path / "out.csv", overwrite=False)
    assert "out.csv holds the first 2 images of 3; --overwrite begins it again" in caplog.text
    assert [row["image_id"] for row in rows_of("out.csv")] == ["a.png", "b.png"]
    assert (tmp_path / "out.csv").read_text().endswith("\n")


def test_a_network_that_is_told_more_than_the_image_is_refused(run, tmp_path):
    run.preprocessing["input_columns"] = {"level": ["1", "2"]}
    with pytest.raises(UserError, match="is told level besides each image"):
        predict_files(save(tmp_path, a=1), [run.workdir], tmp_path / "out.csv", overwrite=False)


def test_a_finished_run_says_of_a_file_what_it_said_of_the_same_image(finished, tmp_path, tmp_path_factory):
    workdir, _ = finished
    held = read_csv(workdir / "predictions_test.csv")
    config = tiny.get_config()
    config.data.image_size, config.data.cache = 16, str(tmp_path_factory.mktemp("cache"))
    table = load_table(config)
    row_of = {name: row for row, name in enumerate(table.image_ids.tolist())}
    for number in range(3):
        image = table.images[row_of[held.image_ids[number]]][..., 0]
        Image.fromarray(np.asarray(image)).save(tmp_path / f"{number}.png")
    predict_files([str(tmp_path)], [workdir], tmp_path / "out.csv", overwrite=False)
    rows = rows_of(tmp_path / "out.csv")
    found = [[float(row[f"prob_{name}"]) for name in held.class_names] for row in rows]
    np.testing.assert_allclose(found, held.probabilities[:3], rtol=1e-5)
    assert all(row["demo"] for row in rows)
