"""image_folder: a user's own images, in one folder a class, with or without split folders above them."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from medjax.counted import counted
from medjax.datasets.class_order import order_classes
from medjax.datasets.description import Dataset, Example, Split, by_split
from medjax.datasets.folder_layout import Layout, Place, find_layout
from medjax.datasets.grouping import find_groups
from medjax.datasets.naming import Naming
from medjax.datasets.pictures import Pictures, refuse_volumes
from medjax.datasets.source import Source
from medjax.errors import UserError

log = logging.getLogger("medjax")


def configure(
    source: Source | None,
    *,
    group_from: str = "",
    group_pattern: str = "",
    positive_class: str = "",
    ordered: Sequence[str] = (),
    ids: str = "hashed",
    intensity: str = "auto",
    window: Sequence[float] = (),
    frame: int = 0,
) -> Dataset:
    """Return the dataset as it is in `source`: root/class/image or root/{train,val,test}/class/image.

    Args:
      source: the opened folder or .zip.
      group_from: "" (unknown), "subfolder", "pattern" or "patient_id"; see grouping.py.
      group_pattern: of "pattern".
      positive_class: the class that is looked for; it becomes the last one.
      ordered: the classes as degrees, lowest first; () where they are none.
      ids: "hashed" gives pseudonyms to images and groups, "names" leaves file and folder names as they are.
      intensity: how values of DICOM become pixels; see dicom_images.py.
      window: center and width for DICOM; () for none.
      frame: of multi-frame DICOM, counted from 1; 0 names none.

    Raises:
      UserError: an option that is not allowed, or a folder laid out in another way: what was found is said.
    """
    if source is None:
        raise TypeError("image_folder needs a source")
    naming = Naming(ids)
    refuse_volumes(source, source.files)
    layout = find_layout(source)
    pictures = Pictures(source, [p.name for p in layout.places], intensity=intensity, window=window, frame=frame)
    places = [place for place in layout.places if pictures.has(place.name)]
    _check_classes(source, layout, places)
    if not group_from:
        _refuse_nesting(source, places)
    group_ids = _group_ids(places, pictures, naming, group_from, group_pattern)
    found = {place.class_name for place in places}
    class_names = order_classes(found, ordered=ordered, positive_class=positive_class)
    unused = len(source.files) - len(places)
    if unused:
        log.warning(
            "%s: %s left aside, which are no images or in no class folder", source.path, counted(unused, "file")
        )
    notes = {
        "group_from": group_from,
        "positive_class": positive_class,
        "unused_files": unused,
        **naming.notes,
        **pictures.notes,
    }
    return dataclasses.replace(
        DATASET,
        class_names=class_names,
        splits=functools.partial(_splits, places, class_names, group_ids, pictures, naming),
        notes=notes,
        ordered=bool(ordered),
    )


def _group_ids(
    places: Sequence[Place], pictures: Pictures, naming: Naming, group_from: str, group_pattern: str
) -> dict[str, str]:
    """Return the group id of each image by file name; what is left out as no image needs none."""
    images = [place for place in places if not pictures.left_out(place.name)]
    groups = find_groups(images, group_from=group_from, group_pattern=group_pattern, patient_id=pictures.patient_id)
    kind = "patient" if group_from == "patient_id" else "group"
    return {place.name: naming.group(group, kind) for place, group in zip(images, groups, strict=True)}


def _splits(
    places: Sequence[Place],
    class_names: Sequence[str],
    group_ids: Mapping[str, str],
    pictures: Pictures,
    naming: Naming,
    _: Source | None,
) -> Mapping[str, Split]:
    return by_split(
        places,
        lambda place: place.split or "train",
        lambda held: _examples(held, class_names, group_ids, pictures, naming),
    )


def _examples(
    places: Sequence[Place],
    class_names: Sequence[str],
    group_ids: Mapping[str, str],
    pictures: Pictures,
    naming: Naming,
) -> Iterator[Example]:
    label_of = {name: label for label, name in enumerate(class_names)}
    for place in places:
        label, group_id = label_of[place.class_name], group_ids.get(place.name, "")
        yield pictures.example(place.name, naming.image(place.path), label, group_id, {})


def _check_classes(source: Source, layout: Layout, places: Sequence[Place]) -> None:
    """Refuse class folders without an image, and classes that training would never see."""
    counts = Counter((place.split, place.class_name) for place in places)
    for split, name in layout.class_folders:
        if not counts[split, name]:
            files = sum((place.split, place.class_name) == (split, name) for place in layout.places)
            raise UserError(
                f"the class folder {f'{split}/{name}' if split else name!r} of {source.path} holds no image "
                f"({counted(files, 'other file')}); put its images back, or remove the folder"
            )
    classes: dict[str, set[str]] = {}
    for split, name in layout.class_folders:
        classes.setdefault(split, set()).add(name)
    for split, names in classes.items():
        extra = sorted(names - classes.get("train", names))
        if extra:
            raise UserError(
                f"{source.path}: the class {extra[0]!r} is in {split!r} and not in 'train', which holds "
                f"{', '.join(sorted(classes['train']))}; give every class the same name everywhere"
            )
        missing = sorted(classes.get("train", names) - names)
        if missing:
            log.warning("%s: no image of %s in %r", source.path, ", ".join(missing), split)


def _refuse_nesting(source: Source, places: Sequence[Place]) -> None:
    """Refuse folders below a class folder: they may be patients, or the classes may lie deeper."""
    nested = Counter(place.class_name for place in places if "/" in place.inner)
    if nested:
        name, count = nested.most_common(1)[0]
        raise UserError(
            f"the folder {name!r} of {source.path} is taken for a class, and {count} of its images lie in folders "
            "below it; if those are patients, set --config.data.options.group_from=subfolder, if they are the classes, "
            f"give the path of {name!r} or the folder in which each class has a folder of its own"
        )


DATASET = Dataset(
    name="image_folder",
    version="1.0.0",
    class_names=(),
    description="A folder of the user's own images, one folder a class.",
    homepage="",
    license="the user's own data",
    citation="",
    configure=configure,
    own=True,
)
