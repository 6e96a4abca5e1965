import logging
from pathlib import Path

import pytest

from medjax.datasets.class_folders import class_folder_dataset, find_folders
from medjax.datasets.description import Dataset, Example
from medjax.datasets.source import open_source
from medjax.errors import UserError

CLASSES = ("zebra", "ant")


def dataset() -> Dataset:
    return class_folder_dataset(
        name="animals", version="1.0.0", class_names=CLASSES, description="", homepage="", license="", citation=""
    )


def place(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def examples(root: Path) -> list[Example]:
    return list(dataset().splits(open_source(root))["train"].examples)


@pytest.mark.parametrize("above", ["", "Set/", "Set raw data/Set/"])
def test_class_folders_are_found_at_any_depth(tmp_path: Path, above: str) -> None:
    place(tmp_path, f"{above}ant/1.jpg", f"{above}zebra/2.jpg")
    assert [(e.image_id, e.label) for e in examples(tmp_path)] == [("zebra/2.jpg", 0), ("ant/1.jpg", 1)]


def test_the_bytes_and_the_count_are_those_of_the_files(tmp_path: Path) -> None:
    place(tmp_path, "ant/1.jpg", "zebra/2.jpg", "zebra/deep/3.jpg")
    split = dataset().splits(open_source(tmp_path))["train"]
    assert split.size == 3
    assert [e.image for e in split.examples] == [b"zebra/2.jpg", b"zebra/deep/3.jpg", b"ant/1.jpg"]


def test_upper_and_lower_case_are_the_same(tmp_path: Path) -> None:
    place(tmp_path, "Ant/1.jpg", "ZEBRA/2.jpg")
    assert [(e.image_id, e.label) for e in examples(tmp_path)] == [("ZEBRA/2.jpg", 0), ("Ant/1.jpg", 1)]


def test_a_file_that_is_no_picture_is_not_passed_over(tmp_path: Path) -> None:
    place(tmp_path, "ant/1.jpg", "zebra/notes.txt")
    assert [e.image_id for e in examples(tmp_path)] == ["zebra/notes.txt", "ant/1.jpg"]


def test_a_file_that_cannot_be_read_is_an_example_with_the_reason(tmp_path: Path) -> None:
    place(tmp_path, "ant/1.jpg", "zebra/2.jpg")
    (tmp_path / "ant/0.jpg").symlink_to("nowhere")
    assert examples(tmp_path)[1] == Example("ant/0.jpg", b"", 1, read_error="cannot be read: No such file or directory")


def test_folders_beside_the_classes_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place(tmp_path, "s/ant/1.jpg", "s/zebra/2.jpg", "s/lion/3.jpg")
    with caplog.at_level(logging.WARNING, "medjax"):
        assert len(examples(tmp_path)) == 2
    assert "not used: lion" in caplog.text


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["ant/1.jpg"], "class folders zebra, ant; found only ant; give the folder or .zip that holds all"),
        (["cat/1.jpg", "x/dog/2.jpg"], "found the folders 'cat', 'x', 'x/dog'; give"),
        (["1.jpg"], "holds 1 files and no folders; give"),
        (["animals.zip"], "holds an archive, 'animals.zip'; give the path of that .zip"),
        (["1/ant/a", "1/zebra/a", "2/ant/a", "2/zebra/a"], "more than once, in '1' and '2'; give"),
    ],
)
def test_what_was_found_instead_is_said_in_one_line(tmp_path: Path, files: list[str], message: str) -> None:
    place(tmp_path, *files)
    with pytest.raises(UserError) as caught:
        find_folders(open_source(tmp_path), CLASSES)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_class_is_an_error(tmp_path: Path) -> None:
    place(tmp_path, "ant/1.jpg", "zebra/.DS_Store")
    with pytest.raises(UserError, match=r"the class folder 'zebra' of .* is empty"):
        examples(tmp_path)


def test_a_file_name_that_is_no_unicode_becomes_text(tmp_path: Path) -> None:
    place(tmp_path, "ant/1.jpg", "zebra/2.jpg")
    (tmp_path / "ant/1.jpg").rename(tmp_path / "ant/\udcff.jpg")
    assert examples(tmp_path)[1].image_id == "ant/\\xff.jpg"
