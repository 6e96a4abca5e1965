import copy

from medjax.evaluation import calibration_page

NASTY = "<b>class</b>"


def estimate(name, value, interval):
    return {name: value, f"{name}_interval": interval, f"{name}_interval_basis": "bootstrap"}


def threshold(value, basis):
    return {"asked": 0.95, "value": value, "reached": value, "basis": basis}


BEFORE = {"log_loss": 0.875, "brier_score": 0.25, "expected_calibration_error": 0.125}
AFTER = estimate("log_loss", 0.625, [0.5, 0.75]) | {"brier_score": 0.1875, "expected_calibration_error": None}
SETS = {
    **estimate("coverage", 0.9375, [0.9, 0.96]),
    **estimate("mean_set_size", 1.25, [1.2, 1.3]),
    "set_sizes": [0, 30, 10],
    "per_class": {NASTY: estimate("coverage", 0.8125, None), "other": estimate("coverage", 1.0, [0.5, 1.0])},
}
EVALUATION = {
    "calibration": {
        "temperature": {"value": 1.5, "basis": "maximum likelihood, 60 images of 40 groups"},
        "thresholds": {
            "sensitivity": {NASTY: threshold(0.375, "60 images"), "other": threshold(None, "none: 2 groups")}
        },
        "conformal": {"coverage": 0.9, "groups": 40, "needed": 9, "refused": None},
    },
    "splits": {
        "val": {"classes": [NASTY, "other"], **BEFORE},
        "test": {
            "classes": [NASTY, "other"],
            **BEFORE,
            "after_temperature": AFTER,
            "at_thresholds": {"sensitivity": {NASTY: estimate("sensitivity", 0.9, [0.85, 0.94])}},
            "conformal_sets": {"adaptive": SETS},
        },
    },
}


def test_the_page_holds_each_number_and_escapes_names():
    page = calibration_page.section(EVALUATION)
    for text in ("1.500", "0.875", "0.625 (0.50–\u20600.75)", "0.188", "0.375", "0.900 (0.85–\u20600.94)", "0.938"):
        assert text in page, text
    assert "30 of 1, 10 of 2" in page
    assert "No threshold for a sensitivity of 0.95: other (2 groups)." in page
    assert "0.9 asked" in page
    assert NASTY not in page
    assert "&lt;b&gt;class" in page
    assert "val chose the epoch" in page
    assert 'class="warning"' not in page


def test_a_goal_without_any_threshold_says_why():
    evaluation = copy.deepcopy(EVALUATION)
    few = {NASTY: threshold(None, "none: 3 groups"), "other": threshold(None, "none: 2 groups")}
    evaluation["calibration"]["thresholds"] = {"specificity": few}
    evaluation["splits"]["test"]["at_thresholds"] = {}
    page = calibration_page.section(evaluation)
    assert "No threshold for a specificity of 0.95: &lt;b&gt;class&lt;/b&gt; (3 groups), other (2 groups)." in page


def test_what_the_sets_promise_is_said_once():
    splits = EVALUATION["splits"]
    page = calibration_page.section({**EVALUATION, "splits": {**splits, "test, one image a group": splits["test"]}})
    assert page.count("promised on average") == 1


def test_the_terminal_says_it_in_a_few_lines():
    assert calibration_page.summary_lines(EVALUATION) == [
        "Temperature 1.500; what it changes is in the report.",
        "Test: sets of 1.2 classes hold the true one in 0.938 (0.90–0.96); 0.9 asked.",
    ]


def test_sets_that_hold_too_little_are_said_to():
    evaluation = copy.deepcopy(EVALUATION)
    evaluation["splits"]["test"]["conformal_sets"]["adaptive"]["coverage_interval"] = [0.8, 0.89]
    (text,) = calibration_page.warnings(evaluation)
    assert text.startswith("test: the conformal sets hold the true class in 0.938 (0.80–0.89) (adaptive) of the images")
    assert text in calibration_page.section(evaluation).replace("Test: the", "test: the")
    said = "Warning, test: sets hold the true class too rarely: 0.938 (0.80–0.89) (adaptive); 0.9 asked."
    assert calibration_page.summary_lines(evaluation)[-1] == said


def test_what_is_missing_is_one_line():
    none = {
        "calibration": {"none": "no calibration split: probabilities are the network's own"},
        "splits": {"test": {}},
    }
    assert "No calibration split: probabilities are the network&#x27;s own." in calibration_page.section(none)
    assert calibration_page.summary_lines(none) == ["No calibration split: probabilities are the network's own."]
    assert calibration_page.section({"splits": {}}) == ""
    assert calibration_page.summary_lines({"splits": {}}) == []


def test_a_refusal_takes_the_place_of_the_sets():
    evaluation = copy.deepcopy(EVALUATION)
    evaluation["calibration"]["conformal"]["refused"] = "no conformal sets: too few"
    assert "No conformal sets: too few." in calibration_page.summary_lines(evaluation)[0]
