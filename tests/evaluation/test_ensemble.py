import numpy as np
import pytest

from medjax.errors import UserError
from medjax.evaluation.ensemble import Member, evaluate_ensemble, fit_calibration, mean_predictions, read_members
from medjax.evaluation.fitted import Calibration
from medjax.evaluation.predictions import Predictions, read_csv, write_csv
from medjax.evaluation.saved import evaluate_run
from medjax.json_file import read_json, write_json

SPLITS = {"train": ["a", "b"], "val": ["c"], "calib": ["d", "e"], "test": ["f", "g"]}


def table(ids, first):
    """Predictions of two classes whose first has the probabilities `first`; the labels alternate."""
    return Predictions(
        image_ids=list(ids),
        group_ids=[f"group-{name}" for name in ids],
        labels=np.array([ord(name) % 2 for name in ids]),
        probabilities=np.stack([np.array(first), 1 - np.array(first)], axis=1),
        class_names=("x", "y"),
    )


@pytest.fixture
def make_run(tmp_path):
    """make_run(name, …) -> the folder of a run as far as an ensemble looks at it."""

    def make(name, *, splits=SPLITS, calib=(0.5, 0.6), test=(0.2, 0.9), kind="clean", **changes):
        workdir = tmp_path / name
        workdir.mkdir()
        kept = {"content_hash": "h", "near_copies": True, "classes": ["x", "y"], "copies": 0, "patients": 0} | changes
        write_json(workdir / "config.json", {"name": name, "seed": 0, "split": {"near_copies": kept["near_copies"]}})
        common = {"demo": True, "dataset": "tiny", "unit_of_split": "image", "ordered": False, "skipped_images": []}
        write_json(workdir / "evaluation.json", {**common, "classes": kept["classes"], "splits": {"val": 0, "test": 0}})
        pair = {"splits": ["train", "test"], "images": {"train": 1, "test": kept["copies"]}}
        grouping = {"images_with_patient": kept["patients"]}
        write_json(workdir / "audit.json", {"copies": {"across_splits": [pair]}, "grouping": grouping})
        how = {"content_hash": kept["content_hash"], "how": {"kind": kind}, "splits": splits}
        write_json(workdir / "splits.json", how)
        if splits.get("calib"):
            write_csv(workdir / "predictions_calib.csv", table(splits["calib"], calib))
        write_csv(workdir / "predictions_test.csv", table(splits["test"], test))
        return workdir

    return make


def test_probabilities_are_averaged_by_image_not_by_row(make_run):
    other = {**SPLITS, "test": ["g", "f"]}
    members = read_members([make_run("one"), make_run("two", splits=other, test=(0.5, 0.4))])
    mean = mean_predictions(members, "test")
    assert mean.image_ids == ["f", "g"]
    assert mean.group_ids == ["group-f", "group-g"]
    np.testing.assert_allclose(mean.probabilities[:, 0], [(0.2 + 0.4) / 2, (0.9 + 0.5) / 2])


def test_a_test_image_that_another_member_has_seen_is_refused(make_run):
    for split in ("train", "val", "calib"):
        seen = {**SPLITS, split: [*SPLITS[split], "f"], "test": ["g"]}
        other = make_run(f"saw-{split}", splits=seen, calib=(0.5,) * len(seen["calib"]), test=(0.9,))
        with pytest.raises(UserError, match=r"1 of 2 test images of .* validation or calibration images of"):
            read_members([make_run(f"one-{split}"), other])


def test_different_test_splits_are_refused_also_where_nobody_saw_the_images(make_run):
    with pytest.raises(UserError, match="different test splits"):
        read_members([make_run("one"), make_run("two", splits={**SPLITS, "test": ["g"]}, test=(0.9,))])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"content_hash": "other"}, "differ in their images"),
        ({"classes": ["y", "x"]}, "differ in their classes"),
        ({"near_copies": False}, "differ in their search for copies"),
        ({"kind": "official", "copies": 3}, "3 test images of .* have copies"),
        ({"kind": "file", "copies": 3}, "3 test images of .* have copies"),
        ({"kind": "official", "patients": 2}, "need not keep a patient's images together"),
    ],
)
def test_members_that_do_not_fit_are_refused_with_the_reason(make_run, change, message):
    with pytest.raises(UserError, match=message):
        read_members([make_run("one"), make_run("two", **change)])


def test_leaks_that_the_split_itself_rules_out_are_not_asked_about(make_run):
    assert len(read_members([make_run("one", copies=3), make_run("two", kind="official")])) == 2


def test_one_run_is_no_ensemble(make_run):
    one = make_run("one")
    for runs in ([one], [one, one], [one, one / ".." / "one"]):
        with pytest.raises(UserError, match="at least two runs"):
            read_members(runs)


def test_calibration_rests_on_the_images_that_all_members_kept_for_it(make_run):
    other = {**SPLITS, "calib": ["e"], "train": ["a", "b", "d"]}
    members = read_members([make_run("one"), make_run("two", splits=other, calib=(0.2,))])
    mean = mean_predictions(members, "calib")
    assert mean.image_ids == ["e"]
    np.testing.assert_allclose(mean.probabilities, [[0.4, 0.6]])
    assert fit_calibration(members).images == 1


def test_without_a_calibration_split_nothing_is_fitted(make_run):
    none = {name: ids for name, ids in SPLITS.items() if name != "calib"}
    assert fit_calibration(read_members([make_run("one"), make_run("two", splits=none)])) is None


def test_an_ensembles_folder_is_judged_again_as_a_runs_is(make_run, tmp_path):
    runs = [make_run("one"), make_run("two", test=(0.4, 0.3), calib=(0.9, 0.9))]
    evaluation = evaluate_ensemble(runs, tmp_path / "both")
    assert evaluate_run(tmp_path / "both") == (read_json(tmp_path / "both" / "evaluation.json"), True)
    assert evaluation["ensemble"] == [{"name": "one", "seed": 0}, {"name": "two", "seed": 0}]
    assert evaluation["demo"]
    np.testing.assert_allclose(read_csv(tmp_path / "both" / "predictions_test.csv").probabilities[:, 0], [0.3, 0.6])
    held = Calibration.read(tmp_path / "both")
    assert held == fit_calibration([Member.read(run) for run in runs])
    assert "DEMO" in (tmp_path / "both" / "report.html").read_text()
    assert str(tmp_path) not in (tmp_path / "both" / "config.json").read_text()


def test_a_runs_folder_is_not_overwritten(make_run):
    runs = [make_run("one"), make_run("two")]
    before = (runs[0] / "evaluation.json").read_bytes()
    with pytest.raises(UserError, match="is a run's folder"):
        evaluate_ensemble(runs, runs[0])
    assert (runs[0] / "evaluation.json").read_bytes() == before
