"""Which images belong together, such as those of one patient, by where they lie or by what DICOM says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from medjax.datasets.folder_layout import Place
from medjax.errors import UserError

GROUP_FROM = ("", "subfolder", "pattern", "patient_id")


def find_groups(
    places: Sequence[Place], *, group_from: str, group_pattern: str, patient_id: Callable[[str], str]
) -> list[str]:
    """Return the group of each image as its owner writes it, "" where none is asked for.

    One group may lie in several classes or official splits: the audit tells of that, and the splits keep it together.

    Args:
      places: of the images.
      group_from: "" (unknown), "subfolder" (the folder below the class folder), "pattern" (`group_pattern`) or
        "patient_id" (of DICOM).
      group_pattern: a regular expression that is searched in the path below the root; the group is what its group named
        "group" matched, or its first one.
      patient_id: file name -> PatientID, "" where it has none.

    Raises:
      UserError: a value that is not allowed, or images of which the group cannot be told.
    """
    if group_from not in GROUP_FROM:
        raise UserError(f"group_from is {group_from!r}; choose '' (unknown), {', '.join(GROUP_FROM[1:])}")
    if bool(group_pattern) != (group_from == "pattern"):
        raise UserError(
            f"group_from is {group_from!r} and group_pattern is {group_pattern!r}; a pattern is needed for "
            "group_from='pattern' and for nothing else"
        )
    if group_from == "subfolder":
        groups = [place.inner.partition("/")[0] if "/" in place.inner else "" for place in places]
        return _all_known(places, groups, "lie in their class folder itself, not in a folder of their patient")
    if group_from == "pattern":
        pattern, key = _compile(group_pattern)
        matches = [pattern.search(place.path) for place in places]
        groups = [(match[key] or "") if match else "" for match in matches]
        return _all_known(places, groups, f"do not match group_pattern {group_pattern!r}")
    if group_from == "patient_id":
        return _all_known(places, [patient_id(place.name) for place in places], "have no DICOM PatientID")
    return [""] * len(places)


def _compile(text: str) -> tuple[re.Pattern[str], int | str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise UserError(f"group_pattern {text!r} is no regular expression: {error}") from error
    if not pattern.groups:
        raise UserError(f"group_pattern {text!r} has no group; put brackets around what names the patient: (P[0-9]+)")
    return pattern, "group" if "group" in pattern.groupindex else 1


def _all_known(places: Sequence[Place], groups: list[str], what: str) -> list[str]:
    """Return the groups if every image has one. The files are counted by class: their names may be those of people."""
    lacking = Counter(place.class_name for place, group in zip(places, groups, strict=True) if not group)
    if lacking:
        by_class = ", ".join(f"{count} in {name!r}" for name, count in sorted(lacking.items()))
        raise UserError(
            f"{lacking.total()} of {len(places)} images {what} ({by_class}); every image needs its group, or set "
            "group_from to '' if the patients are not known"
        )
    return groups
