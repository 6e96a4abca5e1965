"""A folder or a .zip as one thing: the files in it, their bytes, a fingerprint. Nothing is ever extracted."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol, Self

from medjax.errors import UserError

# One picture. A file that claims more is reported as bad and not read into memory.
MAX_FILE_BYTES = 256 * 2**20
# What an archive may hold. Pictures hardly shrink in one: what unfolds a hundredfold, to more than a GiB, is a bomb.
MAX_ENTRIES = 5_000_000
MAX_RATIO = 100
MAX_BYTES_AT_ANY_RATIO = 2**30
MAX_ARCHIVE_BYTES = 16 * 2**40  # unpacked
MAX_DEPTH = 64  # folders in one another; a name of 64 KiB can lead through thirty thousand

_LITTER = {"__macosx", "thumbs.db", "desktop.ini"}
# A folder with this file holds a cache (https://bford.info/cachedir/). Skipped, so that ours may lie inside a source.
CACHE_TAG = "CACHEDIR.TAG"
# Tables that name images and their labels.
MANIFESTS = (".csv", ".tsv", ".parquet")


class ReadError(Exception):
    """One file cannot be read. The message is the reason, without the file's name."""


class Source(Protocol):
    """Files under one root.

    Attributes:
      path: where the folder or the .zip lies.
      files: relative names with "/" between folders, sorted.
      folders: the relative names of all folders, sorted, empty ones too; the root itself is "".
      size: bytes of all files together, unpacked.
      fingerprint: 64 hex digits that change when the content does.
    """

    path: Path
    files: tuple[str, ...]
    folders: tuple[str, ...]
    size: int
    fingerprint: str

    def read(self, name: str) -> bytes:
        """Return the bytes of one file; ReadError when it cannot be had."""
        ...

    def head(self, name: str, size: int) -> bytes:
        """Return the first `size` bytes of one file, all where it has fewer; ReadError when they cannot be had."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


def open_source(path: Path) -> Source:
    """Open a folder, a .zip, or a manifest (see MANIFESTS), which stands for the folder it lies in.

    Raises:
      UserError: neither a folder nor a readable .zip, or a .zip with encrypted, linked or escaping entries.
    """
    if path.is_dir():
        return FolderSource(path)
    if not path.exists():
        raise UserError(f"no such file or folder: {path}; give the folder or the .zip the publisher offers")
    return ManifestSource(path) if path.suffix.lower() in MANIFESTS else ZipSource(path)


class FolderSource:
    """A folder on disk. Links are followed, each folder once; hidden files and caches are left out."""

    def __init__(self, path: Path):
        self.path = path
        self._root = path
        try:
            found = sorted(_walk(path, "", set()))
        except OSError as error:
            raise UserError(f"cannot read the folder {path}: {error.strerror}; check its permissions") from error
        self.files = tuple(name for name, status in found if status is not None)
        self.folders = tuple(name for name, status in found if status is None)
        stats = [status for _, status in found if status is not None]
        self.size = sum(status.st_size for status in stats)
        self.fingerprint = _digest(
            "folder", [(name, s.st_size, s.st_mtime_ns) for name, s in zip(self.files, stats, strict=True)]
        )

    def read(self, name: str) -> bytes:
        """Return the bytes of one file; ReadError when it cannot be had."""
        with _opened(self._root / name) as file:
            _check_size(os.fstat(file.fileno()).st_size)
            return file.read()

    def head(self, name: str, size: int) -> bytes:
        """Return the first `size` bytes of one file; ReadError when they cannot be had."""
        with _opened(self._root / name) as file:
            return file.read(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class ManifestSource(FolderSource):
    """The folder of a manifest, and which of its files is the manifest.

    Attributes:
      manifest: its name in `files`.
    """

    def __init__(self, path: Path):
        super().__init__(path.parent)
        self.path, self.manifest = path, path.name
        self.fingerprint = hashlib.sha256(
            f"{self.fingerprint} {path.name}".encode("utf-8", "surrogateescape")
        ).hexdigest()


class ZipSource:
    """A .zip archive, read entry by entry where it lies."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except OSError as error:
            raise UserError(f"cannot open {path}: {error.strerror}; check the path and its permissions") from error
        except Exception as error:  # zipfile raises nearly any class on malformed bytes
            raise UserError(
                f"{path} is not a readable .zip ({error}); give a folder or a complete .zip, or download it again"
            ) from error
        try:
            _refuse_bomb(path, self._archive)
            self._entries = _entries(path, self._archive)
        except UserError:
            self._archive.close()
            raise
        self.files = tuple(sorted(name for name, info in self._entries.items() if not info.is_dir()))
        self.folders = tuple(sorted(_folders(self._entries)))
        infos = [self._entries[name] for name in self.files]
        self.size = sum(info.file_size for info in infos)
        self.fingerprint = _digest(
            "zip", [(name, i.file_size, i.CRC) for name, i in zip(self.files, infos, strict=True)]
        )

    def read(self, name: str) -> bytes:
        """Return the bytes of one entry; ReadError when it cannot be had."""
        info = self._entries[name]
        _check_size(info.file_size)
        with _reading(), self._archive.open(info) as file:
            # The size is asked for, since ZipFile.read unpacks what is there, however little the entry says it is.
            data = file.read(info.file_size)
        if len(data) != info.file_size:
            raise ReadError(f"damaged in the .zip: {len(data)} bytes, and {info.file_size} are announced")
        return data

    def head(self, name: str, size: int) -> bytes:
        """Return the first `size` bytes of one entry; ReadError when they cannot be had."""
        with _reading(), self._archive.open(self._entries[name]) as file:
            return file.read(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._archive.close()


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """Open a file of a folder; a pipe would keep its reader waiting, and a device may never end."""
    try:
        with open(file, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise ReadError("is a pipe or a device, not a file")
            yield opened
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror}") from error


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Turn whatever a damaged archive raises into a ReadError."""
    try:
        yield
    except Exception as error:  # zipfile and zlib raise nearly any class on malformed bytes
        raise ReadError(f"damaged in the .zip: {error}") from error


def _check_size(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise ReadError(f"{size / 2**20:.0f} MiB, more than the {MAX_FILE_BYTES // 2**20} MiB allowed for one picture")


def _digest(kind: str, rows: list[tuple[str, int, int]]) -> str:
    return hashlib.sha256(json.dumps([kind, rows]).encode()).hexdigest()


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LITTER


def _walk(root: Path, folder: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, os.stat_result | None]]:
    """Yield (relative name, status of a file or None for a folder), below and including `folder`."""
    identity = os.stat(root / folder)
    if (identity.st_dev, identity.st_ino) in seen:  # a link back up
        return
    seen.add((identity.st_dev, identity.st_ino))
    if folder.count("/") >= MAX_DEPTH:
        raise UserError(f"{root} holds {MAX_DEPTH} folders in one another and more: give one of them")
    with os.scandir(root / folder) as scan:
        entries = [entry for entry in scan if not _is_litter(entry.name)]
    if any(entry.name == CACHE_TAG for entry in entries):
        return
    yield folder, None
    for entry in entries:
        name = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_dir():
            yield from _walk(root, name, seen)
        else:
            # A broken link is listed with the link's own status, so that reading it reports it by name.
            yield name, entry.stat() if entry.is_file() else entry.stat(follow_symlinks=False)


def _entries(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the safe entries by name ("/" between folders, none at the end)."""
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.replace("\\", "/")  # some Windows archivers write backslashes
        parts = name.rstrip("/").split("/")
        if name.startswith("/") or ".." in parts or parts[0].endswith(":") or not parts[-1]:
            raise _refused(path, info, "its name leads out of the archive")
        if len(parts) - 1 > MAX_DEPTH:
            raise _refused(path, info, f"its name leads through {len(parts) - 1:,} folders")
        if any(_is_litter(part) for part in parts if part != "."):
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            raise _refused(path, info, "it is a link")
        if info.flag_bits & 0x1:
            raise _refused(path, info, "it is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # the others unpack without a limit
            raise _refused(path, info, "it is packed in another way than stored or deflated")
        name = "/".join(part for part in parts if part not in ("", "."))
        if name in entries and not (info.is_dir() and entries[name].is_dir()):
            raise _refused(path, info, "it is there twice")
        entries[name] = info
    return entries


def _refuse_bomb(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive of absurdly many entries, or of ones that unfold to absurdly much, overlapping ones too."""
    entries, packed = archive.infolist(), path.stat().st_size
    unpacked = sum(info.file_size for info in entries)
    advice = "if it is what you expect, unpack it and give the folder"
    if len(entries) > MAX_ENTRIES:
        raise UserError(f"{path} holds {len(entries):,} entries, more than the {MAX_ENTRIES:,} allowed; {advice}")
    if unpacked > MAX_ARCHIVE_BYTES or (unpacked > MAX_BYTES_AT_ANY_RATIO and unpacked > MAX_RATIO * packed):
        raise UserError(
            f"{path} of {packed:,} bytes would unpack to {unpacked:,}; allowed are {MAX_RATIO} times its size above "
            f"{MAX_BYTES_AT_ANY_RATIO:,} bytes, and {MAX_ARCHIVE_BYTES:,} at most; {advice}"
        )


def _folders(entries: dict[str, zipfile.ZipInfo]) -> set[str]:
    """Return every folder: archives need not list the folders their files lie in."""
    folders = {name if info.is_dir() else name.rpartition("/")[0] for name, info in entries.items()}
    parents = {str(parent) for folder in folders for parent in PurePosixPath(folder).parents}
    return {"" if folder == "." else folder for folder in folders | parents | {""}}


def _refused(path: Path, info: zipfile.ZipInfo, reason: str) -> UserError:
    return UserError(
        f"{path} is refused because of the entry {info.filename!r}: {reason}; "
        "unpack the archive yourself, look at it, and give the folder"
    )
