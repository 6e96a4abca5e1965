"""Numbers with their nouns, as a sentence needs them."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return "1 image", "2,000 images"; `plural` where it is not the noun and an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
