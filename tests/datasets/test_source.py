import os
import stat
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from medjax.datasets import source as source_module
from medjax.datasets.source import ReadError, open_source
from medjax.errors import UserError


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


FILES = {"a/x.png": b"one", "a/b/y.png": b"three", "z.txt": b""}


@pytest.fixture(params=["zip", "folder"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_zip(tmp_path / "d.zip", FILES) if request.param == "zip" else write_folder(tmp_path / "d", FILES)


def test_lists_files_folders_and_size(either: Path) -> None:
    with open_source(either) as source:
        assert source.files == ("a/b/y.png", "a/x.png", "z.txt")
        assert source.folders == ("", "a", "a/b")
        assert source.size == 8


def test_reads_the_bytes(either: Path) -> None:
    with open_source(either) as source:
        assert {name: source.read(name) for name in source.files} == FILES


def test_a_file_too_large_for_a_picture_is_not_read(either: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "MAX_FILE_BYTES", 4)
    with open_source(either) as source, pytest.raises(ReadError, match="MiB"):
        source.read("a/b/y.png")


def test_fingerprint_of_a_zip_follows_the_content_not_the_place(tmp_path: Path) -> None:
    first = open_source(write_zip(tmp_path / "1.zip", FILES)).fingerprint
    assert open_source(write_zip(tmp_path / "2.zip", FILES)).fingerprint == first
    assert open_source(write_zip(tmp_path / "3.zip", {**FILES, "a/x.png": b"two"})).fingerprint != first


def test_fingerprint_of_a_folder_follows_modification(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, FILES)
    first = open_source(folder).fingerprint
    assert open_source(folder).fingerprint == first
    os.utime(folder / "z.txt", ns=(1, 1))
    assert open_source(folder).fingerprint != first


def test_what_systems_leave_behind_is_passed_over(tmp_path: Path) -> None:
    litter = {"__MACOSX/a/._x.png": b"", ".DS_Store": b"", "a/Thumbs.db": b"", ".git/config": b""}
    for path in (write_zip(tmp_path / "d.zip", FILES | litter), write_folder(tmp_path / "d", FILES | litter)):
        with open_source(path) as source:
            assert set(source.files) == set(FILES)


def test_a_cache_inside_the_source_does_not_count(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, FILES)
    before = open_source(folder).fingerprint
    write_folder(folder / "cache", {"CACHEDIR.TAG": b"", "table/images.npy": b"1"})
    assert open_source(folder).fingerprint == before


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "d", FILES)
    (folder / "loop").symlink_to(folder)
    write_folder(tmp_path / "elsewhere", {"w.png": b"w"})
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    assert open_source(folder).files == ("a/b/y.png", "a/x.png", "linked/w.png", "z.txt")


def test_a_broken_link_is_reported_when_read(tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    with open_source(tmp_path) as source, pytest.raises(ReadError, match="No such file"):
        source.read("gone.png")


def test_a_pipe_and_a_device_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    with open_source(tmp_path) as source:
        for name in source.files:
            with pytest.raises(ReadError, match="is a pipe or a device"):
                source.read(name)
            with pytest.raises(ReadError, match="is a pipe or a device"):
                source.head(name, 4)


def test_the_head_of_a_file_beside_a_manifest(tmp_path: Path) -> None:
    with open_source(write_folder(tmp_path, {"t.csv": b"", "x.dcm": b"12345"}) / "t.csv") as source:
        assert source.head("x.dcm", 4) == b"1234"


def test_folders_in_one_another_without_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="leads through 30,000 folders"):
        open_source(write_zip(tmp_path / "d.zip", {"a/" * 30_000 + "x.png": b""}))
    folder = tmp_path / "d"
    (folder / ("a/" * 64)).mkdir(parents=True)
    assert len(open_source(folder).folders) == 65
    (folder / ("a/" * 65)).mkdir()
    with pytest.raises(UserError, match="64 folders in one another and more"):
        open_source(folder)


def test_backslashes_separate_folders(tmp_path: Path) -> None:
    assert open_source(write_zip(tmp_path / "d.zip", {"a\\x.png": b"1"})).files == ("a/x.png",)


@pytest.mark.parametrize("name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "C:/evil.png", "..\\evil.png"])
def test_names_that_leave_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="leads out of the archive"):
        open_source(write_zip(tmp_path / "d.zip", {name: b""}))


def test_links_in_an_archive_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="is a link"):
        open_source(tmp_path / "d.zip")


def test_encrypted_entries_are_refused(tmp_path: Path) -> None:
    data = bytearray(write_zip(tmp_path / "d.zip", {"x.png": b"1"}).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # general purpose bit 0 of the central directory
    (tmp_path / "d.zip").write_bytes(data)
    with pytest.raises(UserError, match="is encrypted"):
        open_source(tmp_path / "d.zip")


def test_an_entry_with_a_wrong_checksum_is_named_by_its_reason(tmp_path: Path) -> None:
    data = bytearray(write_zip(tmp_path / "d.zip", {"x.png": b"pixels"}).read_bytes())
    data[data.index(b"pixels")] ^= 1
    (tmp_path / "d.zip").write_bytes(data)
    with open_source(tmp_path / "d.zip") as source, pytest.raises(ReadError, match=r"damaged in the \.zip: Bad CRC"):
        source.read("x.png")


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_a_file_that_is_no_zip_is_one_clear_error(tmp_path: Path, cut: int) -> None:
    whole = write_zip(tmp_path / "d.zip", FILES).read_bytes()
    (tmp_path / "d.zip").write_bytes(whole[:cut])
    with pytest.raises(UserError, match=r"is not a readable \.zip .* download it again") as caught:
        open_source(tmp_path / "d.zip")
    assert "\n" not in str(caught.value)


def test_a_missing_path_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        open_source(tmp_path / "none")


def test_a_manifest_stands_for_its_folder(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, FILES | {"m.csv": b"path", "n.csv": b"path"})
    with open_source(folder / "m.csv") as source:
        assert (source.path, source.manifest) == (folder / "m.csv", "m.csv")
        assert source.files == open_source(folder).files
        assert source.read("a/x.png") == b"one"
    prints = {open_source(folder / name).fingerprint for name in ("m.csv", "n.csv", "")}
    assert len(prints) == 3
    with open_source(source.path) as again:
        assert again.fingerprint == source.fingerprint


def test_the_beginning_of_a_file_is_had_alone(either: Path) -> None:
    with open_source(either) as source:
        assert source.head("a/b/y.png", 3) == b"thr"
        assert source.head("a/b/y.png", 99) == b"three"
        assert source.head("z.txt", 3) == b""


def test_a_beginning_that_cannot_be_had_is_a_read_error(tmp_path: Path) -> None:
    os.symlink("nowhere", tmp_path / "broken.png")
    with open_source(tmp_path) as source, pytest.raises(ReadError, match="No such file"):
        source.head("broken.png", 4)
    archive = write_zip(tmp_path / "d.zip", {"a.png": b"one"})
    archive.write_bytes(archive.read_bytes().replace(b"PK\x03\x04", b"PK\x03\x05"))
    with open_source(archive) as source, pytest.raises(ReadError, match=r"damaged in the \.zip"):
        source.head("a.png", 4)


def change_directory(path: Path, **fields: tuple[int, str, int]) -> Path:
    """Write numbers into the first entry of a .zip's directory: name=(offset, layout, value)."""
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02")
    for offset, layout, value in fields.values():
        struct.pack_into(layout, data, start + offset, value)
    path.write_bytes(data)
    return path


def deflated(path: Path, data: bytes, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.png", data)
    return path


def test_an_entry_that_unfolds_to_more_than_it_says_is_not_unfolded(tmp_path: Path) -> None:
    bomb = deflated(tmp_path / "d.zip", bytes(2**24))
    change_directory(bomb, size=(24, "<I", 10), checksum=(16, "<I", zlib.crc32(bytes(10))))
    tracemalloc.start()
    try:
        with open_source(bomb) as source:
            assert source.read("a.png") == bytes(10)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_an_entry_that_unfolds_to_less_than_it_says_is_damaged(tmp_path: Path) -> None:
    archive = change_directory(deflated(tmp_path / "d.zip", b"pixels"), size=(24, "<I", 100))
    with open_source(archive) as source, pytest.raises(ReadError, match="6 bytes, and 100 are announced"):
        source.read("a.png")


def test_a_bomb_is_refused_and_a_small_or_plain_archive_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = deflated(tmp_path / "zeros.zip", bytes(2**20))
    assert open_source(zeros).size == 2**20
    monkeypatch.setattr(source_module, "MAX_BYTES_AT_ANY_RATIO", 2**19)
    with pytest.raises(UserError, match=r"would unpack to 1,048,576; allowed are 100 times its size"):
        open_source(zeros)
    assert open_source(deflated(tmp_path / "plain.zip", bytes(2**20), zipfile.ZIP_STORED)).size == 2**20
    monkeypatch.setattr(source_module, "MAX_ARCHIVE_BYTES", 2**20 - 1)
    with pytest.raises(UserError, match="1,048,575 at most"):
        open_source(tmp_path / "plain.zip")


def test_overlapping_entries_count_each_for_itself(tmp_path: Path) -> None:
    bomb = write_zip(tmp_path / "d.zip", {"a.png": bytes(1000)})
    change_directory(bomb, size=(24, "<I", 2**32 - 2))  # as if it went on over all that follows
    with pytest.raises(UserError, match=r"would unpack to 4,294,967,294; .* unpack it and give the folder"):
        open_source(bomb)


def test_an_archive_of_too_many_entries_is_refused(either: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "MAX_ENTRIES", 2)
    if either.is_dir():
        assert len(open_source(either).files) == 3
    else:
        with pytest.raises(UserError, match="holds 3 entries, more than the 2 allowed"):
            open_source(either)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_unfold_without_a_limit_are_refused(tmp_path: Path, method: int) -> None:
    with pytest.raises(UserError, match="packed in another way than stored or deflated"):
        open_source(deflated(tmp_path / "d.zip", b"1", method))


def test_a_directory_whose_names_are_no_text_is_one_clear_error(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "d.zip", {"ä.png": b""})
    archive.write_bytes(archive.read_bytes().replace("ä".encode(), b"\xb6\xb6"))
    with pytest.raises(UserError, match=r"is not a readable \.zip"):
        open_source(archive)
