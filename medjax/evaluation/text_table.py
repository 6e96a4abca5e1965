"""Tables as plain text, for the terminal."""

from collections.abc import Sequence

DEMO = "DEMO: synthetic images. Not a result."


def text_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Set rows as lines, the first column to the left and the others to the right; the first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return [lines[0], "─" * len(lines[0]), *lines[1:]]
