"""Two reporting checklists, filled in as far as a run can: CLAIM 2024 and TRIPOD+AI.

CLAIM: Tejani et al. 2024, doi:10.1148/ryai.240300. TRIPOD+AI: Collins et al. 2024, doi:10.1136/bmj-2023-078378. The
numbers are theirs; the wordings are short ones of our own, and the checklists themselves are to be read.
"""

from __future__ import annotations

from collections.abc import Callable

from medjax.counted import counted
from medjax.evaluation import data_words as data
from medjax.evaluation import evidence, markup, methods
from medjax.evaluation import training_words as training
from medjax.evaluation.record import Record

AUTHOR = "for the author"
NOT_APPLICABLE = "not applicable"

# number, what it asks for, and what gives the evidence; without any the author alone can answer
Item = tuple[str, str, *tuple[Callable[[Record], str], ...]]

CLAIM: tuple[Item, ...] = (
    ("1", "Title or abstract names AI and its kind"),
    ("2", "Abstract: design, methods, results, conclusions"),
    ("3", "Background; intended use and clinical role"),
    ("4", "Aims and hypotheses"),
    ("5", "Prospective or retrospective"),
    ("6", "Goal of the study"),
    ("7", "Sources of the data", data.data),
    ("8", "Inclusion and exclusion criteria", evidence.exclusions),
    ("9", "Preprocessing", data.preprocessing),
    ("10", "Choice of parts of the data"),
    ("11", "De-identification"),
    ("12", "Missing data", evidence.missing),
    ("13", "Image acquisition"),
    ("14", "Reference standard: definition"),
    ("15", "Reference standard: why this one"),
    ("16", "Reference standard: who annotated"),
    ("17", "Annotation of the test set"),
    ("18", "Variability between and within annotators"),
    ("19", "Assignment to training, validation and test", data.partition),
    ("20", "Level at which these are disjoint", evidence.unit, data.copies),
    ("21", "Intended size of the test set"),
    ("22", "The model in detail", training.network),
    ("23", "Software and versions", methods.software),
    ("24", "Initial parameters", training.initial_weights),
    ("25", "Training", data.augmentation, training.optimisation, training.imbalance),
    ("26", "Selection of the final model", training.stopping),
    ("27", "Ensembling", training.views, evidence.one_network),
    ("28", "Metrics", evidence.metrics),
    ("29", "Significance and uncertainty", methods.intervals),
    ("30", "Robustness or sensitivity analysis", evidence.sensitivity_analysis),
    ("31", "Explainability", evidence.heatmaps),
    ("32", "Evaluation on internal data", evidence.internal_test),
    ("33", "Testing on external data", evidence.external_test),
    ("34", "Trial registration"),
    ("35", "Numbers included and excluded", data.inclusion),
    ("36", "Characteristics of the cases in each part", evidence.class_sizes),
    ("37", "Performance with its uncertainty", evidence.headline),
    ("38", "Diagnostic estimates with their precision", evidence.class_estimates),
    ("39", "Analysis of wrong cases", evidence.failures),
    ("40", "Limitations"),
    ("41", "Implications; intended use"),
    ("42", "Protocol or further technical details"),
    ("43", "Availability of software, model and data"),
    ("44", "Funding and the role of funders"),
)

TRIPOD_AI: tuple[Item, ...] = (
    ("1", "Title: development or evaluation, population, outcome"),
    ("2", "Abstract"),
    ("3a", "Clinical context and rationale"),
    ("3b", "Target population, purpose and users"),
    ("3c", "Known inequalities in health"),
    ("4", "Objectives"),
    ("5a", "Sources of the data; how representative", data.data),
    ("5b", "Dates of collection"),
    ("6a", "Setting and centres"),
    ("6b", "Eligibility", evidence.exclusions),
    ("6c", "Treatments received"),
    ("7", "Preparation and checks of the data", data.preprocessing, data.copies),
    ("8a", "Outcome: definition and assessment"),
    ("8b", "Outcome: who assessed it"),
    ("8c", "Outcome: blinding"),
    ("9a", "Predictors: choice", evidence.predictors),
    ("9b", "Predictors: definition and measurement", data.preprocessing),
    ("9c", "Predictors: who interpreted them", evidence.no_assessors),
    ("10", "Sample size"),
    ("11", "Missing data", evidence.missing),
    ("12a", "Use of the data in development and evaluation", data.partition),
    ("12b", "Handling of predictors", data.preprocessing, data.augmentation),
    ("12c", "Type of model, steps of building it, internal validation", training.network, training.optimisation,
     training.stopping),
    ("12d", "Differences between clusters such as hospitals", evidence.subgroups),
    ("12e", "Measures and plots of performance", evidence.metrics),
    ("12f", "Updating of the model", methods.calibration),
    ("12g", "How predictions were calculated", evidence.output, training.views),
    ("13", "Class imbalance", training.imbalance, evidence.no_balancing),
    ("14", "Fairness"),
    ("15", "Output of the model and its thresholds", evidence.output),
    ("16", "Differences between training and evaluation data"),
    ("17", "Ethical approval"),
    ("18a", "Funding"),
    ("18b", "Conflicts of interest"),
    ("18c", "Protocol"),
    ("18d", "Registration"),
    ("18e", "Data sharing"),
    ("18f", "Code sharing"),
    ("19", "Involvement of patients and the public"),
    ("20a", "Flow of participants", data.inclusion),
    ("20b", "Characteristics of participants"),
    ("20c", "Development and evaluation data compared", evidence.class_sizes),
    ("21", "Numbers in development and evaluation", evidence.class_sizes),
    ("22", "The full model"),
    ("23a", "Performance with intervals", evidence.headline, evidence.class_estimates),
    ("23b", "Differences in performance between clusters", evidence.subgroups),
    ("24", "Results of updating", methods.calibration),
    ("25", "Interpretation"),
    ("26", "Limitations"),
    ("27a", "Use: input of poor quality"),
    ("27b", "Use: what it asks of its users"),
    ("27c", "Next steps"),
)  # fmt: skip


def answer(item: Item, record: Record) -> str:
    """Return the evidence for an item, AUTHOR, or NOT_APPLICABLE and the reason."""
    _, _, *sources = item
    return " ".join(filter(None, (source(record) for source in sources))) or AUTHOR


def section(record: Record) -> str:
    """Set both checklists as a section of the report."""
    lists = (
        ("**CLAIM 2024**, Checklist for Artificial Intelligence in Medical Imaging", CLAIM),
        ("**TRIPOD+AI**, clinical prediction models", TRIPOD_AI),
    )
    note = (
        "What the run can say to each item; the wordings are shortened, the checklists themselves are to be read. "
        "Evidence is no judgement: whether it suffices, the author decides."
    )
    return markup.section(
        "Checklists", markup.paragraph(note, "note"), *(_table(name, items, record) for name, items in lists)
    )


def _table(name: str, items: tuple[Item, ...], record: Record) -> str:
    answers = [answer(item, record) for item in items]
    author, excluded = answers.count(AUTHOR), sum(text.startswith(NOT_APPLICABLE) for text in answers)
    caption = (
        f"{name}. Of {counted(len(items), 'item')}, {len(items) - author - excluded} have evidence in this run, "
        f"{excluded} {'is' if excluded == 1 else 'are'} not applicable, {author} are for the author."
    )
    rows = [[number, words, text] for (number, words, *_), text in zip(items, answers, strict=True)]
    return markup.table(caption, ["Item", "Asks for", "Evidence from the run"], rows, "text checklist")
