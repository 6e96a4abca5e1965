import shutil

import numpy as np
import pytest
from PIL import Image

from medjax.errors import UserError
from medjax.evaluation.predictions import read_csv
from medjax.evaluation.saved import evaluate_run
from medjax.external import evaluate_external
from medjax.external_images import seen_table
from medjax.inference.finished_run import open_finished_run
from medjax.json_file import read_json, write_json


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a finished run, which may be changed."""
    return shutil.copytree(finished[0], tmp_path / "run")


@pytest.fixture
def export(run, cache):
    """export(folder, split, count of each class, names of the folders) -> the run's own images as files."""
    table, _ = seen_table(open_finished_run(run), None, cache)
    rows_of = read_json(run / "splits.json")["splits"]
    row_of = {name: row for row, name in enumerate(table.image_ids.tolist())}

    def write(folder, split, count, name=str):
        rows = np.array([row_of[image_id] for image_id in rows_of[split]])
        for label, class_name in enumerate(table.class_names):
            (folder / name(class_name)).mkdir(parents=True, exist_ok=True)
            for row in rows[table.labels[rows] == label][:count]:
                Image.fromarray(np.asarray(table.images[row][..., 0])).save(folder / name(class_name) / f"{row}.png")

    return write


def test_what_the_run_has_seen_is_left_out_and_counted(run, export, cache, tmp_path):
    export(tmp_path / "data", "test", 8)
    export(tmp_path / "data", "train", 2)
    export(tmp_path / "data", "val", 1)
    evaluation, folder = evaluate_external(run, tmp_path / "data", name="b", cache=cache, images=False)
    external, classes = evaluation["external"], len(evaluation["classes"])
    assert folder == run / "external-b"
    assert external["audited"]
    assert external["exact_copies"] == 3 * classes
    left = sum(external[kind] for kind in ("exact_copies", "near_copies", "same_patient"))
    assert evaluation["splits"]["test"]["images"] == 11 * classes - left
    assert f"{left} of {11 * classes} images left out, which the run has seen" in evaluation["unit_of_split"]
    assert evaluation["demo"]
    assert "DEMO" in (folder / "report.html").read_text()
    assert read_json(folder / "audit.json")["external"] == external
    assert evaluate_run(folder) == (evaluation, True)


def test_predictions_are_those_of_the_same_images_in_the_runs_own_test(run, export, cache, tmp_path):
    export(tmp_path / "data", "test", 5)
    _, folder = evaluate_external(run, tmp_path / "data", cache=cache, images=False)
    found, held = read_csv(folder / "predictions_test.csv"), read_csv(run / "predictions_test.csv")
    assert found.class_names == held.class_names
    one_by_one = {tuple(np.round(row, 4)) for row in held.probabilities}
    assert all(tuple(np.round(row, 4)) in one_by_one for row in found.probabilities)


def test_classes_may_be_written_otherwise_but_not_be_others(run, export, cache, tmp_path):
    export(tmp_path / "capitals", "test", 3, str.upper)
    evaluation, folder = evaluate_external(run, tmp_path / "capitals", cache=cache, images=False)
    table = read_csv(folder / "predictions_test.csv")
    assert list(table.class_names) == evaluation["classes"] == read_json(run / "evaluation.json")["classes"]
    assert np.bincount(table.labels).tolist() == [3, 3, 3]
    export(tmp_path / "others", "test", 1, lambda name: name + "_other")
    with pytest.raises(UserError, match=r"a class '.*_other', which the run does not know"):
        evaluate_external(run, tmp_path / "others", cache=cache)


def test_without_the_runs_images_the_result_says_that_leaks_were_not_audited(run, export, cache, tmp_path, monkeypatch):
    export(tmp_path / "data", "test", 4)
    monkeypatch.setattr("medjax.external.seen_table", lambda *_: None)
    evaluation, _ = evaluate_external(run, tmp_path / "data", cache=cache, images=False)
    assert evaluation["external"] == {"audited": False, "seen_images": 0}
    assert "leaks NOT audited" in evaluation["unit_of_split"]


def test_the_pages_hold_pictures_only_where_they_may(run, export, cache, tmp_path):
    export(tmp_path / "data", "test", 4)
    _, folder = evaluate_external(run, tmp_path / "data", cache=cache)
    assert "data:image/png" in (folder / "report.html").read_text()
    pages = [folder / name for name in ("report.html", "audit.html")]
    evaluate_external(run, tmp_path / "data", cache=cache, images=False)
    assert not any("data:image/png" in page.read_text() for page in pages)


def test_a_run_that_has_seen_everything_cannot_be_judged(run, export, cache, tmp_path):
    export(tmp_path / "data", "train", 2)
    with pytest.raises(UserError, match="has seen all of the"):
        evaluate_external(run, tmp_path / "data", cache=cache)
    assert not list(run.glob("external-*"))


def test_training_images_that_are_others_are_not_taken_for_the_runs(run, cache, tmp_path):
    splits = read_json(run / "splits.json")
    write_json(run / "splits.json", {**splits, "content_hash": "other"})
    assert seen_table(open_finished_run(run), None, cache) is None


@pytest.mark.parametrize(("data", "name", "message"), [("none", "", "no such file"), ("", "a/b", "use letters")])
def test_a_wrong_place_or_name_is_one_line(run, tmp_path, data, name, message):
    with pytest.raises(UserError, match=message):
        evaluate_external(run, tmp_path / data, name=name)
