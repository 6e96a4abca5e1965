import csv
import dataclasses

import numpy as np
import pytest

from medjax.errors import UserError
from medjax.evaluation.predictions import Predictions, read_csv, write_csv


def table(**changes):
    fields = {
        "image_ids": ["a", "b", "c"],
        "group_ids": ["p1", "p1", ""],
        "labels": np.array([0, 1, -1]),
        "probabilities": np.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]]),
        "class_names": ("cat", "dog"),
        "columns": {"age": ["30", "", "-5"]},
    }
    return Predictions(**(fields | changes))


def assert_same(left, right):
    for field in dataclasses.fields(Predictions):
        a, b = getattr(left, field.name), getattr(right, field.name)
        assert np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b, field.name


def test_the_file_is_as_documented(tmp_path):
    write_csv(tmp_path / "p.csv", table())
    assert (tmp_path / "p.csv").read_text() == (
        "image_id,group_id,label,prob_cat,prob_dog,age\na,p1,cat,0.75,0.25,30\nb,p1,dog,0.5,0.5,\nc,,,0.125,0.875,-5\n"
    )


def test_every_float64_comes_back_exactly(tmp_path):
    probabilities = np.random.default_rng(0).dirichlet([0.1, 1, 3], size=200)
    many = Predictions([str(i) for i in range(200)], [""] * 200, np.zeros(200), probabilities, ("a", "b", "c"))
    write_csv(tmp_path / "p.csv", many)
    assert_same(read_csv(tmp_path / "p.csv"), many)


@pytest.mark.parametrize(
    "text", ["=1+1", "+x", "-x", "@x", "\tx", "'=x", "''-", "-5", "'-5", "'x", 'a,"b"', "é\nü", "-5,0", "\udcff.png"]
)
def test_every_text_comes_back(tmp_path, text):
    written = table(
        image_ids=[text, "b", "c"], group_ids=[text] * 3, class_names=(text, "dog"), columns={text: [text] * 3}
    )
    write_csv(tmp_path / "p.csv", written)
    assert_same(read_csv(tmp_path / "p.csv"), written)


@pytest.mark.parametrize("text", ["=cmd()", "+x", "-x", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(tmp_path, text):
    write_csv(
        tmp_path / "p.csv", table(image_ids=[text, "b", "c"], class_names=(text, "dog"), columns={text: [text] * 3})
    )
    with open(tmp_path / "p.csv", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'" + text in cells
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r")]


def test_numbers_stay_numbers(tmp_path):
    write_csv(tmp_path / "p.csv", table(columns={"x": ["-1.5e-3", "+2", "-.5"]}))
    assert [line.split(",")[-1] for line in (tmp_path / "p.csv").read_text().splitlines()[1:]] == [
        "-1.5e-3",
        "+2",
        "-.5",
    ]


def test_another_tools_file_is_read(tmp_path):
    (tmp_path / "p.csv").write_bytes(b"\xef\xbb\xbfprob_dog,label,image_id,prob_cat\r\n0.25,dog,x,0.75\r\n\r\n")
    predictions = read_csv(tmp_path / "p.csv")
    assert predictions.class_names == ("dog", "cat")
    assert predictions.labels.tolist() == [0]
    assert predictions.group_ids == [""]
    assert predictions.probabilities.tolist() == [[0.25, 0.75]]


HEADER = "image_id,group_id,label,prob_cat,prob_dog\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER + "a,,cat,1,0\na,,dog,0,1\n", r"p\.csv, row 2: image_id 'a' is in row 1 too"),
        (HEADER + "a,,cat,1,0\nb,,dog,nan,1\n", r"p\.csv, row 2 \(image_id 'b'\): probabilities must be finite"),
        (HEADER + "a,,cat,inf,0\n", "must be finite"),
        (HEADER + "a,,cat,1.5,-0.5\n", r"row 1 \(image_id 'a'\): probabilities must not be negative"),
        (HEADER + "a,,cat,0.6,0.398\n", r"row 1 \(image_id 'a'\): probabilities must sum to 1"),
        (HEADER + "a,,mouse,1,0\n", r"row 1 \(image_id 'a'\): label 'mouse' is none of \['cat', 'dog'\]"),
        (HEADER + "a,,cat,one,0\n", r"row 1 \(image_id 'a'\), prob_cat: 'one' is not a number"),
        (HEADER + "a,,cat,,1\n", r"prob_cat: '' is not a number"),
        (HEADER + ",,cat,1,0\n", "row 1: image_id is empty"),
        (HEADER + "a,,cat,1\n", "row 1: 4 cells under 5 columns"),
        ("image_id,label,label,prob_cat\n", "column 'label' is there twice"),
        ("image_id,prob_cat\n", "column 'label' is missing"),
        ("image_id,label\n", "no column prob_"),
        ("", "column 'image_id' is missing"),
        (HEADER + 'a,,"cat,1,0\n', "cannot be read as CSV"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path, content, message):
    (tmp_path / "p.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        read_csv(tmp_path / "p.csv")


def test_a_folder_is_a_users_error(tmp_path):
    with pytest.raises(UserError, match="Is a directory"):
        read_csv(tmp_path)


def test_a_missing_file_is_a_users_error(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_csv(tmp_path / "none.csv")


def test_sums_within_a_thousandth_are_taken_as_they_are(tmp_path):
    (tmp_path / "p.csv").write_text(HEADER + "a,,cat,0.6,0.3995\n")
    assert read_csv(tmp_path / "p.csv").probabilities.tolist() == [[0.6, 0.3995]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.array([0, 2, -1])}, "row 2 .*label 2 is no index"),
        ({"labels": np.array([0, 1])}, r"\(2,\) labels"),
        ({"group_ids": ["p1"]}, "1 groups"),
        ({"probabilities": np.ones((3, 1))}, r"shape \(3, 1\)"),
        ({"class_names": ("cat", "cat")}, "unique"),
        ({"columns": {"age": ["1"]}}, "'age' has 1 values for 3 images"),
        ({"columns": {"prob_x": ["1"] * 3}}, "cannot be called 'prob_x'"),
        ({"columns": {"label": ["1"] * 3}}, "cannot be called 'label'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        table(**changes)


def test_writing_replaces_the_file_in_one_step(tmp_path, monkeypatch):
    write_csv(tmp_path / "p.csv", table())
    before = (tmp_path / "p.csv").read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_csv(tmp_path / "p.csv", table(image_ids=["x", "y", "z"]))
    assert (tmp_path / "p.csv").read_bytes() == before


def test_a_disk_that_fills_up_is_one_line_and_the_file_before_stays(tmp_path, files_end_at):
    write_csv(tmp_path / "p.csv", table())
    before = (tmp_path / "p.csv").read_bytes()
    with files_end_at(len(before) - 1), pytest.raises(UserError, match=r"cannot write .*p.csv: .*free some space"):
        write_csv(tmp_path / "p.csv", table(image_ids=["x", "y", "z"]))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("p.csv", before)]


@pytest.mark.parametrize(
    "line",
    [b"image_id,label," + b"abcdefgh," * 1_100_000, b"image_id,label," + b"x" * 10_000_000, b"0123456789," * 900_000],
)
def test_a_line_of_ten_megabytes_is_one_short_line(tmp_path, line):
    (tmp_path / "p.csv").write_bytes(line + b"\n")
    with pytest.raises(UserError) as caught:
        read_csv(tmp_path / "p.csv")
    assert len(str(caught.value)) < 2100
