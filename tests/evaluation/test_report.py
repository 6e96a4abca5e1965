import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from medjax.errors import UserError
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions, write_csv
from medjax.evaluation.report import report_image_ids, write_report

NASTY = '<script>alert("1")</script>$title'


class Page(HTMLParser):
    """Collects start tags with attributes, and the text outside <style>."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.text, self._style = [], "", False
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_data(self, data):
        if not self._style:
            self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def make_run(folder, demo=False, names=("glioma", NASTY), optional=True):
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.45, 0.55]])
    predictions = Predictions([f"{NASTY}{i}" for i in range(4)], [""] * 4, labels, probabilities, names)
    metrics = evaluate(predictions)
    evaluation = {
        "demo": demo,
        "dataset": "brain",
        "unit_of_split": "image (patient overlap unknown)",
        "best_epoch": 2,
        "best_step": 20,
        "classes": list(names),
        "skipped_images": [["bad.png", "truncated"]],
        "splits": {"val": metrics, "test": metrics},
    }
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    if optional:
        write_csv(folder / "predictions_test.csv", predictions)
        rows = [{"step": 10 * e, "epoch": e, "train_loss": 1 / e, "val_loss": 2 / e} for e in (1, 2, 3)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "config.json").write_text(json.dumps({"name": NASTY, "seed": 7, "data": {"path": NASTY}}))
        environment = {"git_revision": "abc123", "command": NASTY, "devices": ["cpu:cpu"], "packages": {"jax": "0.10"}}
        (folder / "environment.json").write_text(json.dumps(environment))
        (folder / "splits.json").write_text("{}")
    return predictions


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Source of the page of a real run, with all its pictures; drawing takes its time, so most tests share it."""
    folder = tmp_path_factory.mktemp("run")
    predictions = make_run(folder)
    thumbnails = {image_id: np.zeros((8, 8, 1), np.uint8) for image_id in predictions.image_ids}
    return write_report(folder, thumbnails, {predictions.image_ids[0]: np.ones((2, 2), np.float32)}).read_text()


def test_nothing_is_loaded_from_elsewhere(written):
    page = Page(written)
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    assert not page.all("script")
    assert not page.all("link")
    assert "http://" not in written
    assert "https://" not in written


def test_text_of_others_is_escaped(written):
    assert "<script" not in written
    assert "$title" in Page(written).text


def test_every_picture_has_an_alternative_text(written):
    alternatives = [image["alt"] for image in Page(written).all("img")]
    # two matrices, ROC, precision-recall, reliability, decision, the loss; scale, thumbnails, heat map
    assert len(alternatives) == 7 + 1 + 4 + 1
    assert all(alternatives)
    assert f"true glioma: 1 glioma, 1 {NASTY}" in alternatives[0]
    assert "training 1 at epoch 1, 0.333 at epoch 3" in alternatives[6]
    assert f"{NASTY}1: true glioma, predicted {NASTY}, 0.800" in alternatives


def test_the_unit_of_the_split_comes_first(written):
    text = Page(written).text
    assert text.index("Unit of the split: image (patient overlap unknown).") < text.index("Research use") < 400


def test_images_stand_beside_the_results(written):
    text = Page(written).text.replace("\u2060", "")
    assert "3/4" in text
    assert "0.750 (–)" in text
    assert "interval of every metric: not estimable: 4 groups; 20 are needed" in text
    assert "PPV" in text


def test_sections_follow_one_another(written):
    headings = re.findall(r"<h2>(.*?)</h2>", written)
    assert headings == [
        "Results", "Confusion matrices", "Discrimination", "Calibration and utility", "Learning curves",
        "Sample predictions", "Images left out", "Methods, a draft", "Checklists", "Configuration", "Provenance",
    ]  # fmt: skip


def test_heat_maps_are_counted_as_evidence(written):
    assert "Heat maps of 1 test image, under Sample predictions." in Page(written).text


def test_figures_lie_beside_the_page(tmp_path):
    make_run(tmp_path, optional=False)
    write_report(tmp_path)
    names = {file.name for file in (tmp_path / "figures").iterdir()}
    assert {"roc.png", "roc.csv", "confusion_val.png", "confusion_test.csv", "reliability.csv"} <= names
    assert not [name for name in names if not name.endswith((".png", ".csv"))]


def test_demo_is_loud(tmp_path):
    make_run(tmp_path, demo=True)
    page = Page(write_report(tmp_path).read_text())
    assert page.all("body") == [{"class": "demo"}]
    assert "Nothing on this page is a result." in page.text
    assert "DEMO: " in page.text[:200]


def test_a_real_run_does_not_say_demo(written):
    assert "DEMO" not in Page(written).text


def test_origin_of_the_numbers_is_said(written):
    text = Page(written).text
    for expected in ("abc123", "cpu:cpu", "0.10", "seed", hashlib.sha256(b"{}").hexdigest(), "bad.png", "truncated"):
        assert expected in text


def test_only_evaluation_json_is_needed(tmp_path):
    make_run(tmp_path, optional=False)
    source = write_report(tmp_path).read_text()
    page = Page(source)
    assert "Results" in page.text
    assert "Learning curves" not in page.text
    assert "<h2>Sample predictions" not in source
    assert report_image_ids(tmp_path) == []


def test_a_missing_thumbnail_leaves_the_prediction(tmp_path):
    make_run(tmp_path)
    text = Page(write_report(tmp_path).read_text()).text
    assert text.count("no picture") == 4
    assert f"predicted {NASTY}, 0.800" in text


def test_warnings_are_shown(tmp_path):
    make_run(tmp_path, names=("glioma", "other"))
    evaluation = json.loads((tmp_path / "evaluation.json").read_text())
    evaluation["splits"]["test"]["warnings"] = ["no image of class 'x'"]
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    assert "test: no image of class 'x'." in Page(write_report(tmp_path).read_text()).text


def test_the_images_to_fetch_are_those_shown(tmp_path):
    predictions = make_run(tmp_path)
    assert sorted(report_image_ids(tmp_path)) == predictions.image_ids


def test_the_same_run_gives_the_same_page(tmp_path):
    make_run(tmp_path)
    first = write_report(tmp_path).read_bytes()
    assert write_report(tmp_path).read_bytes() == first


def test_without_an_evaluation_there_is_no_report(tmp_path):
    with pytest.raises(UserError, match=r"no evaluation\.json"):
        write_report(tmp_path)


def test_a_damaged_file_is_named(tmp_path):
    make_run(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json is not JSON"):
        write_report(tmp_path)


def test_a_spiking_network_shows_its_rates_and_names_a_dead_output(tmp_path):
    make_run(tmp_path)
    file = tmp_path / "evaluation.json"
    spiking = {"mean_spike_rate": {"lif1": 0.125}, "dead_outputs": [NASTY]}
    file.write_text(json.dumps({**json.loads(file.read_text()), "spiking": spiking}))
    page = Page(write_report(tmp_path).read_text())
    assert "0.1250" in page.text
    assert f"The output neuron of {NASTY} never fired" in page.text
