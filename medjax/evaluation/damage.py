"""Files of a run that were changed by hand: one line, where what they hold is of another type or lacks a part."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterator
from pathlib import Path

from medjax.errors import UserError

_KINDS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@contextlib.contextmanager
def damage_as_error(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what goes wrong with the content of a run's files into a UserError.

    A mistake of the program would look the same, so the line holds the exception and its place, and claims nothing.
    """
    try:
        yield
    except UserError:
        raise
    except _KINDS as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(
            f"{folder}: evaluation.json, or another file there, cannot be used ({type(error).__name__}: {error}; "
            f"{Path(place.filename).name}, line {place.lineno}). Was it changed by hand? Restore it, or give the run's "
            "training command again."
        ) from error
