"""What images and groups of a user's own files are called in tables, predictions and reports."""

from __future__ import annotations

import functools
from typing import Any

from medjax.datasets.class_folders import as_text
from medjax.datasets.pseudonyms import Pseudonyms, load_key
from medjax.errors import UserError

IDS = ("hashed", "names")


class Naming:
    """Gives ids: "hashed" are pseudonyms, "names" the names of files and groups as they are."""

    def __init__(self, ids: str):
        if ids not in IDS:
            raise UserError(
                f"ids is {ids!r}; choose 'hashed' (pseudonyms) or 'names' (file and folder names go into every table "
                "and report: only where they say nothing of a person)"
            )
        self._ids = ids

    def image(self, path: str) -> str:
        """Return the id of an image by its path below the root."""
        return self._pseudonyms.of("image", path) if self._ids == "hashed" else as_text(path)

    def group(self, text: str, kind: str = "group") -> str:
        """Return the id of a group, "" of ""; of kind "patient", a PatientID, it is a pseudonym in any case."""
        if self._ids == "hashed" or kind == "patient":
            return self._pseudonyms.of(kind, text) if text else ""
        return as_text(text)

    @property
    def notes(self) -> dict[str, Any]:
        """What decides the ids, for the table: with another key it is another table."""
        used = self._ids == "hashed" or "_pseudonyms" in self.__dict__
        return {"ids": self._ids, "key": self._pseudonyms.fingerprint if used else ""}

    @functools.cached_property
    def _pseudonyms(self) -> Pseudonyms:
        return Pseudonyms(load_key())
