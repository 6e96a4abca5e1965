import errno
import fcntl
import stat
from pathlib import Path

import pytest

from medjax.errors import UserError
from medjax.pipeline.storage import check_space, disk_errors, locked, write_text


def is_locked(path: Path) -> bool:
    with open(path, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_the_lock_is_held_in_the_block_and_dropped_after(tmp_path: Path) -> None:
    with locked(tmp_path / "x.lock"):
        assert is_locked(tmp_path / "x.lock")
    assert not is_locked(tmp_path / "x.lock")


def test_the_lock_is_dropped_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path / "x.lock"):
        raise KeyError
    assert not is_locked(tmp_path / "x.lock")


def test_an_error_inside_the_lock_is_not_blamed_on_the_lock(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), locked(tmp_path / "x.lock"):
        raise FileNotFoundError


def test_text_replaces_the_old_file_with_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    for text in ("old", "new ü"):
        write_text(tmp_path / "x.json", text)
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == "new ü"
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "x.json")}
    assert len(modes) == 1


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "No space left on device; free some space or choose another folder"),
        (errno.EDQUOT, "free some space"),
        (errno.EACCES, "Permission denied; choose a folder that can be written"),
        (errno.EROFS, "choose a folder that can be written"),
    ],
)
def test_a_refusing_disk_is_one_line_with_advice(code: int, advice: str) -> None:
    import os

    with pytest.raises(UserError, match=f"cannot write there: .*{advice}"), disk_errors(Path("there")):
        raise OSError(code, os.strerror(code))


def test_too_little_space_is_said_before_writing(tmp_path: Path) -> None:
    check_space(tmp_path, 0)
    with (
        pytest.raises(UserError, match=r"1048576\.0 GiB are needed and .* free; free some space"),
        disk_errors(tmp_path),
    ):
        check_space(tmp_path, 2**50)
