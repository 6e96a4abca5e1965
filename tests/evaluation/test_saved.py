import json

import numpy as np
import pytest

from medjax.errors import UserError
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions, write_csv
from medjax.evaluation.saved import evaluate_csv, evaluate_run


def predictions(groups):
    rng = np.random.default_rng(0)
    first = rng.uniform(size=len(groups))
    return Predictions(
        image_ids=[f"i{row}" for row in range(len(groups))],
        group_ids=groups,
        labels=rng.integers(0, 2, len(groups)),
        probabilities=np.stack([first, 1 - first], axis=1),
        class_names=("x", "y"),
        columns={"site": ["a"] * len(groups)},
    )


def test_a_csv_gives_the_figures_of_its_table(tmp_path):
    table = predictions(["g", "g", "h", ""])
    write_csv(tmp_path / "mine.csv", table)
    evaluation = evaluate_csv(tmp_path / "mine.csv")
    assert evaluation["splits"] == {"mine": evaluate(table)}
    assert evaluation["unit_of_split"].startswith("group")


def test_a_runs_figures_are_reproduced_also_with_one_image_a_group(tmp_path):
    table = predictions(["g", "g", "h", "h", "i"])
    write_csv(tmp_path / "predictions_test.csv", table)
    alone = Predictions(
        [table.image_ids[row] for row in (0, 2, 4)],
        ["g", "h", "i"],
        table.labels[[0, 2, 4]],
        table.probabilities[[0, 2, 4]],
        ("x", "y"),
    )
    held = {"ordered": False, "splits": {"test": evaluate(table), "test, one image a group": evaluate(alone)}}
    (tmp_path / "evaluation.json").write_text(json.dumps(held))
    assert evaluate_run(tmp_path) == (held, True)
    held["splits"]["test"]["accuracy"] = 0.99
    (tmp_path / "evaluation.json").write_text(json.dumps(held))
    again, same = evaluate_run(tmp_path)
    assert not same
    assert again["splits"]["test"] == evaluate(table)


@pytest.mark.parametrize(
    ("text", "message"), [(None, "give the folder of a finished run"), ("{", "is not JSON"), ("{}", "lacks 'ordered'")]
)
def test_what_is_no_finished_run_is_one_line(tmp_path, text, message):
    if text is not None:
        (tmp_path / "evaluation.json").write_text(text)
    with pytest.raises(UserError, match=message):
        evaluate_run(tmp_path)
