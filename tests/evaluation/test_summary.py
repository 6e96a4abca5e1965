import pytest

from medjax.evaluation.estimates import format_estimate, format_score
from medjax.evaluation.summary import summary_table


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
    metrics["per_class"] = {}
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


def test_the_primary_metric_leads_and_is_marked():
    rows = summary_table(evaluation(primary="macro_auroc")).splitlines()
    assert rows[4].split()[:4] == ["Macro", "AUROC", "(one-vs-rest)", "(primary)"]
    assert rows[5].startswith("Right")
    assert sum("Macro AUROC" in row and "interval of" not in row for row in rows) == 1


def subgroup(images, **figures):
    return {"images": images, "groups": 7, "accuracy": 0.5, "macro_auroc": None} | figures


def test_subgroups_and_predictive_values_follow():
    content = evaluation(primary="accuracy")
    content["splits"]["test"] = content["splits"]["test"] | {
        "subgroups": {"sex": {"f": subgroup(1200, accuracy_interval=[0.25, 0.75]), "": subgroup(34)}},
        "per_class": {
            "ill": {"prevalence": 0.01, "ppv_at_prevalence": 0.125, "npv_at_prevalence": 1.0},
            "well": {"prevalence": 0.99, "ppv_at_prevalence": None, "npv_at_prevalence": 0.5},
        },
    }
    content["splits"]["val"]["per_class"] = {"ill": {}, "well": {}}
    lines = summary_table(content).splitlines()
    start = lines.index("test, by sex:")
    assert lines[start + 1 : start + 5] == [
        "sex     Images  Groups  Accuracy (primary)  Macro AUROC (one-vs-rest)",
        "─────────────────────────────────────────────────────────────────────",
        "f        1,200       7   0.500 (0.25–0.75)                          –",
        "(none)      34       7               0.500                          –",
    ]
    start = lines.index("test, predictive values at the stated prevalence:")
    assert lines[start + 1 :] == [
        "Class  Prevalence    PPV    NPV",
        "───────────────────────────────",
        "ill         0.010  0.125  1.000",
        "well        0.990      –  0.500",
    ]
