"""The sections of the report on the run itself: its data, what was left out, its settings and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medjax.counted import counted
from medjax.evaluation import audit_page, markup
from medjax.evaluation.record import Record


def facts(record: Record) -> list[tuple[str, str]]:
    """Return what stands under the heading of the page: names and values."""
    evaluation, model = record.evaluation, record.config.get("model") or {}
    pairs = [
        ("Dataset", evaluation.get("dataset")),
        ("Network", model.get("name") if isinstance(model, Mapping) else model),
        ("Chosen epoch", evaluation.get("best_epoch")),
        ("Classes", ", ".join(evaluation["classes"])),
    ]
    return [(name, str(value)) for name, value in pairs if value is not None]


def data(audit: Mapping[str, Any]) -> str:
    """Say where the images come from and what the audit found; its own page, audit.html, has the rest."""
    if not audit:
        return ""
    notes = markup.definitions(markup.flatten(audit["notes"]), "settings") if audit["notes"] else ""
    flow = audit_page.flow_table(audit, "**Inclusion.** From the source to the experiment; audit.html has the rest.")
    return markup.section("Data", *(audit_page.warning(text) for text in audit["warnings"]), flow, notes)


def spikes(spiking: Mapping[str, Any]) -> str:
    """Give the mean spike rate of every layer of a spiking network, and name the outputs that never fired."""
    if not spiking:
        return ""
    dead = ", ".join(spiking["dead_outputs"])
    warning = f"The output neuron of {dead} never fired: that class is never predicted." if dead else ""
    rows = [[layer, f"{rate:.4f}"] for layer, rate in spiking["mean_spike_rate"].items()]
    table = markup.table("Mean spikes a step and neuron, test.", ["Layer", "Rate"], rows, "text")
    return markup.section("Spikes", table, markup.paragraph(warning) if warning else "")


def skipped(images: list[Any]) -> str:
    """Name the images that could not be read. Args: pairs of image_id and reason."""
    if not images:
        return ""
    rows = [[str(image_id), str(reason)] for image_id, reason in images]
    caption = f"{counted(len(rows), 'image')} could not be read: left out before the split."
    return markup.section("Images left out", markup.table(caption, ["Image", "Reason"], rows, "text"))


def configuration(config: Mapping[str, Any]) -> str:
    """Give every setting of the run."""
    return markup.section("Configuration", markup.definitions(markup.flatten(config), "settings")) if config else ""


def provenance(record: Record) -> str:
    """Say what the numbers depend on: seed, command, code, devices, versions, and the hash of the splits."""
    environment = dict(record.environment)
    pairs = [("seed", str(record.config["seed"]))] if "seed" in record.config else []
    for name in ("command", "git_revision", "devices"):
        value = environment.pop(name, None)
        if value is not None:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            pairs.append((name.replace("_", " "), text))
    pairs += [(name.removeprefix("packages."), value) for name, value in markup.flatten(environment)]
    if record.splits_hash:
        pairs.append(("splits.json, SHA-256", record.splits_hash))
    return markup.section("Provenance", markup.definitions(pairs, "settings one")) if pairs else ""
