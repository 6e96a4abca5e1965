import pytest

from medjax.evaluation.summary import format_estimate, format_score, summary_table


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
        "accuracy_interval": [0.88, 0.934],
        "macro_auroc_interval": None,
        "macro_auroc_interval_basis": "not estimable: few",
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
        "                                         val               test",
        "───────────────────────────────────────────────────────────────",
        "Images                                 1,234              1,234",
        "Groups                                     7            unknown",
        "Right                            1,111/1,234        1,111/1,234",
        "Accuracy                   0.900 (0.88–0.93)  0.900 (0.88–0.93)",
        "Balanced accuracy                      0.500              0.500",
        "Macro F1                                   –                  –",
        "Macro AUROC (one-vs-rest)          0.750 (–)          0.750 (–)",
        "Log loss                              12.346             12.346",
        "Unit of the split: patient. In brackets: 95 % intervals.",
        "val, interval of Macro AUROC (one-vs-rest): not estimable: few.",
        "test, interval of Macro AUROC (one-vs-rest): not estimable: few.",
        "Warning, test: something.",
    ]


def test_demo_is_said_first():
    assert summary_table(evaluation(demo=True)).startswith("DEMO")


@pytest.mark.parametrize(
    ("name", "value", "bounds", "text"),
    [
        ("accuracy", 0.757, [0.69, 0.81], "0.757 (0.69–0.81)"),
        ("accuracy", 0.99, [0.98, 0.998], "0.990 (0.980–0.998)"),
        ("accuracy", 0.97, [0.9, 0.997], "0.970 (0.900–0.997)"),
        ("accuracy", 0.97, [0.9, 0.9997], "0.970 (0.900 to >0.999)"),
        ("mcc", 0.05, [-0.1, 0.2], "0.050 (−0.10 to 0.20)"),
        ("calibration_slope", 1.2, [0.96, 1.5], "1.200 (0.96–1.50)"),
        ("macro_auroc", 1.0, None, "1.000 (–)"),
        ("mcc", None, None, "–"),
    ],
)
def test_an_interval_stands_in_brackets(name, value, bounds, text):
    assert format_estimate({name: value, f"{name}_interval": bounds}, name) == text
