import pathlib
import shutil
import subprocess

import pytest

from medjax.integrity import FILE, damage, write_sums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "numbers").write_bytes(bytes(range(64)))
    (tmp_path / "name with ü").write_text("text")
    (tmp_path / "late").write_text("1")
    write_sums(tmp_path, but=("late",))
    return tmp_path


def test_an_unchanged_folder_is_whole_and_what_is_left_out_may_change(folder):
    (folder / "late").write_text("2")
    assert damage(folder, but=("late",)) is None
    (folder / "late").unlink()
    assert damage(folder, but=("late",)) is None


def test_every_flipped_bit_is_found_and_its_file_named(folder):
    file = folder / "a" / "b" / "numbers"
    whole = file.read_bytes()
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        assert damage(folder, but=("late",)) == "a/b/numbers has another hash"


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder: (folder / "a/b/numbers").write_bytes(bytes(range(63))), "a/b/numbers has another hash"),
        (lambda folder: (folder / "a/b/numbers").unlink(), "a/b/numbers is missing"),
        (lambda folder: (folder / "new").touch(), "new is not in SHA256SUMS"),
        (lambda folder: (folder / FILE).unlink(), "SHA256SUMS is missing"),
        (lambda folder: (folder / FILE).write_bytes(b""), "a/b/numbers is not in SHA256SUMS"),
        (lambda folder: (folder / FILE).write_bytes(b"\xff" * 99), "SHA256SUMS cannot be read"),
        (lambda folder: (folder / FILE).write_text("no sums at all\n"), " is missing"),
    ],
)
def test_every_other_damage_is_named(folder, harm, told):
    harm(folder)
    assert told in damage(folder, but=("late",))


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="no sha256sum here")
def test_the_system_s_own_tool_reads_the_sums(folder: pathlib.Path):
    command = ["sha256sum", "--check", "--strict", "--quiet", FILE]
    assert subprocess.run(command, cwd=folder).returncode == 0
    (folder / "a" / "b" / "numbers").write_bytes(b"")
    assert subprocess.run(command, cwd=folder, capture_output=True).returncode == 1
