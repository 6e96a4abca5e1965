import zipfile
from pathlib import Path

import pytest

from medjax.datasets.folder_layout import Place, find_layout
from medjax.datasets.source import open_source
from medjax.errors import UserError


def place(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"1")
    return root


def make_zip(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"1")
    return path


def test_folders_of_the_root_are_classes(tmp_path: Path) -> None:
    layout = find_layout(open_source(place(tmp_path, "cat/1.png", "dog/p/2.png", "notes.txt")))
    assert layout.places == (
        Place("cat/1.png", "cat/1.png", "", "cat", "1.png"),
        Place("dog/p/2.png", "dog/p/2.png", "", "dog", "p/2.png"),
    )
    assert layout.outside == ("notes.txt",)
    assert layout.class_folders == (("", "cat"), ("", "dog"))


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("train", "val", "test"), ["test", "train", "val"]),
        (("Training", "Validation", "Testing"), ["test", "train", "val"]),
        (("training", "valid"), ["train", "val"]),
    ],
)
def test_split_folders_are_known_by_their_names(tmp_path: Path, folders: tuple[str, ...], splits: list[str]) -> None:
    layout = find_layout(open_source(place(tmp_path, *(f"{folder}/cat/p/1.png" for folder in folders))))
    assert [p.split for p in layout.places] == splits
    assert {(p.class_name, p.inner) for p in layout.places} == {("cat", "p/1.png")}
    assert layout.places[-1].path == layout.places[-1].name


def test_empty_class_folders_are_listed(tmp_path: Path) -> None:
    (place(tmp_path, "cat/1.png") / "dog").mkdir()
    assert find_layout(open_source(tmp_path)).class_folders == (("", "cat"), ("", "dog"))


@pytest.mark.parametrize("below", ["", "train/"])
def test_folders_around_everything_in_a_zip_are_passed_through(tmp_path: Path, below: str) -> None:
    archive = make_zip(tmp_path / "a.zip", "set/v1/README", f"set/v1/{below}cat/1.png", f"set/v1/{below}dog/1.png")
    with open_source(archive) as source:
        layout = find_layout(source)
    assert [p.path for p in layout.places] == [f"{below}cat/1.png", f"{below}dog/1.png"]
    assert [p.class_name for p in layout.places] == ["cat", "dog"]


def test_a_folder_is_taken_as_it_is_so_that_patients_do_not_become_classes(tmp_path: Path) -> None:
    layout = find_layout(open_source(place(tmp_path, "tumour/patient1/1.png", "tumour/patient2/1.png")))
    assert layout.class_folders == (("", "tumour"),)


def test_a_single_class_in_a_zip_is_not_passed_through(tmp_path: Path) -> None:
    with open_source(make_zip(tmp_path / "a.zip", "cat/1.png")) as source:
        assert find_layout(source).class_folders == (("", "cat"),)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1.png", "2.png"], "holds 2 files and no class folder; give the folder in which"),
        (["train/cat/1.png", "dog/1.png"], "holds 'train' beside 'dog': either all folders are splits"),
        (["train/cat/1.png", "training/cat/1.png"], "holds train, training: one split under two names"),
        (["train/cat/1.png", "test/1.png"], "the folder 'test' of .* holds no class folder"),
    ],
)
def test_another_layout_is_one_line_that_says_what_was_found(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        find_layout(open_source(place(tmp_path, *names)))
    assert "\n" not in str(caught.value)


def test_an_empty_folder_beside_the_splits_does_not_matter(tmp_path: Path) -> None:
    (place(tmp_path, "train/cat/1.png") / "logs").mkdir()
    assert find_layout(open_source(tmp_path)).class_folders == (("train", "cat"),)
