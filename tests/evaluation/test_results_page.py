from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions
from medjax.evaluation.results_page import results
from medjax.evaluation.settings import Settings


def page(settings):
    predictions = Predictions(
        ["i", "j", "k"],
        [""] * 3,
        [0, 1, 1],
        [[0.8, 0.2], [0.4, 0.6], [0.7, 0.3]],
        ("x", "y"),
        {"<site>": ["a", "a", "b"]},
    )
    return results({"primary": settings.primary, "splits": {"test": evaluate(predictions, settings=settings)}})


def test_the_primary_metric_is_the_first_and_tables_are_numbered():
    text = page(Settings(primary="brier_score", prevalence=(0.5, 0.5), subgroups=("<site>",)))
    assert text.index("Brier score (primary)") < text.index("Right") < text.index("Accuracy")
    captions = [part.split("</caption>")[0] for part in text.split("<caption>")[1:]]
    assert captions == [
        "<b>Table 1.</b> Results by split.",
        "<b>Table 2.</b> Each class against all others, test.",
        "<b>Table 3.</b> Predictive values at the stated prevalence, test.",
        "<b>Table 4.</b> By &lt;site&gt;, test.",
    ]
    assert "NPV" in text


def test_what_was_not_asked_for_has_no_table():
    text = page(Settings())
    assert text.count("<caption>") == 2
    assert "stated prevalence" not in text
