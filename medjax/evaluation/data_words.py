"""What a run did with its images, in sentences; a subject of which its files say nothing is the empty text."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from medjax.counted import counted, listed
from medjax.evaluation.record import Record

_SPLITS = {"train": "training", "val": "validation", "calib": "calibration", "test": "testing"}
_KINDS = {
    "clean": "was drawn at random from all images, stratified by class",
    "official": "is the publisher's; what it lacks was drawn from its training images, stratified by class",
    "official_dedup": "keeps the publisher's test images; the other parts were drawn from its training images, "
    "stratified by class, without those that share a group with a test image",
    "file": "was taken from a file",
}
_FITS = {
    "squash": "resized (without keeping the ratio of the sides)",
    "crop": "cropped to a square and resized",
    "pad": "padded to a square and resized",
}
_AUGMENTATIONS = {
    "flip_horizontal": "horizontal flips",
    "flip_vertical": "vertical flips",
    "rotation": "turns by up to {:g} degrees",
    "zoom": "changes of scale by up to {:.3g} %",
    "shift": "shifts by up to {:.3g} % of the side",
    "shear": "shears by up to {:g} degrees",
    "crop": "random windows of at least {:.3g} % of the side",
    "brightness": "changes of brightness by up to {:.3g} % of the range",
    "contrast": "changes of contrast by up to {:.3g} %",
    "gamma": "changes of gamma by up to {:.3g} %",
    "noise": "Gaussian noise of up to {:.3g} % of the range",
    "cutout": "black squares of {:.3g} % of the side",
    "mixup": "mixup (α {:g})",
    "cutmix": "CutMix (α {:g})",
}
_NO_PERCENT = ("rotation", "shear", "mixup", "cutmix")


def data(record: Record) -> str:
    """Name the dataset and its classes."""
    classes = record.evaluation["classes"]
    kind = "synthetic images (DEMO: not a result)" if record.demo else "images"
    named = f"the dataset {record.evaluation['dataset']}" if record.evaluation.get("dataset") else "an unnamed dataset"
    return f"We used the {kind} of {named}, in {counted(len(classes), 'class', 'classes')}: {listed(classes)}."


def inclusion(record: Record) -> str:
    """Count the images from the source to the experiment."""
    flow = record.audit.get("flow")
    if not flow:
        return ""
    steps = list(flow.values())
    lost = [before - after for before, after in itertools.pairwise(steps)]
    removed = min(len(record.splits.get("removed", [])), lost[-1])
    reasons = ("not readable", "no image of the dataset", "without a label", "in no split")
    parts = [f"{number:,} {reason}" for number, reason in zip([*lost[:-1], lost[-1] - removed], reasons, strict=True)
             if number]  # fmt: skip
    if removed:
        parts.append(f"{removed:,} that share a group with an image that is judged")
    if not parts:
        return f"All {counted(flow['found'], 'image')} of the source {'was' if flow['found'] == 1 else 'were'} used."
    lead = f"The source held {counted(flow['found'], 'image')}. Left out were {listed(parts)}"
    return f"{lead}; {flow['used']:,} were used."


def partition(record: Record) -> str:
    """Say how the images were divided, what was kept together, and how many each part holds."""
    how = record.splits.get("how", {})
    sizes = [f"{len(ids):,} for {_SPLITS.get(name, name)}" for name, ids in record.splits.get("splits", {}).items()]
    unit = f"Unit of the split: {record.evaluation['unit_of_split']}."
    if record.config.get("folds", 0) and record.config.get("fold", -1) < 0:
        return f"Every image was predicted once, in cross-validation with {record.config['folds']} folds. {unit}"
    if not sizes:
        return unit
    kind = _KINDS.get(how.get("kind", ""), f"is of the kind {how.get('kind')!r}")
    seed = f" (seed {how['seed']})" if "seed" in how else ""
    return f"The split {kind}{seed}: {listed(sizes)}. {unit}"


def copies(record: Record) -> str:
    """Say what the search for copies found, and whether any crosses the split."""
    if not record.audit or record.splits.get("how", {}).get("near_copies") is False:
        return "Copies among the images were not searched for." if record.audit else ""
    found = record.audit["copies"]
    crossing = sum(pair["groups"] for pair in found["across_splits"])
    across = f"{counted(crossing, 'group')} of copies lie in two parts of the split" if crossing else (
        "no group of copies lies in two parts of the split")  # fmt: skip
    return (
        f"A search of all images for copies, exact and near (turned, mirrored, resized, compressed, or of other "
        f"brightness or contrast), found {found['overall']['exact_images']:,} with an exact copy and "
        f"{found['overall']['near_images']:,} with a near one; {across}."
    )


def preprocessing(record: Record) -> str:
    """Say how an image becomes the network's input."""
    made = record.preprocessing
    if not made:
        return ""
    size, origin = made["image_size"], record.config.get("normalization")
    whence = {"train": " of the training images", "imagenet": " of ImageNet"}.get(str(origin), "")
    text = (
        f"Images were {_FITS.get(made['fit'], made['fit'])} to {size} × {size} pixels, "
        f"{counted(made['channels'], 'channel')}, and normalised by the mean ({_numbers(made['mean'])}) and standard "
        f"deviation ({_numbers(made['std'])}){whence}."
    )
    columns = made.get("input_columns") or {}
    return f"{text} Besides the image the network is told: {listed(list(columns))}." if columns else text


def augmentation(record: Record) -> str:
    """List what may happen to a training image."""
    chosen = record.config.get("augment")
    if chosen is None:
        return ""
    off = {"crop": 1.0}
    used = {name: chosen[name] for name in _AUGMENTATIONS if chosen.get(name, 0.0) != off.get(name, 0.0)}
    parts = [_AUGMENTATIONS[name].format(value if name in _NO_PERCENT else 100 * value) for name, value in used.items()]
    return f"Training images were augmented at random: {listed(parts)}." if parts else "No augmentation was used."


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
