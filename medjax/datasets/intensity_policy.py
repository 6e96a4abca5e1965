"""Which way grey values become brightness: one for a whole dataset, chosen by its modalities or named by the user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medjax.datasets.intensity import Window
from medjax.datasets.source import ReadError
from medjax.errors import UserError

POLICIES = ("window", "percentiles", "voi")
PERCENTILES = (0.5, 99.5)
DEFAULT_WINDOW = (40.0, 400.0)  # centre and width in Hounsfield units: soft tissue
_BY_MODALITY = {"CT": "window", "MR": "percentiles", "PT": "percentiles", "NM": "percentiles"}  # "voi" for all others


def choose_policy(modalities: Mapping[str, int], intensity: str, window: tuple[float, float] | None) -> str:
    """Return one of POLICIES for a whole dataset.

    Args:
      modalities: how many grey pictures there are of each.
      intensity: "auto" or one of POLICIES.
      window: as the user gave it.

    Raises:
      UserError: "auto" for modalities of several policies; a window for a policy without one.
    """
    kinds = {_BY_MODALITY.get(modality, "voi") for modality in modalities}
    found = ", ".join(f"{modality or 'unknown'} ({count})" for modality, count in sorted(modalities.items()))
    if intensity == "auto" and len(kinds) > 1:
        raise UserError(
            f"the DICOM files are of several modalities, {found}, whose grey values no one policy fits; give the "
            "files of one modality at a time (a training may also name one policy for all: "
            f"--config.data.options.intensity={', '.join(POLICIES[:-1])} or {POLICIES[-1]})"
        )
    policy = intensity if intensity != "auto" else kinds.pop() if kinds else "voi"
    if window is not None and policy != "window" and modalities:
        raise UserError(
            f"a window is given, but the intensity policy is {policy!r} (the files are {found}); "
            "drop the window, or set intensity = 'window'"
        )
    return policy


def choose_window(modalities: Mapping[str, int], window: tuple[float, float] | None) -> Window:
    """Return the window of the policy "window"; UserError where none is given and the pictures are no CT."""
    if window is None and set(modalities) - {"CT"}:
        raise UserError(
            "intensity 'window' needs a window = (centre, width) for pictures that are no CT; give one, or choose "
            "'percentiles' or 'voi'"
        )
    center, width = window or DEFAULT_WINDOW
    return Window(float(center), float(width))


def check_options(intensity: str, window: Any, frame: Any) -> None:
    """Refuse impossible options with a UserError."""
    if intensity not in ("auto", *POLICIES):
        raise UserError(f"intensity is {intensity!r}; choose one of auto, {', '.join(POLICIES)}")
    if frame is not None and (not isinstance(frame, int) or isinstance(frame, bool) or frame < 1):
        raise UserError(f"frame is {frame!r}; give the number of a frame, the first is 1")
    if window is None:
        return
    try:
        center, width = window
        Window(float(center), float(width))
    except (TypeError, ValueError, ReadError) as error:
        raise UserError(f"window is {window!r}; give (centre, width), the width at least 1") from error
