import math

import numpy as np
import pytest
from sklearn.metrics import log_loss

from medjax.datasets.rsna_tables import CONDITIONS, LEVELS, SEVERITIES
from medjax.evaluation import rsna
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions

SPINAL, FORAMINAL, SUBARTICULAR = CONDITIONS


def targets(rows):
    """Rows of (study, condition, label, probabilities)."""
    return Predictions(
        image_ids=[f"{row[0]}/target{number}" for number, row in enumerate(rows)],
        group_ids=[row[0] for row in rows],
        labels=[row[2] for row in rows],
        probabilities=np.array([row[3] for row in rows]),
        class_names=SEVERITIES,
        columns={"condition": [row[1] for row in rows], "level": ["l1_l2"] * len(rows), "side": [""] * len(rows)},
    )


# two studies; of study 1 one spinal level is severe
ROWS = [
    ("1", SPINAL, 0, (0.5, 0.25, 0.25)),
    ("1", SPINAL, 2, (0.25, 0.25, 0.5)),
    ("2", SPINAL, 1, (0.25, 0.5, 0.25)),
    ("2", SPINAL, 0, (0.25, 0.625, 0.125)),
    ("1", FORAMINAL, 1, (0.5, 0.25, 0.25)),
    ("2", FORAMINAL, 0, (0.5, 0.25, 0.25)),
    ("2", SUBARTICULAR, 2, (0.5, 0.25, 0.25)),
]
BY_HAND = {
    SPINAL: (1 * math.log(2) + 4 * math.log(2) + 2 * math.log(2) + 1 * math.log(4)) / 8,
    FORAMINAL: (2 * math.log(4) + 1 * math.log(2)) / 3,
    SUBARTICULAR: math.log(4),
    # study 1: severe, 0.5, weight 4; study 2: not, the highest is 0.25, weight 2
    "any_severe_spinal": (4 * math.log(2) + 2 * -math.log(0.75)) / 6,
}


def test_score_of_a_table_by_hand():
    found = rsna.score(targets(ROWS))
    assert found["rsna_2024"]["losses"] == pytest.approx(BY_HAND, abs=1e-15)
    assert found["rsna_2024_score"] == pytest.approx(sum(BY_HAND.values()) / 4, abs=1e-15)
    assert found["rsna_2024"]["targets"] == 7
    assert found["rsna_2024_score_interval"] is None
    assert found["rsna_2024_score_interval_basis"] == "not estimable: 2 groups; 20 are needed"


@pytest.mark.parametrize("held", range(len(ROWS)))
def test_a_target_without_an_image_counts_as_any_other(held):
    rest = ROWS[:held] + ROWS[held + 1 :]
    found = rsna.score(targets(rest), targets([ROWS[held]]))
    assert found["rsna_2024_score"] == pytest.approx(sum(BY_HAND.values()) / 4, abs=1e-15)
    assert (found["rsna_2024"]["targets"], found["rsna_2024"]["targets_without_image"]) == (7, 1)


def test_a_target_without_a_label_is_not_scored_but_counted():
    unlabelled = [("2", SPINAL, -1, (0.0, 0.0, 1.0)), ("3", SUBARTICULAR, -1, (1.0, 0.0, 0.0))]
    found = rsna.score(targets([*ROWS, unlabelled[0]]), targets([unlabelled[1]]))["rsna_2024"]
    assert found["losses"] == pytest.approx(BY_HAND, abs=1e-15)
    assert (found["targets"], found["targets_without_image"], found["targets_without_label"]) == (7, 0, 2)


def random_rows(studies, seed):
    rng = np.random.default_rng(seed)
    return [
        (str(study), condition, int(rng.integers(0, 3)), tuple(rng.dirichlet([1, 1, 1])))
        for study in range(studies)
        for condition, sides in CONDITIONS.items()
        for _ in range(len(sides) * len(LEVELS))
    ]


@pytest.mark.parametrize("seed", range(3))
def test_score_is_that_of_weighted_log_losses_of_scikit_learn(seed):
    rows = random_rows(4, seed)
    rows[0] = (rows[0][0], SPINAL, 2, (1.0, 0.0, 0.0))  # certain, and wrong
    weights = np.array([1, 2, 4])
    losses = []
    for condition in CONDITIONS:
        labels, scores = zip(*((row[2], row[3]) for row in rows if row[1] == condition), strict=True)
        losses.append(log_loss(labels, scores, sample_weight=weights[list(labels)], labels=[0, 1, 2]))
    studies = [[row for row in rows if row[:2] == (str(study), SPINAL)] for study in range(4)]
    severe = [any(row[2] == 2 for row in study) for study in studies]
    called = [max(row[3][2] for row in study) for study in studies]
    heaviest = [max(weights[row[2]] for row in study) for study in studies]
    losses.append(log_loss(severe, called, sample_weight=heaviest, labels=[False, True]))
    assert rsna.score(targets(rows))["rsna_2024_score"] == pytest.approx(np.mean(losses), abs=1e-12)


def test_interval_is_over_groups():
    table = targets(random_rows(30, 0))
    found = rsna.score(table)
    low, high = found["rsna_2024_score_interval"]
    assert low < found["rsna_2024_score"] < high
    assert found["rsna_2024_score_interval_basis"] == "bootstrap over 30 groups"
    # every study twice, as one group: the same score, the same interval
    twice = Predictions(
        [f"{turn}-{name}" for turn in "ab" for name in table.image_ids],
        table.group_ids * 2,
        np.tile(table.labels, 2),
        np.tile(table.probabilities, (2, 1)),
        SEVERITIES,
        {name: values * 2 for name, values in table.columns.items()},
    )
    again = rsna.score(twice)
    assert again["rsna_2024_score"] == pytest.approx(found["rsna_2024_score"], abs=1e-12)
    assert again["rsna_2024_score_interval"] == pytest.approx([low, high], abs=2e-6)


def test_without_a_condition_there_is_no_score_and_evaluate_says_so():
    result = evaluate(targets([row for row in ROWS if row[1] != SUBARTICULAR]))
    assert result["rsna_2024_score"] is None
    assert result["rsna_2024"]["losses"][SUBARTICULAR] is None
    assert result["rsna_2024"]["losses"][SPINAL] == pytest.approx(BY_HAND[SPINAL], abs=1e-15)
    assert f"no target of {SUBARTICULAR} has a label: the RSNA 2024 score is undefined" in result["warnings"]


def test_only_a_table_of_the_challenge_has_its_score():
    table = targets(ROWS)
    assert rsna.applies(table)
    names = ("image_ids", "group_ids", "labels", "probabilities", "class_names", "columns")
    fields = {name: getattr(table, name) for name in names}
    for change in (
        {"class_names": ("a", "b", "c")},
        {"columns": {}},
        {"columns": {**table.columns, "condition": ["scoliosis"] * 7}},
        {"image_ids": [str(n) for n in range(7)]},
    ):
        other = Predictions(**{**fields, **change})
        assert not rsna.applies(other)
        assert "rsna_2024_score" not in evaluate(other)
    assert evaluate(table, without_image=targets(ROWS[:1]))["rsna_2024"]["targets"] == 8
