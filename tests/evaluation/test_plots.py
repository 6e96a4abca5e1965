import csv
import io

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from medjax.errors import UserError
from medjax.evaluation.plot import figure_sections, write_files
from medjax.evaluation.plots import draw
from tests.evaluation.hand_made import FIELDS, judged, record


@pytest.fixture(scope="module")
def drawn():
    return {plot.name: plot for plot in draw(record())}


def texts(plot):
    return [text.get_text() for text in plot.figure.findobj(Text)]


def test_all_figures_in_the_order_of_the_page(drawn):
    assert list(drawn) == [
        "confusion_test", "confusion_val", "roc", "precision_recall", "reliability", "decision_curves", "loss"
    ]  # fmt: skip


@pytest.mark.parametrize("lacking", ["curves", "decision_curves", "reliability"])
def test_a_figure_without_numbers_is_left_out(lacking):
    metrics = {name: value for name, value in FIELDS["evaluation"]["splits"]["test"].items() if name != lacking}
    if lacking == "reliability":
        metrics.pop("after_temperature")
    names = [plot.name for plot in draw(record(evaluation={"splits": {"test": metrics}}, rows=[]))]
    gone = {"curves": {"roc", "precision_recall"}}.get(lacking, {lacking})
    assert names == [
        n for n in ("confusion_test", "roc", "precision_recall", "reliability", "decision_curves") if n not in gone
    ]


def test_a_panel_says_class_area_and_interval(drawn):
    assert {"clear", "ill", "AUROC 0.830", "1 − specificity", "Sensitivity"} <= set(texts(drawn["roc"]))
    assert {"AP 0.840", "AP 0.860"} <= set(texts(drawn["precision_recall"]))


def test_the_words_name_what_the_picture_shows(drawn):
    assert drawn["roc"].alt.endswith("test: clear AUROC 0.830; ill AUROC 0.830.")
    assert drawn["roc"].caption.endswith("Shaded: 95 % interval at each point.")
    assert "before: 0.60 right 0.50; after temperature: 0.55 right 0.50" in drawn["reliability"].alt
    assert "training 0.9 at epoch 1, 0.4 at epoch 19" in drawn["loss"].alt
    assert "Dotted line: chosen epoch 13." in drawn["loss"].caption


def test_the_numbers_behind_a_curve(drawn):
    assert drawn["roc"].columns == ["class", "fpr", "tpr", "low", "high"]
    assert drawn["roc"].rows[:3] == [["clear", 0, 0, 0, 0], ["clear", 0.5, 0.75, 0.7, 0.8], ["clear", 1, 1, None, None]]
    assert drawn["precision_recall"].rows[1] == ["clear", 0.5, 0.75, None, None]
    assert drawn["decision_curves"].rows == [["ill", 0.1, 0.3, 0.4], ["ill", 0.5, 0.2, -0.5]]
    assert drawn["loss"].rows == [[1, 0.9, 0.8], [19, 0.4, None]]
    assert drawn["confusion_test"].rows == [["clear", 70, 6], ["ill", 7, 48]]


def test_the_histogram_counts_the_labelled_images(drawn):
    counts = {round(row[1], 2): row[3] for row in drawn["reliability"].rows if row[0] == "histogram, from"}
    assert sum(counts.values()) == 2
    assert counts[0.9] == counts[0.55] == 1


def test_without_temperature_there_is_one_curve():
    (plot,) = (p for p in draw(judged(after_temperature=None)) if p.name == "reliability")
    assert {row[0] for row in plot.rows} == {"network", "histogram, from"}


def test_many_classes_take_several_figures():
    classes = [f"class {n}" for n in range(8)]
    curve = {"threshold": [0.1], "model": [0.1], "all": [0.1]}
    per_class = {name: {"support": 1} for name in classes}
    many = judged(decision_curves=dict.fromkeys(classes, curve), per_class=per_class, curves={})
    names = {p.name: p for p in draw(many)}
    assert [row[0] for row in names["decision_curves_1"].rows] == classes[:6]
    assert [row[0] for row in names["decision_curves_2"].rows] == classes[6:]


def test_a_demo_says_so_in_every_figure():
    assert all(any("DEMO" in text for text in texts(plot)) for plot in draw(record(evaluation={"demo": True})))
    assert not any("DEMO" in text for plot in draw(record()) for text in texts(plot))


def test_files_are_pictures_and_numbers(tmp_path, drawn):
    write_files(tmp_path / "figures", [drawn["roc"]], demo=False)
    with Image.open(tmp_path / "figures/roc.png") as picture:
        assert picture.size[0] == 680
    rows = list(csv.reader(io.StringIO((tmp_path / "figures/roc.csv").read_text())))
    assert rows[0] == ["class", "fpr", "tpr", "low", "high"]
    assert [float(cell) if cell else None for cell in rows[2][1:]] == [0.5, 0.75, 0.7, 0.8]
    assert rows[3][3] == ""


def test_the_rows_of_a_demo_say_so(tmp_path, drawn):
    write_files(tmp_path, [drawn["loss"]], demo=True)
    rows = list(csv.reader(io.StringIO((tmp_path / "loss.csv").read_text())))
    assert [row[0] for row in rows] == ["demo", "true", "true"]


def test_the_same_numbers_give_the_same_files(tmp_path):
    for folder in ("a", "b"):
        write_files(tmp_path / folder, [p for p in draw(record()) if p.name == "reliability"], demo=False)
    for name in ("reliability.png", "reliability.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_class_name_is_no_formula(tmp_path, drawn):
    plot = drawn["confusion_val"]
    object.__setattr__(plot, "rows", [["=1+1", 1, 2]])
    write_files(tmp_path, [plot], demo=False)
    assert (tmp_path / "confusion_val.csv").read_text().endswith("'=1+1,1,2\n")


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_files(tmp_path / "file" / "figures", [], demo=False)


def test_the_page_says_once_where_the_files_are(drawn):
    parts = figure_sections([drawn["confusion_test"], drawn["roc"], drawn["precision_recall"]])
    assert [part.count("<img") for part in parts] == [1, 2]
    assert ["folder figures/" in part for part in parts] == [False, True]
    assert figure_sections([]) == []


def test_numbers_survive_to_the_last_bit(tmp_path, drawn):
    value = float(np.nextafter(0.1, 1))
    plot = drawn["decision_curves"]
    object.__setattr__(plot, "rows", [["ill", value, None, 0]])
    write_files(tmp_path, [plot], demo=False)
    rows = list(csv.reader(io.StringIO((tmp_path / "decision_curves.csv").read_text())))
    assert float(rows[1][1]) == value
