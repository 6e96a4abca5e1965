import os
from pathlib import Path

import pytest

from medjax.datasets.medical_mnist import DATASET
from medjax.datasets.source import open_source


def test_six_folders_are_six_classes_without_a_split(tmp_path: Path) -> None:
    for name in DATASET.class_names:
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "000000.jpeg").write_bytes(b"1")
    splits = DATASET.splits(open_source(tmp_path))
    assert [(e.image_id, e.label) for e in splits["train"].examples] == [
        ("AbdomenCT/000000.jpeg", 0),
        ("BreastMRI/000000.jpeg", 1),
        ("CXR/000000.jpeg", 2),
        ("ChestCT/000000.jpeg", 3),
        ("Hand/000000.jpeg", 4),
        ("HeadCT/000000.jpeg", 5),
    ]
    assert list(splits) == ["train"]


def test_the_licence_is_the_publishers() -> None:
    assert DATASET.license == "CC BY-SA 4.0"


@pytest.mark.real_data
def test_the_published_archive_holds_58954_images() -> None:
    with open_source(Path(os.environ["MEDJAX_TEST_DATA"]) / "medical_mnist.zip") as source:
        assert DATASET.splits(source)["train"].size == 58954
