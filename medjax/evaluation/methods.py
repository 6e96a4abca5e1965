"""A draft of a paper's Methods, in plain words, from what a run's files say. The checklists quote its sentences too."""

from __future__ import annotations

from medjax.counted import counted, listed
from medjax.evaluation import data_words as data
from medjax.evaluation import markup
from medjax.evaluation import training_words as training
from medjax.evaluation.record import Record


def section(record: Record) -> str:
    """Set the draft as a section of the report."""
    warning = "Draft: check before use. It knows what the run's files say and nothing else."
    paragraphs = (markup.paragraph(text, "draft") for text in draft(record))
    return markup.section("Methods, a draft", markup.paragraph(warning, "warning"), *paragraphs)


def draft(record: Record) -> list[str]:
    """Return the draft, a paragraph each on data, training and evaluation."""
    paragraphs = (
        (data.data, data.inclusion, data.partition, data.copies, data.preprocessing),
        (training.network, data.augmentation, training.optimisation, training.imbalance, training.stopping),
        (training.views, calibration, intervals, software),
    )
    texts = (" ".join(filter(None, (subject(record) for subject in subjects))) for subjects in paragraphs)
    return [text for text in texts if text]


def calibration(record: Record) -> str:
    """Say what was fitted on the calibration images, and that the headline figures do without it."""
    fitted = record.evaluation.get("calibration") or {}
    if "temperature" not in fitted:
        return "The probabilities are the network's own."
    sets = fitted["conformal"]
    conformal = "" if sets["refused"] else f", and conformal sets for a coverage of {100 * sets['coverage']:g} %"
    return (
        f"On the {counted(fitted['images'], 'image')} of {counted(fitted['groups'], 'group')} of the calibration split "
        f"were fitted: a temperature ({fitted['temperature']['value']:.3g}), thresholds for sensitivity and specificity"
        f"{conformal}. The headline figures are of the network's own probabilities."
    )


def intervals(record: Record) -> str:
    """Name the primary metric and say how uncertainty was estimated."""
    basis, primary = record.judged.get("intervals"), record.config.get("evaluation", {}).get("primary")
    lead = f"The primary metric is {primary.replace('_', ' ')}. " if primary else ""
    if not basis:
        return lead.strip()
    if not basis["resamples"]:
        return f"{lead}With {counted(basis['groups'], 'group')} no interval can be given."
    return (
        f"{lead}Intervals cover {100 * basis['level']:g} % and rest on a bootstrap of {basis['resamples']:,} resamples "
        f"over {counted(basis['groups'], 'group')} of test images (seed {basis['seed']}); proportions of independent "
        "images have Wilson's interval."
    )


def software(record: Record) -> str:
    """Name versions and devices."""
    environment = record.environment
    packages = [f"{name} {version}" for name, version in environment.get("packages", {}).items() if version]
    versions = [f"Python {environment['python']}"] if "python" in environment else []
    revision = f" (revision {environment['git_revision']})" if environment.get("git_revision") else ""
    devices = f" on {listed(sorted(set(environment['devices'])))}" if environment.get("devices") else ""
    return f"Computed by medjax{revision} with {listed([*versions, *packages])}{devices}." if environment else ""
