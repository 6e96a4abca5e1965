import dataclasses

import numpy as np
import pytest

from medjax.baselines import baselines, thumbnails, write_baselines
from medjax.evaluation.predictions import Predictions, read_csv, write_csv
from medjax.pipeline.table import ImageTable


def table(images, labels, classes=3):
    count = len(images)
    ids = np.array([f"i{row}" for row in range(count)])
    names = tuple("abcdefgh"[:classes])
    labels = np.array(labels, np.int32)
    return ImageTable(images, labels, ids, np.array([""] * count), {}, names, "f", "h", "t", False, ())


def bright(labels, size=11):
    """Noise, whose left upper corner is the brighter the higher the label."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 20, (len(labels), size, size, 1), dtype=np.uint8)
    images[:, :6, :6] += (60 * np.maximum(labels, 0)).astype(np.uint8)[:, None, None, None]
    return images


LABELS = np.arange(120) % 3
SPLITS = {"train": np.arange(80), "test": np.arange(80, 120)}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_thumbnails_are_means_over_fields(dtype):
    images = np.random.default_rng(0).integers(0, 256, (5, 11, 16, 2)).astype(dtype)
    found = thumbnails(images, np.array([4, 1])).reshape(2, 8, 8, 2)
    # 11 rows over 8 fields begin at 0, 1, 2, 4, 5, 6, 8, 9
    assert found[0, 2, 3] == pytest.approx(images[4, 2:4, 6:8].mean(axis=(0, 1)))
    assert found[1, 7, 7] == pytest.approx(images[1, 9:11, 14:16].mean(axis=(0, 1)))


def test_the_prior_is_the_training_splits():
    labels = np.array([0, 0, 0, 1, -1, 2, 2, 2])
    found = baselines(table(bright(labels), labels), {"train": np.arange(5), "test": np.arange(5, 8)})
    assert found["class_prior"].tolist() == [[0.75, 0.25, 0.0]] * 3


def test_what_brightness_tells_is_learnt_and_shuffled_labels_are_not():
    found = baselines(table(bright(LABELS), LABELS), SPLITS)
    right = {name: (p.argmax(axis=1) == LABELS[80:]).mean() for name, p in found.items()}
    assert right["thumbnails"] > 0.9
    assert right["shuffled_labels"] < 0.6
    assert all(p.sum(axis=1) == pytest.approx(1) for p in found.values())


def test_the_same_images_give_the_same_predictions():
    first, second = (baselines(table(bright(LABELS), LABELS), SPLITS) for _ in range(2))
    assert all((first[name] == second[name]).all() for name in first)


def test_the_test_images_change_nothing_but_their_own_predictions():
    images = bright(LABELS)
    before = baselines(table(images, LABELS), SPLITS)
    changed = images.copy()
    changed[81:] = 255
    after = baselines(table(changed, (LABELS + (np.arange(120) >= 80)) % 3), SPLITS)
    assert all((before[name][0] == after[name][0]).all() for name in before)


def test_a_class_that_is_never_trained_on_gets_nothing():
    found = baselines(table(bright(LABELS), LABELS, classes=4), SPLITS)
    assert all(p.shape == (40, 4) for p in found.values())
    assert not any(p[:, 3].any() for p in found.values())
    alone = baselines(table(bright(LABELS * 0 + 1), LABELS * 0 + 1), SPLITS)
    assert alone["thumbnails"].tolist() == [[0.0, 1.0, 0.0]] * 40


def test_large_splits_are_thinned_but_not_for_the_prior(monkeypatch):
    monkeypatch.setattr("medjax.baselines._MOST_IMAGES", 4)
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 2, 2])
    found = baselines(table(bright(labels), labels), {"train": np.arange(8), "test": np.array([8])})
    assert found["class_prior"][0].tolist() == [0.5, 0.375, 0.125]
    assert found["thumbnails"].tolist() == [[1.0, 0.0, 0.0]]  # every second image, of class 0 alone


def test_the_tables_are_those_of_the_model_with_other_probabilities(tmp_path):
    whole = table(bright(LABELS), LABELS)
    ids = whole.image_ids[SPLITS["test"]].tolist()
    model = Predictions(ids, ["g"] * 40, LABELS[80:], np.full((40, 3), 1 / 3), whole.class_names, {"site": ["s"] * 40})
    write_csv(tmp_path / "predictions_test.csv", model)
    write_baselines(tmp_path, whole, SPLITS)
    expected = baselines(whole, SPLITS)
    for name, probabilities in expected.items():
        found = read_csv(tmp_path / "baselines" / f"{name}.csv")
        assert (found.probabilities == probabilities).all()
        same = dataclasses.replace(found, probabilities=model.probabilities)
        assert (same.image_ids, same.group_ids, same.columns) == (model.image_ids, model.group_ids, model.columns)
