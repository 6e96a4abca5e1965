import os
from pathlib import Path

import pytest

from medjax.datasets.brain_tumor_mri import DATASET
from medjax.datasets.source import open_source
from medjax.errors import UserError


def place(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def everything(training: str = "Training", testing: str = "Testing") -> list[str]:
    return [f"{split}/{name}/1.jpg" for split in (training, testing) for name in DATASET.class_names]


@pytest.mark.parametrize("above", ["", "archive/deep/"])
@pytest.mark.parametrize("names", [("Training", "Testing"), ("TRAINING", "testing")])
def test_the_publishers_split_is_kept_at_any_depth_and_in_either_case(
    tmp_path: Path, above: str, names: tuple[str, str]
) -> None:
    place(tmp_path, *(above + name for name in everything(*names)), f"{above}{names[0]}/glioma/2.jpg")
    splits = DATASET.splits(open_source(tmp_path))
    assert {name: split.size for name, split in splits.items()} == {"train": 5, "test": 4}
    assert [(e.image_id, e.label) for e in splits["test"].examples] == [
        (f"{names[1]}/{name}/1.jpg", label)
        for label, name in enumerate(("glioma", "meningioma", "notumor", "pituitary"))
    ]


def test_ids_are_unique_over_the_splits(tmp_path: Path) -> None:
    splits = DATASET.splits(open_source(place(tmp_path, *everything())))
    ids = [example.image_id for split in splits.values() for example in split.examples]
    assert len(set(ids)) == 8


def test_a_missing_split_folder_is_named(tmp_path: Path) -> None:
    place(tmp_path, *(f"Training/{name}/1.jpg" for name in DATASET.class_names))
    with pytest.raises(UserError, match="split folders Training, Testing; found only Training"):
        DATASET.splits(open_source(tmp_path))


def test_a_class_missing_from_one_split_is_named_with_the_split(tmp_path: Path) -> None:
    place(tmp_path, *(name for name in everything() if name != "Testing/notumor/1.jpg"))
    with pytest.raises(UserError, match=r"folder 'Testing', does not hold .*found only glioma, meningioma, pituitary"):
        DATASET.splits(open_source(tmp_path))


@pytest.mark.real_data
def test_the_published_archive_is_listed_by_split_and_class() -> None:
    with open_source(Path(os.environ["MEDJAX_TEST_DATA"]) / "brain_tumor_mri.zip") as source:
        splits = DATASET.splits(source)
        assert {name: split.size for name, split in splits.items()} == {"train": 5708, "test": 1311}
        first = next(iter(splits["train"].examples))
        assert (first.image_id, first.label) == ("Training/glioma/Tr-glTr_0000.jpg", 0)
        assert first.image.startswith(b"\xff\xd8")
