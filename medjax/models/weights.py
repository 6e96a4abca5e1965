"""Finds pretrained weights by path, in a cache folder or at torchvision's public address, and reads them."""

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
from tqdm import tqdm

from medjax.errors import UserError
from medjax.models import pth, safetensors
from medjax.models.filetype import HEAD_BYTES, SAFETENSORS, sniff

BASE_URL = "https://download.pytorch.org/models"
# torchvision/models/resnet.py; the hexadecimal digits begin the file's SHA-256.
FILES = {
    "resnet18": {"IMAGENET1K_V1": "resnet18-f37072fd.pth"},
    "resnet34": {"IMAGENET1K_V1": "resnet34-b627a593.pth"},
    "resnet50": {"IMAGENET1K_V1": "resnet50-0676ba61.pth", "IMAGENET1K_V2": "resnet50-11ad3fa6.pth"},
    "resnet101": {"IMAGENET1K_V1": "resnet101-63fe2227.pth", "IMAGENET1K_V2": "resnet101-cd907fc2.pth"},
    "resnet152": {"IMAGENET1K_V1": "resnet152-394f9c45.pth", "IMAGENET1K_V2": "resnet152-f82ba261.pth"},
}
FILES["resnet_classifier"] = FILES["resnet50"]
VERSIONS = ("IMAGENET1K_V1", "IMAGENET1K_V2")

_TIMEOUT_SECONDS = 30
_CHUNK = 2**20  # bytes
_WAY_OUT = "give a file with --config.weights=PATH or train from scratch with --config.weights=none"


def find_weights(
    name: str, arch: str, *, cache_dir: Path | None = None, base_url: str = BASE_URL, progress: bool = True
) -> Path:
    """Return the file that holds the weights, downloading it if it is nowhere.

    Args:
      name: a path, "IMAGENET1K_V1", "IMAGENET1K_V2" or "imagenet" (the newest for this network).
      arch: the network's name in `create_model`.
      cache_dir: where downloads are kept; None is $MEDJAX_CACHE or ~/.cache/medjax. torch.hub's cache is searched too.
      base_url: folder that holds the files.
      progress: show a progress bar.

    Raises:
      UserError: no such file or version, or it could not be downloaded: says what to do.
    """
    if name != "imagenet" and name not in VERSIONS:
        path = Path(name).expanduser()
        if not path.is_file():
            raise UserError(f"weights {name!r} is neither a file nor imagenet, {' or '.join(VERSIONS)}; {_WAY_OUT}.")
        return path
    versions = FILES.get(arch)
    if versions is None:
        raise UserError(f"there are no ImageNet weights for {arch!r}, only for {', '.join(FILES)}; {_WAY_OUT}.")
    if name != "imagenet" and name not in versions:
        raise UserError(f"{arch} has the versions {', '.join(versions)}, not {name}.")
    file = versions[max(versions) if name == "imagenet" else name]
    folder = cache_dir or default_cache_dir()
    for candidate in (folder / file, _torch_hub_dir() / file):
        if candidate.is_file() and _sha256(candidate).startswith(_hash_of(file)):
            return candidate
    return download(f"{base_url}/{file}", folder, progress=progress)


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Read a .pth or .safetensors file, whatever its suffix.

    Returns:
      name -> read-only array.

    Raises:
      UserError: names the file and what is wrong with it.
    """
    try:
        data = path.read_bytes()
        return safetensors.read(data) if sniff(data[:HEAD_BYTES]) == SAFETENSORS else pth.read(data)
    except OSError as error:
        raise UserError(f"weights {path} cannot be read: {error.strerror}; {_WAY_OUT}.") from error
    except UserError as error:
        raise UserError(f"weights {path}: the file {error}") from error


def download(url: str, folder: Path, *, progress: bool = True) -> Path:
    """Fetch a file named <name>-<start of its SHA-256>.<suffix>; it is in the folder only once whole and checked.

    Raises:
      UserError: no connection, a truncated answer, another hash, or a folder that cannot be written.
    """
    file = url.rpartition("/")[2]
    part = folder / f".{file}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        digest = _fetch(url, part, progress)
        if not digest.startswith(_hash_of(file)):
            raise UserError(f"{url} is not the file it should be: SHA-256 {digest[:8]}… instead of {_hash_of(file)}….")
        part.replace(folder / file)
    except (OSError, http.client.HTTPException) as error:
        by_hand = f"download it by hand into {folder}, {_WAY_OUT}"
        raise UserError(f"{url} could not be downloaded ({_reason(error)}): {by_hand}.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return folder / file


def default_cache_dir() -> Path:
    """Return $MEDJAX_CACHE, or ~/.cache/medjax."""
    return Path(os.environ.get("MEDJAX_CACHE") or Path.home() / ".cache" / "medjax")


def _torch_hub_dir() -> Path:
    # The rule of torch.hub.get_dir().
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch") / "hub" / "checkpoints"


def _hash_of(file: str) -> str:
    return Path(file).stem.rpartition("-")[2]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fetch(url: str, part: Path, progress: bool) -> str:
    """Write what the address answers to `part` and returns its SHA-256."""
    digest, received = hashlib.sha256(), 0
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer, part.open("wb") as out:
        total = answer.length
        with tqdm(total=total, unit="B", unit_scale=True, desc=url.rpartition("/")[2], disable=not progress) as bar:
            while chunk := answer.read(_CHUNK):
                out.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                bar.update(len(chunk))
    if total is not None and received != total:
        raise http.client.IncompleteRead(b"", total - received)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    cause = str(error) if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", error)
    return " ".join(str(cause).split()) or type(error).__name__
