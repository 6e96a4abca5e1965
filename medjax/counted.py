"""Numbers with their nouns, and lists, as a sentence needs them."""

from collections.abc import Sequence


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return "1 image", "2,000 images"; `plural` where it is not the noun and an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(parts: Sequence[str]) -> str:
    """Join texts as a sentence does: "a, b and c"; nothing gives ""."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
