"""audit.html: one self-contained page on what an audit found, with the pictures that are copies of one another."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from medjax.counted import counted
from medjax.evaluation import markup, samples
from medjax.evaluation.page import page

_LISTED = 50  # unreadable files that are named
_BANNER = (
    '<div class="demo-banner" role="note"><b>DEMO</b>Synthetic images. Nothing on this page is about real data.</div>'
)
_STEPS = {
    "found": "Found in the source",
    "readable": "Readable",
    "kept": "Images of the dataset",
    "labelled": "With a label",
    "used": "Used",
}


def audit_page(audit: Mapping[str, Any], thumbnails: Mapping[str, np.ndarray] | None = None) -> str:
    """Set an audit as a page.

    Args:
      audit: as of pipeline.audit.audit.
      thumbnails: image_id -> uint8 or uint16 [H, W] or [H, W, C]; `page_image_ids` lists those that are shown. None
        for a page without pictures.

    Returns:
      HTML that loads nothing from elsewhere.
    """
    return page(
        f"Audit of {audit['dataset']}",
        _headline(audit),
        _facts(audit),
        _sections(audit, thumbnails),
        demo=bool(audit["demo"]),
        banner=_BANNER,
    )


def page_image_ids(audit: Mapping[str, Any]) -> list[str]:
    """Return the image_ids whose thumbnails `audit_page` shows, each once."""
    return list(dict.fromkeys(image_id for pair in audit["copies"]["worst_pairs"] for image_id in pair["image_ids"]))


def _sections(audit: Mapping[str, Any], thumbnails: Mapping[str, np.ndarray] | None) -> list[str]:
    copies = audit["copies"]
    return [
        markup.section("Warnings", *(warning(text) for text in audit["warnings"])),
        markup.section("Copies", _copies(copies), _across(copies), _conflicts(copies), _largest(copies)),
        markup.section("Pairs", *_pairs(copies["worst_pairs"], thumbnails)),
        markup.section("Images", flow_table(audit, "**Table 3.** From the source to the experiment."), _classes(audit)),
        markup.section("Facts of the files by class", *(_fact(fact) for fact in audit["facts"])),
        _skipped(audit["skipped"]),
    ]


def warning(text: str) -> str:
    """Set a sentence of an audit as a warning."""
    return markup.paragraph(f"{text[:1].upper()}{text[1:]}.", "warning")


def _headline(audit: Mapping[str, Any]) -> str:
    overall = audit["copies"]["overall"]
    across = sum(pair["groups"] for pair in audit["copies"]["across_splits"])
    text = f"{overall['images_in_groups']:,} of {overall['images']:,} images are copies of others"
    if audit["copies"]["within_splits"]:
        clean = "no copy lies in another split than the image it repeats"
        text += f"; {across:,} groups of copies lie in two splits" if across else f"; {clean}"
    return text + "."


def _facts(audit: Mapping[str, Any]) -> list[tuple[str, str]]:
    grouping = audit["grouping"]
    patients = f"{grouping['patients']:,}" if grouping["patients"] else "unknown"
    return [
        ("Images", f"{audit['flow']['kept']:,}"),
        ("Classes", f"{len(audit['classes']) - ('' in audit['classes']):,}"),
        ("Patients", patients),
        ("Groups that a split keeps together", f"{grouping['groups']:,}"),
        ("Shape", "×".join(map(str, audit["image_shape"]))),
    ]


def _copies(copies: Mapping[str, Any]) -> str:
    columns = ("images", "exact_images", "exact_groups", "near_images", "near_links", "groups")
    header = ["", "Images", "Exact copies", "in groups", "Near copies", "in pairs", "Groups of both"]
    rows = {"all": copies["overall"], **copies["within_splits"]}
    lines = [[name, *(f"{numbers[column]:,}" for column in columns)] for name, numbers in rows.items()]
    note = (
        "An exact copy has the same pixels in the table. A near copy is the same picture turned, mirrored, resized, "
        "compressed, or of other brightness or contrast; crops, shifts and turns by odd angles are not found. Pairs "
        "are counted once for all exact copies of either side."
    )
    table = markup.table(
        "**Table 1.** Images that have a copy, in the whole table and within each split.", header, lines
    )
    return table + markup.paragraph(note, "note")


def _across(copies: Mapping[str, Any]) -> str:
    header = ["Images of", "with a copy in", "Exact", "in groups", "Near", "Either"]
    lines = []
    for pair in copies["across_splits"]:
        for here, there in (pair["splits"], pair["splits"][::-1]):
            numbers = (pair["exact_images"][here], pair["exact_groups"], pair["near_images"][here])
            lines.append([here, there, *(f"{n:,}" for n in (*numbers, pair["images"][here]))])
    return markup.table("**Table 2.** Images that have a copy in another split.", header, lines) if lines else ""


def _conflicts(copies: Mapping[str, Any]) -> str:
    found = copies["conflicting_labels"]
    if not found["exact_groups"] and not found["near_links"]:
        return markup.paragraph("No copies have different labels.", "note")
    parts = []
    if found["exact_groups"]:
        images = counted(found["exact_images"], "image")
        parts.append(f"{counted(found['exact_groups'], 'group')} of exact copies ({images})")
    if found["near_links"]:
        parts.append(f"{counted(found['near_links'], 'pair')} of near copies")
    return warning(f"copies whose labels differ: {' and '.join(parts)}")


def _largest(copies: Mapping[str, Any]) -> str:
    lines = [
        [group["first_image"], f"{group['images']:,}", _listing(group["classes"]), _listing(group["splits"]) or "–"]
        for group in copies["largest_groups"]
    ]
    header = ["First image", "Images", "Classes", "Splits"]
    return markup.table("**The largest groups of copies.**", header, lines, "text") if lines else ""


def _listing(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)


def _pairs(pairs: Iterable[Mapping[str, Any]], thumbnails: Mapping[str, np.ndarray] | None) -> list[str]:
    kinds: dict[str, list[Mapping[str, Any]]] = {
        "In two splits": [],
        "With different labels": [],
        "In one split, with one label": [],
    }
    for pair in pairs:
        number = 0 if pair["across_splits"] else 1 if pair["labels_differ"] else 2
        kinds[list(kinds)[number]].append(pair)
    parts = [
        markup.paragraph(
            "A few of each kind, at most two of one group of copies; as they are in the table, not turned.", "note"
        )
    ]
    for heading, listed in kinds.items():
        if not listed:
            continue
        parts.append(f"<h3>{html.escape(heading)}</h3>\n")
        if thumbnails is None:
            rows = [[*pair["image_ids"], _relation(pair)] for pair in listed]
            parts.append(markup.table("", ["Image", "Image", "Relation"], rows, "text"))
        else:
            parts.append(f'<div class="pairs">{"".join(_pair(pair, thumbnails) for pair in listed)}</div>\n')
    return parts if len(parts) > 1 else []


def _pair(pair: Mapping[str, Any], thumbnails: Mapping[str, np.ndarray]) -> str:
    cells = []
    for image_id, label, split in zip(pair["image_ids"], pair["labels"], pair["splits"], strict=True):
        place = ", ".join(filter(None, (split, label or "no label")))
        picture = '<span class="blank">no picture</span>'
        if image_id in thumbnails:
            alt = html.escape(f"{image_id}: {place}")
            picture = f'<img src="{samples.png_uri(thumbnails[image_id])}" alt="{alt}">'
        kind = "wrong" if pair["labels_differ"] else "right"
        caption = f'<span class="{kind}">{markup.breakable(place)}</span><span class="id">'
        cells.append(f"<div>{picture}{caption}{markup.breakable(image_id)}</span></div>")
    return f"<figure>{''.join(cells)}<figcaption>{html.escape(_relation(pair))}</figcaption></figure>\n"


def _relation(pair: Mapping[str, Any]) -> str:
    if pair["kind"] == "exact":
        return "the same pixels"
    return f"near copy, {pair['orientation']}, correlation {pair['correlation']:.3f}"


def flow_table(audit: Mapping[str, Any], caption: str) -> str:
    """Set how many images are left after each step from the source to the experiment, and why the others are not."""
    lines, before = [], None
    lost = {"readable": "not readable", "kept": "no image of the dataset", "labelled": "without a label"}
    for step, count in audit["flow"].items():
        gone = f"{before - count:,} {lost.get(step, 'in no split')}" if before is not None and before > count else ""
        lines.append([_STEPS[step], f"{count:,}", gone])
        before = count
    parts = [markup.table(caption, ["", "Images", "Left out"], lines)]
    if audit["left_out"]:
        rows = [[reason, f"{count:,}"] for reason, count in audit["left_out"].items()]
        parts.append(markup.table("Why images of the source are none of the dataset.", ["Reason", "Images"], rows))
    return "".join(parts)


def _classes(audit: Mapping[str, Any]) -> str:
    classes = audit["classes"]
    splits = list(next(iter(classes.values())))
    totals = {split: max(1, sum(counts[split] for counts in classes.values())) for split in splits}
    lines = [
        [name or "no label", *(f"{counts[split]:,} ({counts[split] / totals[split]:.1%})" for split in splits)]
        for name, counts in classes.items()
    ]
    return markup.table("**Table 4.** Images by class, with their share of the split.", ["Class", *splits], lines)


def _fact(fact: Mapping[str, Any]) -> str:
    strength = fact["cramers_v"]
    said = "" if strength is None else f", Cramér’s V {strength:.2f}"
    classes = list(next(iter(fact["counts"].values()), {}))
    lines = [[value or "–", *(f"{counts[name]:,}" for name in classes)] for value, counts in fact["counts"].items()]
    name = str(fact["fact"])
    said_of_it = warning(fact["warning"]) if fact["warning"] else ""
    values = counted(fact["values"], "value")
    return markup.table(f"**{name.capitalize()}**: {values}{said}.", [name.capitalize(), *classes], lines) + said_of_it


def _skipped(skipped: list[Mapping[str, str]]) -> str:
    if not skipped:
        return ""
    rows = [[entry["image_id"], entry["reason"]] for entry in skipped[:_LISTED]]
    caption = f"{counted(len(skipped), 'file')} left out."
    if len(skipped) > _LISTED:
        caption += f" The first {_LISTED}; audit.json names all."
    return markup.section("Files that cannot be read", markup.table(caption, ["File", "Reason"], rows, "text"))
