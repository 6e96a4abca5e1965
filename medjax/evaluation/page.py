"""The frame that all pages share: DEMO banner, heading, facts, sections; it loads nothing from elsewhere."""

from __future__ import annotations

import html
import string
from collections.abc import Iterable, Sequence
from importlib import resources

from medjax.evaluation import markup


def page(
    heading: str,
    lead: str,
    facts: Sequence[tuple[str, str]],
    sections: Iterable[str],
    *,
    demo: bool,
    banner: str = markup.DEMO_BANNER,
) -> str:
    """Set a page as HTML.

    Args:
        heading: of the page, and its title.
        lead: the line beneath it.
        facts: names and values that stand above the sections.
        sections: HTML.
        demo: what the page shows is no result; `banner` says so.
        banner: HTML.
    """
    template = string.Template(resources.files("medjax.evaluation").joinpath("report.html").read_text("utf-8"))
    return template.substitute(
        title=html.escape(f"DEMO: {heading}" if demo else heading),
        heading=html.escape(heading),
        body_class=' class="demo"' if demo else "",
        banner=banner if demo else "",
        unit=html.escape(lead),
        facts=markup.definitions(facts, "facts"),
        sections="".join(sections),
        footer="Written by medjax. Research use, not a medical device.",
    )
