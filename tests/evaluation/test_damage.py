import json
import shutil

import pytest

from medjax.errors import UserError
from medjax.evaluation.compared_runs import read_run
from medjax.evaluation.damage import damage_as_error
from medjax.evaluation.report import write_report
from medjax.evaluation.saved import evaluate_run

WORDS = "evaluation.json, or another file there, cannot be used .* give the run's training command again"


@pytest.fixture
def damage(finished, tmp_path):
    """damage(file, *path, value) -> a copy of a finished run with a value deep inside a file replaced."""

    def change(name, *path, value):
        folder = tmp_path / "run"
        shutil.copytree(finished[0], folder, ignore=shutil.ignore_patterns("checkpoints", "events*"))
        content = json.loads((folder / name).read_text())
        inner = content
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = value
        (folder / name).write_text(json.dumps(content))
        return folder

    return change


@pytest.mark.parametrize("read", [read_run, write_report])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("splits", "test", "accuracy"), "high"),
        (("splits", "test", "log_loss_interval"), 0.5),
        (("baselines", "thumbnails", "difference"), []),
    ],
)
def test_a_wrong_type_deep_inside_is_one_line_for_a_comparison_and_a_report(damage, read, path, value):
    folder = damage("evaluation.json", *path, value=value)
    with pytest.raises(UserError, match=WORDS) as caught:
        read(folder)
    assert str(folder) in str(caught.value)


def test_a_cost_that_is_no_number_too(damage):
    with pytest.raises(UserError, match=WORDS):
        read_run(damage("costs.json", "peak_memory_bytes", value=[]))


def test_what_cannot_be_judged_again_is_one_line_and_stays(damage):
    folder = damage("evaluation.json", "folds", value=3)
    before = (folder / "evaluation.json").read_bytes()
    with pytest.raises(UserError, match=WORDS):
        evaluate_run(folder)
    assert (folder / "evaluation.json").read_bytes() == before


def test_the_place_is_told_and_a_mistake_of_the_user_stays_as_it_is():
    with pytest.raises(UserError, match=r"RUN: .*KeyError: 'a'; test_damage.py, line \d+"), damage_as_error("RUN"):
        {}["a"]
    with pytest.raises(UserError, match=r"^plain$"), damage_as_error("RUN"):
        raise UserError("plain")
