import csv
import io
from pathlib import Path
from typing import Any

import pytest

from medjax.datasets.rsna_tables import COORDINATES_FILE, LABELS_FILE, Place, Target, find_root, read_targets
from medjax.datasets.source import open_source
from medjax.errors import UserError

LEVELS = ("l1_l2", "l2_l3", "l3_l4", "l4_l5", "l5_s1")
KINDS = (
    "spinal_canal_stenosis",
    "left_neural_foraminal_narrowing",
    "right_neural_foraminal_narrowing",
    "left_subarticular_stenosis",
    "right_subarticular_stenosis",
)
COLUMNS = [f"{kind}_{level}" for kind in KINDS for level in LEVELS]
COORDINATE = {
    **{"study_id": "10", "series_id": "7", "instance_number": "3", "condition": "Left Subarticular Stenosis"},
    **{"level": "L4/L5", "x": "12.5", "y": "30"},
}


def table(rows: list[dict[str, str]]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def labels(study: str = "10", **grades: str) -> dict[str, str]:
    return {"study_id": study, **dict.fromkeys(COLUMNS, "Normal/Mild")} | grades


def read(root: Path, labels_text: str | bytes, coordinates: str | bytes = "") -> dict[str, Target]:
    for name, text in ((LABELS_FILE, labels_text), (COORDINATES_FILE, coordinates or table([COORDINATE]))):
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    source = open_source(root)
    return {f"{target.study}/{target.column}": target for target in read_targets(source, find_root(source))}


def test_a_study_has_25_targets_and_an_empty_grade_is_missing_not_normal(tmp_path: Path) -> None:
    grades = {"right_subarticular_stenosis_l5_s1": "Severe", "spinal_canal_stenosis_l1_l2": ""}
    targets = read(tmp_path, table([labels(**grades)]))
    assert [target.column for target in targets.values()] == COLUMNS
    assert targets["10/right_subarticular_stenosis_l5_s1"].label == 2
    assert targets["10/spinal_canal_stenosis_l1_l2"].label == -1
    assert targets["10/spinal_canal_stenosis_l2_l3"].label == 0


def test_a_coordinate_goes_to_its_target_and_the_others_have_none(tmp_path: Path) -> None:
    targets = read(tmp_path, table([labels(), labels("9")]))
    placed = targets["10/left_subarticular_stenosis_l4_l5"]
    assert placed[:4] == ("10", "subarticular_stenosis", "left", "l4_l5")
    assert placed.place == Place("7", 3, 12.5, 30.0)
    assert sum(target.place is not None for target in targets.values()) == 1


def test_a_byte_order_mark_and_further_columns_do_no_harm(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + table([labels() | {"remark": "x"}]).encode()
    assert len(read(tmp_path, text)) == 25


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"study_id": "10.0"}, r"train\.csv, line 2: study_id is '10\.0'; it must be a whole number"),
        ({"study_id": "../10"}, "it must be a whole number"),
        ({"study_id": ""}, "it must be a whole number"),
        ({"study_id": "9" * 19}, "it must be a whole number"),
        ({"study_id": "٣"}, "it must be a whole number"),
        ({COLUMNS[3]: "Mild"}, f"{COLUMNS[3]} is 'Mild'; allowed are Normal/Mild, Moderate, Severe, or nothing"),
        ({COLUMNS[3]: "nan"}, "is 'nan'; allowed are"),
    ],
)
def test_a_wrong_grade_is_one_clear_line(tmp_path: Path, row: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        read(tmp_path, table([labels() | row]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"x": "left"}, r"coordinates\.csv, line 2: x is 'left'; it must be a number of pixels"),
        ({"y": "nan"}, "y is 'nan'; it must be a number"),
        ({"y": "inf"}, "y is 'inf'; it must be a number"),
        ({"instance_number": "-1"}, "instance_number is '-1'; it must be a whole number"),
        ({"series_id": "a/b"}, "series_id is 'a/b'"),
        ({"condition": "Scoliosis"}, "condition 'Scoliosis' at level 'L4/L5' is not known; conditions are Left Neural"),
        ({"level": "L6/S1"}, "at level 'L6/S1' is not known"),
        ({"study_id": "11"}, r"1 coordinates of studies that are not in train\.csv, the first of study 11"),
    ],
)
def test_a_wrong_coordinate_is_one_clear_line(tmp_path: Path, row: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        read(tmp_path, table([labels()]), table([COORDINATE | row]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["study_id", COLUMNS[0]])
def test_a_missing_column_of_grades_is_named(tmp_path: Path, missing: str) -> None:
    row: dict[str, Any] = labels()
    del row[missing]
    with pytest.raises(UserError, match=rf"train\.csv lacks the column '{missing}' \(1 of 26 are missing\)"):
        read(tmp_path, table([row]))


def test_a_missing_column_of_coordinates_is_named(tmp_path: Path) -> None:
    row = {key: value for key, value in COORDINATE.items() if key != "instance_number"}
    with pytest.raises(UserError, match="lacks the column 'instance_number'"):
        read(tmp_path, table([labels()]), table([row]))


def test_a_study_or_a_coordinate_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 3: study 10 is there twice"):
        read(tmp_path, table([labels(), labels()]))
    with pytest.raises(UserError, match="line 3: study 10 has two coordinates for left_subarticular_stenosis_l4_l5"):
        read(tmp_path, table([labels()]), table([COORDINATE, COORDINATE]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "lacks the column"),
        (b"\x00\xff\xfe", "cannot be read: it is not UTF-8 text"),
        (table([labels()]).encode() + b"11,Severe\n", "line 3: not as many values as columns"),
        (table([labels()]).encode().strip() + b",Severe\n", "line 2: not as many values as columns"),
        (table([labels()]).encode() + b'"11', "cannot be read"),
    ],
)
def test_a_file_that_is_no_such_table_is_one_clear_line(tmp_path: Path, text: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_the_tables_are_found_at_any_depth_and_only_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no folder with train\.csv and train_label_coordinates\.csv"):
        find_root(open_source(tmp_path))
    for folder in ("a/b", "c"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / LABELS_FILE).touch()
    (tmp_path / "a/b" / COORDINATES_FILE).touch()
    assert find_root(open_source(tmp_path)) == "a/b/"
    (tmp_path / "c" / COORDINATES_FILE).touch()
    with pytest.raises(UserError, match="holds 2 folders"):
        find_root(open_source(tmp_path))
