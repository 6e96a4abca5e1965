"""Image files that a user names, decoded as the images that a run was trained on were."""

from __future__ import annotations

import collections
import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from medjax.counted import counted
from medjax.datasets.class_folders import as_text
from medjax.datasets.description import Example
from medjax.datasets.pictures import VOLUMES, Pictures
from medjax.datasets.source import FolderSource
from medjax.errors import UserError
from medjax.inference.finished_run import FinishedRun
from medjax.pipeline import decode
from medjax.terminal import log

_AHEAD = 16  # files decoded before they are asked for
_VOLUME = "NIfTI, a volume; save the slices to use as PNG or TIFF"


def read_images(paths: Sequence[str], run: FinishedRun) -> ImageFiles:
    """Find the images among some paths; they are read when one iterates over the result.

    Args:
      paths: files (PNG, JPEG, BMP, TIFF, or DICOM under any name), and folders, of which every image below is taken.
      run: whose preprocessing is used: size, fit, channels, depth, and the intensity policy of its DICOM.

    Raises:
      UserError: a path that is not there, no image, or a run that reads something else than whole pictures.
    """
    return ImageFiles(paths, run)


class ImageFiles:
    """Iterate for (name, image) or (name, why there is none), in order; len() tells how many there will be.

    An image is uint8 or uint16 [H, W, C], of the size and type that the run was trained on. A file that cannot be used
    stops nothing. A few files are decoded ahead, so any number of them needs little memory.

    Attributes:
      names: as the user gave them; of files in a folder, with its path before theirs. They may identify a patient.
    """

    def __init__(self, paths: Sequence[str], run: FinishedRun):
        notes = run.notes
        if "crop" in notes:
            raise UserError(
                f"{run.workdir} was trained on crops that its dataset cuts out ({notes['crop']}), not on whole "
                "pictures: judge its own test split instead."
            )
        source = _GivenFiles(paths)
        readable = [name for name in source.files if not name.lower().endswith(VOLUMES)]
        self._pictures = Pictures(source, readable, **intensity_options(notes))
        self._modalities = set(notes.get("dicom", {}).get("modalities", ()))
        self._files = [name for name in source.files if name in source.given or self._is_image(name)]
        self.names = tuple(map(as_text, self._files))
        self._announce(paths, left=len(source.files) - len(self._files))
        kept = run.preprocessing
        self._decode = functools.partial(
            decode.decode,
            size=kept["image_size"],
            channels=kept["channels"],
            fit=kept["fit"],
            dtype=np.dtype(kept["dtype"]).type,
        )

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray | str]]:
        waiting: collections.deque[tuple[str, Future[np.ndarray | str]]] = collections.deque()
        with ThreadPoolExecutor() as pool:
            for file, name in zip(self._files, self.names, strict=True):
                # Read here, in one thread: the slices of a series share what is found out about it.
                waiting.append((name, pool.submit(self._image, self._read(file))))
                if len(waiting) > _AHEAD:
                    first, image = waiting.popleft()
                    yield first, image.result()
            for name, image in waiting:
                yield name, image.result()

    def _is_image(self, file: str) -> bool:
        return self._pictures.has(file) or file.lower().endswith(VOLUMES)

    def _announce(self, paths: Sequence[str], left: int) -> None:
        if not self.names:
            raise UserError(f"no image in {', '.join(paths)}: give files or folders of PNG, JPEG, BMP, TIFF or DICOM.")
        if left:
            log.warning(f"{counted(left, 'file')} left aside, which are no images")
        if self._pictures.notes and not self._modalities:
            log.warning("the run was trained on pictures, not on DICOM: that the grey values agree is not known")

    def _read(self, file: str) -> Example | str:
        """Return the file's bytes as an example, or why they cannot be used."""
        if file.lower().endswith(VOLUMES):
            return _VOLUME
        example = self._pictures.example(file, file, -1, "", {})
        modality = example.columns.get("source_modality", "")
        grey = modality and example.columns["source_intensity"] != "colour"
        if grey and self._modalities and modality not in self._modalities:
            return f"DICOM of modality {modality}; the run was trained on {', '.join(sorted(self._modalities))}"
        return example.left_out or example.read_error or example

    def _image(self, example: Example | str) -> np.ndarray | str:
        if isinstance(example, str):
            return example
        try:
            return self._decode(example.image)
        except decode.BadImageError as error:
            return str(error)


class _GivenFiles(FolderSource):
    """Files and what is in folders, under the names that the user gave; see FolderSource.

    Attributes:
      given: names of the files that were named themselves.
    """

    def __init__(self, paths: Sequence[str]):
        self.path = self._root = Path()
        missing = [path for path in paths if not os.path.exists(path)]
        if missing:
            raise UserError(f"no such file or folder: {missing[0]}; give images, or folders of them.")
        folders = {path: FolderSource(Path(path)).files for path in paths if os.path.isdir(path)}
        self.given = frozenset(os.path.normpath(path) for path in paths if path not in folders)
        names = [os.path.join(path, name) for path in paths for name in folders.get(path, [""])]
        self.files = tuple(dict.fromkeys(os.path.normpath(name) for name in names))


def intensity_options(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `Pictures` that show DICOM as a run's training images were shown.

    Args:
      notes: of the run's table, as its audit.json holds them; without DICOM in it, the policy follows the modality.
    """
    dicom = notes.get("dicom", {})
    return {
        "intensity": dicom.get("intensity", "auto"),
        "window": tuple(dicom.get("window", ())),
        "frame": dicom.get("frame", 0),
    }
