"""Names that cannot be led back to a patient without the key, which lies outside every run's folder.

A plain hash of a patient's number is no protection, since all numbers can be tried; an HMAC needs the key. The same
key gives the same pseudonym in every dataset and run, so that tables can be joined by those who hold it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from medjax.errors import UserError

KEY_BYTES = 32
_ADVICE = "name another file in the environment variable MEDJAX_KEY"


class Pseudonyms:
    """Turns texts into pseudonyms with one key."""

    def __init__(self, key: bytes):
        self._key = key

    def of(self, kind: str, text: str) -> str:
        """Return the pseudonym of a text: "image-3f0c…", the kind and 16 hex digits of HMAC-SHA256; "" stays "".

        The kind is part of what is hashed, so an image and a patient of the same name have nothing in common. A text
        may hold bytes that are no Unicode, as file names do.
        """
        if not text:
            return ""
        message = f"{kind}\0{text}".encode("utf-8", "surrogateescape")
        return f"{kind}-{hmac.new(self._key, message, hashlib.sha256).hexdigest()[:16]}"

    @property
    def fingerprint(self) -> str:
        """Tells whether two tables were made with the same key, without giving it away."""
        return self.of("key", "fingerprint")


def load_key() -> bytes:
    """Return the key of this user, made on the first call.

    It lies in the file named by MEDJAX_KEY, else in ~/.config/medjax/key, and only its owner may read it. Without it no
    pseudonym can be traced back, and those of later tables differ.

    Raises:
      UserError: no place for it is known, the place cannot be read or written, or the file is not such a key.
    """
    file = _key_file()
    try:
        if not file.exists():
            _make(file)
        text = file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise UserError(f"cannot read or make the key for pseudonyms, {file}: {error.strerror}; {_ADVICE}") from error
    except UnicodeDecodeError:
        text = ""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise UserError(f"{file} is not a key for pseudonyms ({2 * KEY_BYTES} hexadecimal digits); {_ADVICE}")
    return key


def original_names(names: Iterable[str], image_ids: Iterable[str], pseudonyms: Pseudonyms) -> dict[str, str]:
    """Find the files behind image ids by making the pseudonyms again. The answer is for the terminal only.

    Args:
      names: `files` of the source the ids were made from.
      image_ids: to look up; those of other sources, or of another key, are left out of the answer.
      pseudonyms: with the key that made the ids.

    Returns:
      The file's name by image id.
    """
    wanted = set(image_ids)
    found = {}
    for name in names:
        parts = name.split("/")
        for start in range(len(parts)):  # ids are of paths below the folder of the classes, at whatever depth that lies
            image_id = pseudonyms.of("image", "/".join(parts[start:]))
            if image_id in wanted:
                found[image_id] = name
    return found


def _key_file() -> Path:
    if os.environ.get("MEDJAX_KEY"):
        return Path(os.environ["MEDJAX_KEY"]).expanduser()
    if not os.environ.get("HOME"):
        raise UserError(f"HOME is not set, so there is no place for the key that makes pseudonyms; {_ADVICE}")
    return Path(os.environ["HOME"]) / ".config" / "medjax" / "key"


def _make(file: Path) -> None:
    """Write a new key unless another process was faster: whole, and never readable by others."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(secrets.token_hex(KEY_BYTES) + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        os.link(temporary, file)  # fails where the key is there by now
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
