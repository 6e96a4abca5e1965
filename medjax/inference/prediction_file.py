"""What a run, or an ensemble, says of a user's images: a CSV that grows row by row."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path

import numpy as np

from medjax.counted import counted
from medjax.errors import UserError
from medjax.evaluation.ensemble import calibration_of
from medjax.evaluation.fitted import Calibration
from medjax.evaluation.predictions import csv_line
from medjax.inference.files import ImageFiles, read_images
from medjax.inference.finished_run import FinishedRun, open_finished_run
from medjax.inference.predictor import Predictor
from medjax.pipeline.progress import progress
from medjax.pipeline.storage import disk_errors
from medjax.preemption import Stopped
from medjax.terminal import log, mark_demo

SHOWN = 10  # answers that are kept for the terminal
_DEMO = "DEMO: trained on synthetic images"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What is said of one image.

    Attributes:
      name: of the file, as the user gave it.
      probabilities: K, after temperature; () where there is no image.
      predicted: the likeliest class; "" where there is no image.
      classes: of the conformal set; None without sets.
      reason: why there is no image, "" where there is one.
    """

    name: str
    probabilities: tuple[float, ...] = ()
    predicted: str = ""
    classes: tuple[str, ...] | None = None
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Summary:
    """What predicting came to.

    Attributes:
      class_names: K.
      demo: the run was trained on synthetic images.
      first: the first answers.
      counts: images by predicted class; "" are those that could not be used.
    """

    class_names: tuple[str, ...]
    demo: bool
    first: list[Answer] = dataclasses.field(default_factory=list)
    counts: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, answer: Answer) -> None:
        """Count an answer."""
        self.first.extend([answer] if len(self.first) < SHOWN else [])
        self.counts[answer.predicted] += 1


def predict_files(paths: Sequence[str], workdirs: Sequence[Path], output: Path, *, overwrite: bool) -> Summary:
    """Predict image files: one row each, in order, written batch by batch; an interrupted file holds whole rows,
    and so does one that the disk had no more space for.

    Columns: image_id (the file's name as it was given, which may identify a patient), predicted, prob_<class> for every
    class, set (classes of the adaptive conformal set with "|" between them, empty where the run has none), reason (why
    there is no prediction), and for a run on synthetic images demo.

    Args:
      paths: files and folders; see files.py.
      workdirs: one finished run, or the members of an ensemble.
      output: CSV.
      overwrite: replace it where it is there.

    Raises:
      UserError: a run, a path or the output is wrong.
    """
    if output.exists() and not overwrite:
        raise UserError(f"{output} is there already: give another --output=FILE.csv, or --overwrite.")
    runs = [open_finished_run(workdir) for workdir in workdirs]
    calibration = calibration_of(workdirs)
    mark_demo(runs[0].synthetic)
    check_columns(runs)
    images = read_images(paths, runs[0])
    _announce(calibration)
    summary = Summary(runs[0].class_names, runs[0].synthetic)
    with disk_errors(output), open(output, "wb", buffering=0) as file:
        _append(file, _header(summary))
        try:
            for answers in _answers(images, runs, calibration):
                _append(file, "".join(csv_line(_cells(answer, summary)) for answer in answers).encode())
                for answer in answers:
                    summary.add(answer)
        except (KeyboardInterrupt, Stopped, OSError):
            log.warning(
                f"{output} holds the first {counted(summary.counts.total(), 'image')} of {len(images):,}; --overwrite "
                "begins it again"
            )
            raise
    return summary


def _append(file: FileIO, rows: bytes) -> None:
    """Write rows, all or none: of what it is given, a disk that fills up takes a part without an error."""
    written = 0
    try:
        while written < len(rows):
            written += file.write(rows[written:])
    except OSError:
        with contextlib.suppress(OSError):  # no file, but a pipe
            file.truncate(file.tell() - written)
        raise


def check_columns(runs: Sequence[FinishedRun]) -> None:
    """Raise UserError where a run needs more than a file holds."""
    for run in runs:
        columns = run.preprocessing["input_columns"]
        if columns:
            raise UserError(
                f"{run.workdir} is told {', '.join(columns)} besides each image, which a file does not hold: list the "
                "images in a table and use python -m medjax.evaluate --workdir=RUN --data=TABLE.csv."
            )


def _announce(calibration: Calibration | None) -> None:
    if calibration is None:
        log.warning("no calibration split: probabilities are the network's own, and there are no conformal sets")
    elif calibration.conformal.refusal:
        log.warning(calibration.conformal.refusal)


def _answers(
    images: ImageFiles, runs: Sequence[FinishedRun], calibration: Calibration | None
) -> Iterator[list[Answer]]:
    """Yield the answers of a batch of files at a time."""
    predictor = Predictor(runs)
    with progress("Predicting", len(images), show=True) as update:
        for part in _parts(images, predictor.batch_size):
            yield _answer(part, predictor, calibration, runs[0].class_names)
            update(len(part))


def _parts(images: ImageFiles, size: int) -> Iterator[list[tuple[str, np.ndarray | str]]]:
    part: list[tuple[str, np.ndarray | str]] = []
    for pair in images:
        part.append(pair)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def _answer(
    part: Sequence[tuple[str, np.ndarray | str]],
    predictor: Predictor,
    calibration: Calibration | None,
    class_names: tuple[str, ...],
) -> list[Answer]:
    pixels = [image for _, image in part if not isinstance(image, str)]
    raw = predictor(pixels) if pixels else np.zeros((0, len(class_names)))
    probabilities = calibration.probabilities(raw) if calibration else raw
    sets = calibration.sets(raw) if calibration else None
    answers, row = [], 0
    for name, image in part:
        if isinstance(image, str):
            answers.append(Answer(name, reason=image))
            continue
        predicted = class_names[int(raw[row].argmax())]
        held = None if sets is None else tuple(c for c, inside in zip(class_names, sets[row], strict=True) if inside)
        answers.append(Answer(name, tuple(probabilities[row].tolist()), predicted, held))
        row += 1
    return answers


def _header(summary: Summary) -> bytes:
    names = [f"prob_{name}" for name in summary.class_names]
    return csv_line(["image_id", "predicted", *names, "set", "reason", *["demo"] * summary.demo]).encode()


def _cells(answer: Answer, summary: Summary) -> list[str]:
    numbers = [repr(p) for p in answer.probabilities] or [""] * len(summary.class_names)
    held = "|".join(answer.classes or ())
    return [answer.name, answer.predicted, *numbers, held, answer.reason, *[_DEMO] * summary.demo]
