import io
from pathlib import Path

import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from medjax.datasets import find_source
from medjax.datasets.description import Dataset, Example
from medjax.datasets.image_table import DATASET
from medjax.datasets.pseudonyms import Pseudonyms, load_key, original_names
from medjax.datasets.source import open_source
from medjax.errors import UserError
from medjax.pipeline import cache

ROWS = "image,label\na.png,cat\nx/b.png,dog\n"


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (4, 4), value).save(file, "PNG")
    return file.getvalue()


def make(root: Path, text: str = ROWS, images: tuple[str, ...] = ("a.png", "x/b.png")) -> Path:
    for number, name in enumerate(images):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(number))
    (root / "m.csv").write_text(text)
    return root / "m.csv"


def configured(file: Path, **options) -> Dataset:
    return DATASET.configured(open_source(file), {"ids": "names", **options})


def examples(dataset: Dataset) -> dict[str, list[Example]]:
    return {name: list(split.examples) for name, split in dataset.splits(None).items()}


def listed(dataset: Dataset) -> list[tuple[str, int, str]]:
    return [(e.image_id, e.label, e.group_id) for split in examples(dataset).values() for e in split]


def test_rows_are_examples(tmp_path: Path) -> None:
    dataset = configured(make(tmp_path))
    assert dataset.class_names == ("cat", "dog")
    assert listed(dataset) == [("a.png", 0, ""), ("x/b.png", 1, "")]
    assert examples(dataset)["train"][1].image == png(1)


def test_the_manifest_a_folder_and_find_source_agree(tmp_path: Path) -> None:
    file = make(tmp_path)
    assert find_source("image_table", path=str(file)) == file
    assert listed(configured(tmp_path)) == listed(configured(file))


def test_groups_splits_and_kept_columns_come_from_their_columns(tmp_path: Path) -> None:
    text = "image;label;who;part;sex;name\na.png;cat;P1;Training;f;Jane\nx/b.png;dog;P1;testing;m;John\n"
    options = {"group_column": "who", "split_column": "part", "keep_columns": ("sex",)}
    found = examples(configured(make(tmp_path, text), **options))
    assert {name: [(e.image_id, e.group_id, e.columns) for e in rows] for name, rows in found.items()} == {
        "train": [("a.png", "P1", {"sex": "f"})],
        "test": [("x/b.png", "P1", {"sex": "m"})],
    }


def test_a_missing_label_is_no_class_and_a_missing_group_no_group(tmp_path: Path) -> None:
    text = "image,label,g\na.png,1,\nb.png, ,nan\nc.png,NaN,7\nd.png,0,7\n"
    dataset = configured(make(tmp_path, text, ("a.png", "b.png", "c.png", "d.png")), group_column="g")
    assert dataset.class_names == ("0", "1")
    assert listed(dataset) == [("a.png", 1, ""), ("b.png", -1, ""), ("c.png", -1, "7"), ("d.png", 0, "7")]
    assert dataset.notes["missing_labels"] == 2


def test_ids_are_pseudonyms_by_default(tmp_path: Path) -> None:
    text = "image,label,g\nJaneDoe.png,cat,Jane\nx/b.png,dog,John\n"
    source = open_source(make(tmp_path, text, ("JaneDoe.png", "x/b.png")))
    (image_id, _, group_id), second = listed(DATASET.configured(source, {"group_column": "g"}))
    pseudonyms = Pseudonyms(load_key())
    assert image_id == pseudonyms.of("image", "JaneDoe.png")
    assert group_id == pseudonyms.of("group", "Jane")
    assert original_names(source.files, [second[0]], pseudonyms) == {second[0]: "x/b.png"}


def test_paths_start_from_the_root_and_may_be_written_in_windows(tmp_path: Path) -> None:
    file = make(tmp_path, "image,label\n.\\a.png,cat\nx\\b.png,dog\n", ("images/a.png", "images/x/b.png"))
    assert [image_id for image_id, *_ in listed(configured(file, root="images"))] == ["a.png", "x/b.png"]


def test_files_that_are_not_there_are_counted_and_read_errors(tmp_path: Path) -> None:
    dataset = configured(make(tmp_path, ROWS + "gone.png,cat\n"))
    assert dataset.notes["missing_files"] == 1
    assert [(e.image_id, e.read_error) for e in examples(dataset)["train"] if e.read_error] == [
        ("gone.png", "not there")
    ]


def test_dicom_and_what_is_no_image(tmp_path: Path, dicom_stand_in) -> None:
    file = make(tmp_path, "image,label\nscan,cat\nnotes.txt,dog\n", ())
    (tmp_path / "scan").write_bytes(b"DICM P1")
    (tmp_path / "notes.txt").write_bytes(b"text")
    first, second = examples(configured(file))["train"]
    assert (first.read_error, second.read_error) == ("", "neither a picture nor DICOM")
    assert first.columns.keys() == second.columns.keys()


def test_a_parquet_manifest_makes_a_table(tmp_path: Path) -> None:
    make(tmp_path / "s")
    (tmp_path / "s/m.csv").unlink()
    columns = {"image": ["a.png", "x/b.png"], "label": [3, 10], "age": [41, None]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "s/m.parquet")
    table = cache.load_table(
        "image_table",
        source=tmp_path / "s/m.parquet",
        options={"keep_columns": ("age",), "ordered": ("3", "10")},
        cache_dir=tmp_path / "c",
        **{"image_size": 2, "channels": 1, "fit": "pad", "on_bad_image": "stop", "progress": False},
    )
    assert table.class_names == ("3", "10")
    assert table.columns["age"].tolist() == ["41", ""]
    assert table.images[:, 0, 0, 0].tolist() == [0, 1]
    assert table.ordered


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("image,label\na.png,cat\n", {}, "found 'cat': there is nothing to tell apart"),
        (ROWS, {"group_column": "who"}, "has no column 'who'"),
        (ROWS + "a.png,dog\n", {}, r"2 rows of the manifest with an image that another row names too \(row 1, 3\)"),
        (ROWS + "./x/../a.png,dog\n", {}, r"another row names too \(row 1, 3\)"),
        (ROWS + "/etc/passwd,dog\n", {}, r"1 row of .* absolute or leaves the folder \(row 3\)"),
        (ROWS + "C:\\a.png,dog\n", {}, "absolute or leaves"),
        (ROWS + "x/../../a.png,dog\n", {}, "absolute or leaves"),
        (ROWS + ",dog\n", {}, r"1 row of the manifest without an image \(row 3\)"),
        (ROWS, {"root": ".."}, r"root is '\.\.'; it must be a folder below"),
        (ROWS, {"root": "img"}, r"none of the 2 images .* is there; .* \(now 'img'\)"),
        (ROWS + "c.png,cat|dog\n", {}, r"several labels in row 3, 'cat\|dog'"),
        (ROWS + 'c.png,"cat, dog"\n', {}, "several labels in row 3, 'cat, dog'"),
        (ROWS + "c.png,cat;dog\n", {}, "several labels in row 3, 'cat;dog'"),
        (ROWS + "c.png,[1]\n", {}, r"several labels in row 3, '\[1\]'"),
        (ROWS + "c.nii.gz,cat\n", {}, "holds 1 NIfTI file"),
        (ROWS, {"split_column": "label"}, "must be different columns"),
        (ROWS, {"label_column": ""}, "label_column is ''; give the name"),
        (ROWS, {"keep_columns": "sex"}, r"keep_columns is 'sex'; write a list of names: \('sex',\)"),
        (ROWS, {"keep_columns": ("image",)}, "keep_columns names 'image'"),
        (ROWS, {"keep_columns": ("who",), "group_column": "who"}, "keep_columns names 'who'"),
        (ROWS, {"keep_columns": ("source_x",)}, "keep_columns names 'source_x'"),
        (
            "image,label,s\na.png,cat,train\nx/b.png,dog,holdout\n",
            {"split_column": "s"},
            "'holdout' in 1 rows; allowed",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, text: str, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        configured(make(tmp_path, text, ("a.png", "x/b.png", "c.nii.gz")), **options)
    assert "\n" not in str(caught.value)


def test_a_comma_within_a_class_name_is_no_list(tmp_path: Path) -> None:
    dataset = configured(make(tmp_path, 'image,label\na.png,"mild, chronic"\nx/b.png,none\n'))
    assert dataset.class_names == ("mild, chronic", "none")
