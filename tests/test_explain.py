import json
import subprocess
import sys

import pytest
from PIL import Image

from medjax.datasets.phantom_drawing import draw
from medjax.errors import UserError
from medjax.evaluation.intervals import wilson
from medjax.inference.explanation import METHODS, explain_files


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two phantoms and a file that is none, under a name that may identify somebody."""
    folder = tmp_path_factory.mktemp("pictures")
    Image.fromarray(draw(0, 900)[0]).save(folder / "a_smith.png")
    (folder / "b_smith.png").write_bytes(b"no image")
    Image.fromarray(draw(1, 901)[0]).save(folder / "c_smith.png")
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_each_image_is_explained_and_the_one_that_cannot_be_used_keeps_its_number(finished, pictures, tmp_path, method):
    workdir, evaluation = finished
    found = explain_files([str(pictures)], workdir, tmp_path, method=method, sanity=method == "gradcam")
    assert [row["file"] for row in found["images"]] == ["0001.png", "0003.png"]
    assert {row["class"] for row in found["images"]} <= set(evaluation["classes"])
    assert all(row["sum"] != 0 for row in found["images"])
    assert {file.name for file in tmp_path.glob("0*.png")} == {"0001.png", "0003.png"}
    assert json.loads((tmp_path / "explanations.json").read_text()) == found
    assert found["demo"] is True
    if method == "integrated_gradients":
        for row in found["images"]:
            assert row["sum"] == pytest.approx(row["score"] - row["black_score"], rel=0.05, abs=0.01)
    if method == "gradcam":
        sanity = json.loads((tmp_path / "sanity.json").read_text())
        layers = ["head/fc", "head/hidden0", "backbone/conv2", "backbone/conv1"]
        assert [stage["layer"] for stage in sanity["stages"]] == layers
        assert sanity["verdict"] == found["sanity"]
        assert (tmp_path / "sanity.png").stat().st_size > 1000
    assert not any(b"smith" in file.read_bytes() for file in tmp_path.iterdir())


def test_a_given_class_and_layer_are_explained(finished, pictures, tmp_path):
    workdir, evaluation = finished
    name, given = evaluation["classes"][2], str(pictures / "a_smith.png")
    found = explain_files([given], workdir, tmp_path, method="gradcam", layer="backbone/conv1", class_name=name)
    assert found["layer"] == "backbone/conv1"
    assert [row["class"] for row in found["images"]] == [name]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"method": "lime"}, "choose from gradcam, integrated_gradients, occlusion"),
        ({"layer": "conv2"}, "choose from backbone/conv1, backbone/conv2"),
        ({"method": "occlusion", "layer": "backbone/conv2"}, "for --method=gradcam alone"),
        ({"class_name": "glioma"}, "--class=glioma is no class of the run; choose from infiltrating"),
    ],
)
def test_a_wrong_wish_is_one_clear_line_and_nothing_is_written(finished, pictures, tmp_path, wrong, words):
    with pytest.raises(UserError, match=words):
        explain_files([str(pictures)], finished[0], tmp_path / "out", **{"method": "gradcam", **wrong})
    assert not (tmp_path / "out").exists()


def test_where_no_image_can_be_used_there_is_an_error_and_no_empty_folder(finished, pictures, tmp_path):
    with pytest.raises(UserError, match="none of the images could be used"):
        explain_files([str(pictures / "b_smith.png")], finished[0], tmp_path / "out", method="gradcam")
    assert not (tmp_path / "out").exists()


def test_a_run_on_the_phantom_says_how_often_the_peak_lies_in_the_lesion(finished):
    workdir, evaluation = finished
    found = json.loads((workdir / "evaluation.json").read_text())["saliency"]
    assert found == evaluation["saliency"]
    assert found["images"] == evaluation["splits"]["test"]["images"]
    assert found["hit_rate"] == found["hits"] / found["images"]
    assert found["interval"] == list(wilson(found["hits"], found["images"]))
    assert 0.01 < found["area_share"] < 0.2


def test_the_command_without_images_is_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "medjax.explain", "--workdir=run"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "medjax: no images: name files or folders after the options.\n"
