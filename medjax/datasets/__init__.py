"""Every dataset by name, and where its files are. A dataset imports in milliseconds; tfds only when one is built."""

from __future__ import annotations

import difflib
import os
import zipfile
from pathlib import Path

from medjax.datasets import (
    brain_cancer_mri,
    brain_tumor_mri,
    cifar10,
    image_folder,
    image_table,
    medical_mnist,
    mnist,
    phantom,
    rsna_lumbar,
)
from medjax.datasets.description import Dataset
from medjax.errors import UserError

_MODULES = (
    brain_cancer_mri,
    brain_tumor_mri,
    cifar10,
    image_folder,
    image_table,
    medical_mnist,
    mnist,
    phantom,
    rsna_lumbar,
)
DATASETS: dict[str, Dataset] = {module.DATASET.name: module.DATASET for module in _MODULES}


def find_dataset(name: str) -> Dataset:
    """Return the dataset called `name`; UserError naming the known ones for any other."""
    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "choose one of them"
        raise UserError(f"unknown dataset {name!r}; known are {', '.join(sorted(DATASETS))}; {hint}")
    return DATASETS[name]


def find_source(name: str, *, path: str = "", data_dir: Path = Path("data"), download: bool = False) -> Path | None:
    """Find the files of a dataset, in this order: `path`, `data_dir`, a download from Kaggle.

    Args:
      name: a key of DATASETS.
      path: a folder, .zip or manifest that the user named; "" to search.
      data_dir: searched for <name>.zip, <name>/ and the archive as Kaggle names it.
      download: fetch with kagglehub what is not on disk.

    Returns:
      A folder, .zip or manifest, for open_source; None when nothing is on disk and no download is asked for, for
      synthetic datasets, and for the user's own images when no path is given: nobody else knows where those are.

    Raises:
      UserError: `path` is given and wrong, or the download is impossible.
    """
    dataset = find_dataset(name)
    if dataset.synthetic:
        if path:
            raise UserError(f"dataset {name!r} is made by the program and reads no files; drop the path {path!r}")
        return None
    if path:
        return _checked(Path(path).expanduser(), dataset)
    if dataset.own:
        return None
    names = [name + ".zip", name]
    if dataset.kaggle:
        slug = dataset.kaggle.split("/")[1]
        names += [slug + ".zip", slug]
    for candidate in (data_dir / found for found in names):
        if candidate.is_file() or (candidate.is_dir() and any(candidate.iterdir())):
            return _checked(candidate, dataset)
    return _download(dataset) if download else None


def how_to_get(dataset: Dataset) -> str:
    """Say in one line that the files of a dataset are wanted, and where they come from."""
    if dataset.own:
        kinds = ", ".join(["the folder or .zip", *dataset.manifests])
        return f"{dataset.name} reads your own images: give {kinds} with --config.data.path=PATH"
    return (
        f"{dataset.name} is not on disk: get it from {dataset.homepage} (see data/README.md), save it as "
        f"data/{dataset.name}.zip or data/{dataset.name}/, or give its place with --config.data.path=FOLDER_OR_ZIP"
    )


def _checked(path: Path, dataset: Dataset) -> Path:
    """Return `path` if it is a folder, a .zip or a manifest; what is in it is seen when it is opened."""
    kinds = ", ".join(["the folder or the .zip", *dataset.manifests])
    advice = f"give {kinds} of {'your images' if dataset.own else dataset.homepage}"
    if not os.path.exists(path):  # unlike path.exists(), False below a folder that may not be read
        raise UserError(
            f"no such file or folder: {path}; {advice}" + ("" if dataset.own else ", or leave the path empty")
        )
    if path.is_file() and path.suffix.lower() in dataset.manifests:
        return path
    if path.is_file() and not zipfile.is_zipfile(path):
        unpack = "unpack it first, or " if ".tar" in path.name or path.suffix in (".tgz", ".7z", ".rar") else ""
        raise UserError(f"{path} is a file but not a complete .zip; {unpack}{advice}")
    return path


def _download(dataset: Dataset) -> Path:
    """Fetch a dataset with kagglehub, which keeps what it fetched before."""
    if not dataset.kaggle:
        raise UserError(f"no download is known for {dataset.name!r}; get it from {dataset.homepage} and give its path")
    try:
        import kagglehub
    except ImportError as error:
        raise UserError(
            "download asked for, but kagglehub is not installed; run `pip install kagglehub`, or download "
            f"{dataset.homepage} yourself and give the path of the .zip"
        ) from error
    try:
        return Path(kagglehub.dataset_download(dataset.kaggle))
    except Exception as error:  # network, credentials, licence: kagglehub has no common base class for them
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"cannot download {dataset.kaggle} with kagglehub ({reason}); check the network and the Kaggle key, or "
            f"download {dataset.homepage} yourself and give the path of the .zip"
        ) from error
