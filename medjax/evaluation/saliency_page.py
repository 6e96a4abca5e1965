"""The report's section on where the network looks, for images whose lesions are known."""

from collections.abc import Mapping
from typing import Any

from medjax.evaluation import markup
from medjax.evaluation.estimates import format_score


def section(saliency: Mapping[str, Any]) -> str:
    """Say how often the peak of a saliency map lies in the lesion, beside chance; "" where it is not known.

    Args:
        saliency: that entry of evaluation.json; see `pointing.hit_rate`.
    """
    if not saliency:
        return ""
    low, high = (format_score(end) for end in saliency["interval"])
    rows = [
        [f"Peak in the lesion of its own image: {saliency['hits']:,} of {saliency['images']:,}",
         f"{format_score(saliency['hit_rate'])} ({low}–{high})"],
        ["Chance: a place drawn at random (the lesions' share of the image)", format_score(saliency["area_share"])],
    ]  # fmt: skip
    if saliency["other_images"] is not None:
        rows.append(["Chance: the peak of another image's map", format_score(saliency["other_images"])])
    if saliency["without_peak"]:
        rows.append(["Images whose map has no peak, counted as misses", f"{saliency['without_peak']:,}"])
    caption = f"**{saliency['method']}**, test images with a known lesion; 95 % interval (Wilson). No tolerance."
    note = "A peak in the lesion does not show that the lesion was understood, nor one beside it that it was ignored."
    table = markup.table(caption, ["Where the map is highest", "Share"], rows, "text")
    return markup.section("Where the network looks", table, markup.paragraph(note, "note"))
