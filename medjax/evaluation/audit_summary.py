"""What an audit found, as plain text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medjax.counted import counted


def audit_summary(audit: Mapping[str, Any]) -> str:
    """Set an audit (see pipeline.audit) as a few lines: flow, classes by split, copies, warnings."""
    flow, overall = audit["flow"], audit["copies"]["overall"]
    lines = ["DEMO: synthetic images."] if audit["demo"] else []
    lines += [
        f"{audit['dataset']}: " + " → ".join(f"{count:,} {step}" for step, count in flow.items()),
        "",
        *_classes(audit["classes"]),
        "",
        f"Copies: {counted(overall['exact_surplus'], 'image repeats', 'images repeat')} another one exactly; "
        f"{counted(overall['near_links'], 'pair')} of near copies.",
        f"Groups: {counted(flow['kept'], 'image')} in {counted(audit['grouping']['groups'], 'group')}, the largest of "
        f"{counted(audit['grouping']['largest'], 'image')}.",
        f"Unit of the split: {audit['unit_of_split']}.",
    ]
    return "\n".join(lines + [f"Warning: {sentence}." for sentence in audit["warnings"]])


def _classes(classes: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Lay out the number of images of each class, in all and by split."""
    columns = list(next(iter(classes.values())))
    rows = [["", *columns]]
    rows += [[name or "no label", *(f"{held[column]:,}" for column in columns)] for name, held in classes.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    return [lines[0], "─" * len(lines[0]), *lines[1:]]
