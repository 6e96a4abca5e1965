import hashlib
import hmac
import os
import stat
from pathlib import Path

import pytest

from medjax.datasets.pseudonyms import Pseudonyms, load_key, original_names
from medjax.errors import UserError

KEY = bytes(range(32))


def test_a_pseudonym_is_the_kind_and_16_digits_of_the_hmac() -> None:
    digest = hmac.new(KEY, b"patient\x00Doe^Jane", hashlib.sha256).hexdigest()
    assert Pseudonyms(KEY).of("patient", "Doe^Jane") == f"patient-{digest[:16]}"


def test_nothing_stays_nothing() -> None:
    assert Pseudonyms(KEY).of("patient", "") == ""


def test_another_key_kind_or_text_gives_another_pseudonym() -> None:
    same, other = Pseudonyms(KEY), Pseudonyms(bytes(32))
    made = [same.of("image", "1"), other.of("image", "1"), same.of("group", "1"), same.of("image", "2")]
    assert len({name.partition("-")[2] for name in made}) == 4
    assert same.fingerprint != other.fingerprint


def test_a_file_name_that_is_no_unicode_has_one_too() -> None:
    assert len(Pseudonyms(KEY).of("image", "a/\udcff.png")) == len("image-") + 16


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDJAX_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    key = load_key()
    file = tmp_path / ".config/medjax/key"
    assert len(key) == 32
    assert key != bytes(32)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_key() == key
    assert list(file.parent.iterdir()) == [file]


def test_the_environment_names_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").write_text("0F" * 32 + "\n")
    monkeypatch.setenv("MEDJAX_KEY", str(tmp_path / "mine"))
    assert load_key() == b"\x0f" * 32


@pytest.mark.parametrize("content", [b"", b"0f" * 31, b"zz" * 32, b"\xff" * 64])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    (tmp_path / "mine").write_bytes(content)
    monkeypatch.setenv("MEDJAX_KEY", str(tmp_path / "mine"))
    with pytest.raises(UserError, match="is not a key for pseudonyms"):
        load_key()
    assert (tmp_path / "mine").read_bytes() == content


def test_without_a_home_the_user_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDJAX_KEY")
    monkeypatch.delenv("HOME")
    with pytest.raises(UserError, match=r"HOME is not set.*MEDJAX_KEY"):
        load_key()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MEDJAX_KEY", str(tmp_path / "file" / "key"))
    with pytest.raises(UserError, match=r"cannot read or make the key .*; name another file"):
        load_key()


def test_the_key_of_the_process_that_was_faster_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    monkeypatch.setenv("MEDJAX_KEY", str(file))
    link = os.link

    def late(source: Path, target: Path) -> None:
        file.write_text("aa" * 32)
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert load_key() == b"\xaa" * 32
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_is_found_again_by_its_id_at_any_depth() -> None:
    pseudonyms = Pseudonyms(KEY)
    image_id = pseudonyms.of("image", "cat/1.png")
    names = ["wrapped/cat/1.png", "wrapped/cat/2.png"]
    assert original_names(names, [image_id, "image-0000000000000000"], pseudonyms) == {image_id: "wrapped/cat/1.png"}
    assert original_names(names, [image_id], Pseudonyms(bytes(32))) == {}
