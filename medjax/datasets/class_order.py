"""The order of class names that were found, not published: the labels count in it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from medjax.errors import UserError


def order_classes(found: Collection[str], *, ordered: Sequence[str], positive_class: str) -> tuple[str, ...]:
    """Return the class names in the order of their labels.

    Args:
      found: in the data.
      ordered: the classes as degrees, lowest first; () where they are none, and they are then sorted (by number where
        all are whole numbers).
      positive_class: the class that is looked for, which becomes the last one; "" where there is none. With `ordered`
        the order stays.

    Raises:
      UserError: fewer than two classes, or names that were not found.
    """
    if len(found) < 2:
        raise UserError(
            f"found {_listing(found) or 'no class'}: there is nothing to tell apart with fewer than two classes; "
            "give images of at least two, each with its own folder or label"
        )
    if positive_class and positive_class not in found:
        raise UserError(f"positive_class is {positive_class!r}; the classes found are {_listing(found)}")
    if ordered:
        if sorted(ordered) != sorted(found):
            raise UserError(
                f"ordered is {_listing(ordered, keep=True)}; it must name every class once, lowest degree first; "
                f"found are {_listing(found)}"
            )
        return tuple(ordered)
    names = sorted(found, key=int) if all(_is_whole(name) for name in found) else sorted(found)
    return tuple(sorted(names, key=lambda name: name == positive_class))  # stable


def _is_whole(name: str) -> bool:
    return name.isascii() and name.removeprefix("-").isdecimal()


def _listing(names: Collection[str], keep: bool = False) -> str:
    shown = list(names) if keep else sorted(names)
    more = f" and {len(shown) - 20} more" if len(shown) > 20 else ""
    return ", ".join(map(repr, shown[:20])) + more
