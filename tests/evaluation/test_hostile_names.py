"""Class, folder and file names that are HTML or formulas, from a folder of images to the pages and tables written."""

import csv
import json

import numpy as np
import pytest

from medjax.datasets.png import to_png
from medjax.evaluation.audit_page import audit_page
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions, read_csv, write_csv
from medjax.evaluation.report import write_report
from medjax.pipeline.audit import audit
from medjax.pipeline.cache import load_table
from tests.evaluation.test_report import Page

CLASSES = ("<img src=x onerror=alert(1)>", "=HYPERLINK(1)&'\"><script>alert(2)<")
FILES = ("@SUM(1+1)<svg onload=alert(3)>.png", "-2+3.png", "'=x\n.png", '"><iframe src=javascript:alert(4)>.png')
FORMULA = tuple("=+-@\t\r\n")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for name in CLASSES:
        (folder / name).mkdir()
        for file in FILES:
            (folder / name / file).write_bytes(to_png(random.integers(0, 256, (16, 16), np.uint8)))
        (folder / name / "+broken.png").write_bytes(b"no picture")
    return load_table(
        "image_folder",
        source=folder,
        image_size=16,
        channels=1,
        fit="squash",
        on_bad_image="skip",
        cache_dir=tmp_path_factory.mktemp("cache"),
        options={"ids": "names"},
        progress=False,
    )


@pytest.fixture
def predictions(table):
    probabilities = np.tile([[0.75, 0.25], [0.375, 0.625]], (len(table) // 2, 1))
    columns = {"=site": list(FILES) * 2, "<b>age": ["1"] * len(table)}
    return Predictions(
        table.image_ids.tolist(), table.image_ids.tolist(), table.labels, probabilities, table.class_names, columns
    )


def check(source):
    page = Page(source)
    assert {"script", "iframe", "svg"}.isdisjoint(tag for tag, _ in page.tags)
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    return page.text


def test_names_reach_the_table_as_they_are(table):
    assert sorted(table.class_names) == sorted(CLASSES)
    assert len(table) == 8
    assert len(table.skipped) == 2


def test_the_report_shows_them_as_text(table, predictions, tmp_path):
    metrics = evaluate(predictions)
    evaluation = {
        "demo": False,
        "dataset": CLASSES[0],
        "unit_of_split": CLASSES[1],
        "classes": list(CLASSES),
        "skipped_images": [list(pair) for pair in table.skipped],
        "splits": {"test": metrics},
    }
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    (tmp_path / "audit.json").write_text(json.dumps(audit(table)))
    write_csv(tmp_path / "predictions_test.csv", predictions)
    thumbnails = dict(zip(table.image_ids.tolist(), table.images, strict=True))
    text = check(write_report(tmp_path, thumbnails).read_text())
    for name in (*CLASSES, FILES[0], "+broken.png"):
        assert name in text


def test_the_audit_shows_them_as_text(table):
    rows = np.arange(len(table))
    found = audit(table, {"train": rows[::2], "test": rows[1::2]})
    assert CLASSES[0] in check(audit_page(found, {}))


def test_no_cell_of_the_predictions_is_a_formula_and_all_come_back(predictions, tmp_path):
    write_csv(tmp_path / "p.csv", predictions)
    with open(tmp_path / "p.csv", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(FORMULA)]
    again = read_csv(tmp_path / "p.csv")
    assert (again.class_names, again.image_ids) == (predictions.class_names, predictions.image_ids)
    assert again.columns == predictions.columns
