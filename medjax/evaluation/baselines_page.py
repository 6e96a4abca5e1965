"""The section of the report on what the model had to beat."""

from typing import Any

from medjax.evaluation import markup
from medjax.evaluation.against_baselines import NAMES, difference, test_figures, tests, verdict
from medjax.evaluation.estimates import format_estimate, format_score
from medjax.evaluation.wording import METRICS, difference_text

_NOTE = (
    "Fitted on the training split, judged on the same test images. Logistic regression: multinomial, on the means over "
    "8×8 fields, standardised. Difference: the model's figure less the baseline's, in the metric of the first column, "
    "with its 95 % interval."
)


def baselines(evaluation: dict[str, Any]) -> str:
    """Set the table of the baselines beside the model; "" for a run without. Args: the content of evaluation.json."""
    against = evaluation.get("baselines") or {}
    if not against:
        return ""
    metrics = list(next(iter(against.values()))["figures"])
    model = test_figures(evaluation)
    rows = [["the model", *(format_estimate(model, metric) for metric in metrics), ""]]
    for name, entry in against.items():
        figures = [format_score(entry["figures"][metric]) for metric in metrics]
        rows.append([NAMES[name], *figures, difference_text(difference(entry))])
    header = ["", *(METRICS[metric].name for metric in metrics), "Difference"]
    said = verdict(against, "the model")
    beats = 1 if any(entry["beaten"] for entry in against.values()) else 0  # the first sentence says what is beaten
    return markup.section(
        "Baselines",
        *(markup.paragraph(text) for text in said[:beats]),
        *(markup.paragraph(text, "warning") for text in said[beats:]),
        markup.table(
            "**Baselines.** What needs no network, on the test images.", header, markup.unbroken(rows), "estimates"
        ),
        *(markup.paragraph(text, "note") for text in tests(against, "the model")),
        markup.paragraph(_NOTE, "note"),
    )
