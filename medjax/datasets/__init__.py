"""Every dataset by name, and where its files are. A dataset imports in milliseconds; tfds only when one is built."""

from __future__ import annotations

import difflib
import os
import zipfile
from pathlib import Path

from medjax.datasets import brain_cancer_mri, phantom, rsna_lumbar
from medjax.datasets.description import Dataset
from medjax.errors import UserError

DATASETS: dict[str, Dataset] = {
    "brain_cancer_mri": brain_cancer_mri.DATASET,
    "phantom": phantom.DATASET,
    "rsna_lumbar": rsna_lumbar.DATASET,
}


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
      path: a folder or .zip that the user named; "" to search.
      data_dir: searched for <name>.zip, <name>/ and the archive as Kaggle names it.
      download: fetch with kagglehub what is not on disk.

    Returns:
      A folder or a .zip; None when nothing is on disk and no download is asked for, and for synthetic datasets.

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
    names = [name + ".zip", name]
    if dataset.kaggle:
        slug = dataset.kaggle.split("/")[1]
        names += [slug + ".zip", slug]
    for candidate in (data_dir / found for found in names):
        if candidate.is_file() or (candidate.is_dir() and any(candidate.iterdir())):
            return _checked(candidate, dataset)
    return _download(dataset) if download else None


def _checked(path: Path, dataset: Dataset) -> Path:
    """Return `path` if it is a folder or a .zip; whether the classes are in it is seen when it is opened."""
    advice = f"give the folder or the .zip of {dataset.homepage}"
    if not os.path.exists(path):  # unlike path.exists(), False below a folder that may not be read
        raise UserError(f"no such file or folder: {path}; {advice}, or leave the path empty")
    if path.is_file() and not zipfile.is_zipfile(path):
        raise UserError(f"{path} is a file but not a complete .zip; {advice}")
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
