import pytest

from medjax.evaluation.summary import format_score, summary_table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.12345, "0.123"),
        (1.0, "1.000"),
        (0.9996, ">0.999"),
        (0.0, "0.000"),
        (0.0004, "<0.001"),
        (0.9994, "0.999"),
    ],
)
def test_a_score_is_never_rounded_to_certainty(value, text):
    assert format_score(value) == text


def evaluation(**changes):
    metrics = {
        "images": 1234,
        "groups": None,
        "correct": 1111,
        "accuracy": 1111 / 1234,
        "balanced_accuracy": 0.5,
        "macro_f1": None,
        "macro_auroc": 0.75,
        "log_loss": 12.3456,
        "warnings": ["something"],
    }
    splits = {"val": metrics | {"warnings": [], "groups": 7}, "test": metrics}
    return {"unit_of_split": "patient", "demo": False, "splits": splits} | changes


def test_table_to_the_letter():
    assert summary_table(evaluation()).splitlines() == [
        "                                           val                 test",
        "───────────────────────────────────────────────────────────────────",
        "Images                                   1,234                1,234",
        "Groups                                       7              unknown",
        "Accuracy                   0.900 (1,111/1,234)  0.900 (1,111/1,234)",
        "Balanced accuracy                        0.500                0.500",
        "Macro F1                                     –                    –",
        "Macro AUROC (one-vs-rest)                0.750                0.750",
        "Log loss                                12.346               12.346",
        "Unit of the split: patient.",
        "Warning, test: something.",
    ]


def test_demo_is_said_first():
    assert summary_table(evaluation(demo=True)).startswith("DEMO")
