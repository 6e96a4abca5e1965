"""Pieces of HTML. Every function escapes the text it is given; what it returns is markup."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

DEMO_BANNER = (
    '<div class="demo-banner" role="note"><b>DEMO</b>Trained and tested on synthetic images. '
    "Nothing on this page is a result.</div>"
)


def breakable(text: str) -> str:
    """Escape a name and let its line break after each _ and /, as file and class names have no spaces."""
    return escape(text).replace("_", "_<wbr>").replace("/", "/<wbr>")


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """Set a table whose first column names the rows; "**" at the start of the caption ends at the next "**"."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = ""
    for first, *cells in rows:
        body += f'<tr><th scope="row">{breakable(first)}</th>'
        body += "".join(f"<td>{breakable(cell)}</td>" for cell in cells) + "</tr>\n"
    return (
        f'<div class="scroll"><table class="{kind}"><caption>{_caption(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n"
    )


def unbroken(rows: Iterable[Sequence[str]]) -> list[list[str]]:
    """Keep an interval on one line: a browser may break after a dash, but not at a word joiner."""
    return [[first, *(cell.replace("–", "–\u2060") for cell in cells)] for first, *cells in rows]


def _caption(text: str) -> str:
    lead, mark, rest = text.removeprefix("**").partition("**")
    return f"<b>{escape(lead)}</b>{escape(rest)}" if mark and text.startswith("**") else escape(text)


def svg_figure(svg: bytes, alt: str, caption: str, wide: bool = False) -> str:
    """Set a figure with alternative text and a caption as of `table`."""
    uri = "data:image/svg+xml;base64," + base64.b64encode(svg).decode()
    kind = ' class="wide"' if wide else ""
    image = f'<img src="{uri}" alt="{escape(alt)}">'
    return f"<figure{kind}>{image}<figcaption>{_caption(caption)}</figcaption></figure>\n"


def definitions(pairs: Iterable[tuple[str, str]], kind: str) -> str:
    """Set names and their values."""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>\n" for name, value in pairs)
    return f'<dl class="{kind}">\n{items}</dl>\n'


def section(title: str, *parts: str) -> str:
    """Set parts under a heading; nothing when all of them are empty."""
    content = "".join(parts)
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}</section>\n" if content else ""


def paragraph(text: str, kind: str = "") -> str:
    """Set a paragraph of the class `kind`."""
    return f'<p class="{kind}">{escape(text)}</p>\n'


def flatten(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Lay out nested settings as pairs of dotted name and text."""
    pairs: list[tuple[str, str]] = []
    for key, value in tree.items():
        if isinstance(value, Mapping):
            pairs += flatten(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            pairs.append((prefix + key, value or '""'))
        else:
            pairs.append((prefix + key, json.dumps(value, ensure_ascii=False)))
    return pairs
