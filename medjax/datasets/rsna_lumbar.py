"""RSNA 2024 lumbar spine: one example a study, level and condition, cropped around the coordinate the readers gave.

The coordinates of the training tables are part of the answer, so what is measured on such crops is not what the
challenge's leaderboard measures. Every table says so in its notes.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medjax.datasets import rsna_tables
from medjax.datasets.description import Dataset, Example, Split
from medjax.datasets.dicom_header import Header
from medjax.datasets.intensity_policy import PERCENTILES
from medjax.datasets.rsna_tables import SEVERITIES, Target
from medjax.datasets.slice_stacks import SliceStack
from medjax.datasets.source import ReadError, Source
from medjax.errors import UserError
from medjax.pipeline.decode import to_npy

log = logging.getLogger("medjax")

_NO_COORDINATE = "no coordinate"
_IMAGES = "train_images"

Files = Mapping[tuple[str, str], Mapping[int, str]]  # (study, series) -> instance number -> name


@dataclasses.dataclass(frozen=True)
class _Crops:
    """How the crops are made: see `configure`."""

    mm: float
    pixels: int
    slices: int
    imager_spacing: bool


def configure(
    source: Source | None,
    *,
    crop_mm: float = 64.0,
    crop_pixels: int = 96,
    slices: int = 3,
    conditions: Sequence[str] = tuple(rsna_tables.CONDITIONS),
    imager_spacing: bool = False,
) -> Dataset:
    """Return the dataset of the crops that are asked for; no image is read yet.

    Args:
      source: train.csv, train_label_coordinates.csv and train_images/<study>/<series>/<instance>.dcm, at any depth.
      crop_mm: side of a crop, mm in the patient.
      crop_pixels: side of a crop as it is kept, pixels.
      slices: neighbouring slices of a crop, its channels; odd.
      conditions: some of rsna_tables.CONDITIONS.
      imager_spacing: take the detector's spacing where a file has no PixelSpacing.

    Raises:
      UserError: an option or a table that cannot be.
    """
    if source is None:
        raise TypeError("rsna_lumbar needs a source")
    _check(crop_mm, crop_pixels, slices, conditions)
    if not isinstance(imager_spacing, bool):
        raise UserError(f"imager_spacing is {imager_spacing!r}; give True or False")
    root = rsna_tables.find_root(source)
    targets = [target for target in rsna_tables.read_targets(source, root) if target.condition in conditions]
    if not targets:
        raise UserError(f"{root}{rsna_tables.LABELS_FILE} holds no study; use the table of the challenge as it is")
    crops = _Crops(float(crop_mm), crop_pixels, slices, imager_spacing)
    splits = functools.partial(_splits, root=root, targets=targets, crops=crops)
    return dataclasses.replace(DATASET, splits=splits, notes=_notes(targets, crops, conditions))


def _unconfigured(source: Source | None) -> Mapping[str, Split]:
    return configure(source).splits(source)


def _splits(source: Source | None, *, root: str, targets: Sequence[Target], crops: _Crops) -> Mapping[str, Split]:
    if source is None:
        raise TypeError("rsna_lumbar needs a source")
    files = _files(source, f"{root}{_IMAGES}/")
    if not files:
        raise UserError(
            f"{source.path} holds no {root}{_IMAGES}/<study>/<series>/<instance>.dcm; put the challenge's images "
            f"beside {rsna_tables.LABELS_FILE}"
        )
    return {"train": Split(len(targets), _examples(source, files, targets, crops))}


def _files(source: Source, prefix: str) -> Files:
    """Return the slices of every series. What they are is told by their content; their names are their numbers."""
    found: dict[tuple[str, str], dict[int, str]] = collections.defaultdict(dict)
    for name in source.files:
        parts = name.removeprefix(prefix).split("/")
        number = parts[-1].split(".")[0]
        if name.startswith(prefix) and len(parts) == 3 and number.isascii() and number.isdigit():
            other = found[parts[0], parts[1]].setdefault(int(number), name)
            if other != name:
                raise UserError(f"{other} and {name} are the same slice twice; remove one")
    return found


def _examples(source: Source, files: Files, targets: Sequence[Target], crops: _Crops) -> Iterator[Example]:
    """Yield the targets study by study, those of one series together, so that it is read once."""
    unreadable: dict[str, int] = {}
    for _, of_study in itertools.groupby(targets, key=lambda target: target.study):
        by_series = sorted(of_study, key=lambda target: target.place.series if target.place else "")
        for series, of_series in itertools.groupby(by_series, key=lambda t: t.place.series if t.place else ""):
            if series:
                yield from _series_examples(source, files, list(of_series), crops, unreadable)
            else:
                for target in of_series:
                    yield _example(target, left_out=_NO_COORDINATE)
    if unreadable:
        log.warning(
            "%d slices of %d series cannot be read and are passed over as neighbours; targets in them are errors",
            *(sum(unreadable.values()), len(unreadable)),
        )


def _series_examples(
    source: Source, files: Files, targets: Sequence[Target], crops: _Crops, unreadable: dict[str, int]
) -> Iterator[Example]:
    assert targets[0].place is not None
    study, series = targets[0].study, targets[0].place.series
    of_series = files.get((study, series), {})
    stack = SliceStack(source, of_series, imager_spacing=crops.imager_spacing)
    if stack.unreadable:
        unreadable[series] = len(stack.unreadable)
    for target in targets:
        assert target.place is not None
        instance = target.place.instance
        columns = _facts(stack.headers.get(instance))
        try:
            image = _image(stack, target, crops)
        except ReadError as error:
            name = of_series.get(instance, f"{study}/{series}/{instance}.dcm")
            yield _example(target, columns=columns, read_error=f"{name}: {error}")
        else:
            yield _example(target, columns=columns, image=image)


def _image(stack: SliceStack, target: Target, crops: _Crops) -> bytes:
    assert target.place is not None
    crop = stack.crop(
        target.place.instance,
        target.place.x,
        target.place.y,
        mm=crops.mm,
        pixels=crops.pixels,
        slices=crops.slices,
        mirrored=target.side == "right",
    )
    return to_npy(crop)


def _example(target: Target, *, columns: Mapping[str, Any] | None = None, image: bytes = b"", **why: str) -> Example:
    about = {"condition": target.condition, "level": target.level, "side": target.side}
    return Example(
        image_id=f"{target.study}/{target.column}",
        image=image,
        label=target.label,
        group_id=target.study,
        columns={**about, **(columns or _facts(None))},
        **why,
    )


def _facts(header: Header | None) -> dict[str, Any]:
    """Return what the audit compares between classes; the same keys, empty, where no slice was read."""
    return {
        "source_modality": header.modality if header else "",
        "source_manufacturer": header.manufacturer if header else "",
        "source_spacing": "\\".join(f"{mm:.4g}" for mm in header.spacing or ()) if header else "",
        "source_intensity": "percentiles" if header else "",
    }


def _notes(targets: Sequence[Target], crops: _Crops, conditions: Sequence[str]) -> dict[str, Any]:
    return {
        "results": "oracle crops, not comparable with the leaderboard",
        "intensity": "percentiles",
        "intensity_policy": "from the {} to the {} percentile of each series, 8 bits".format(*PERCENTILES),
        "crop": f"{crops.mm:g} mm around the given coordinate, {crops.slices} slices of {crops.pixels} pixels",
        "mirrored": "right-sided targets, along the stack's axis nearest to the patient's left and right",
        "conditions": list(conditions),
        "predicted_by_prior": _NO_COORDINATE,
        "targets": len(targets),
        "targets_without_coordinate": sum(target.place is None for target in targets),
        "targets_without_label": sum(target.label < 0 for target in targets),
    }


def _check(crop_mm: Any, crop_pixels: Any, slices: Any, conditions: Any) -> None:
    if not _is(crop_mm, int | float) or not 1 <= crop_mm <= 1000:
        raise UserError(f"crop_mm is {crop_mm!r}; give the side of a crop, 1 to 1000 mm")
    if not _is(crop_pixels, int) or not 8 <= crop_pixels <= 1024:
        raise UserError(f"crop_pixels is {crop_pixels!r}; give the side of a crop, 8 to 1024 pixels")
    if not _is(slices, int) or not 1 <= slices <= 63 or slices % 2 == 0:
        raise UserError(
            f"slices is {slices!r}; give an odd number from 1 to 63, the middle one is that of the coordinate"
        )
    allowed = ", ".join(rsna_tables.CONDITIONS)
    listed = isinstance(conditions, list | tuple) and len(conditions) > 0
    if not listed or any(condition not in rsna_tables.CONDITIONS for condition in conditions):
        raise UserError(f"conditions is {conditions!r}; give a list of some of {allowed}")


def _is(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


DATASET = Dataset(
    name="rsna_lumbar",
    version="1.0.0",
    class_names=SEVERITIES,
    description=(
        "Lumbar spine MRI of the RSNA 2024 challenge, 1,975 studies: five levels, spinal canal stenosis, left and "
        "right neural foraminal narrowing and subarticular stenosis, each graded in three degrees. Crops around the "
        "given coordinates."
    ),
    homepage="https://www.kaggle.com/competitions/rsna-2024-lumbar-spine-degenerative-classification",
    license="the competition's rules: non-commercial and academic use; read them before you use the data",
    citation=(
        "@misc{rsna2024lumbar, author={Richards, Tyler and Talbott, Jason and Ball, Robyn and others}, "
        "title={RSNA 2024 Lumbar Spine Degenerative Classification}, year={2024}, publisher={Kaggle}}"
    ),
    splits=_unconfigured,
    configure=configure,
    ordered=True,
)
