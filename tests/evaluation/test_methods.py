import re
from collections import Counter

import pytest

from medjax.evaluation import data_words, methods, training_words
from tests.evaluation.hand_made import judged, record


def numbers(text):
    return Counter(re.findall(r"(?<![\w.])\d[\d,.]*\d|(?<![\w.])\d", text))


def test_every_number_is_right_and_there_once():
    found = numbers(" ".join(methods.draft(record())))
    assert found == Counter(
        [
            *("2", "700", "5", "7", "11", "13", "9", "655"),  # classes; found, five ways of loss, used
            *("23", "390", "66", "131"),  # seed and sizes of the split
            *("28", "37", "5"),  # copies: exact, near, groups across
            *("96", "96", "1", "0.432", "0.211"),  # pixels, channels, mean, deviation
            *("0.3", "123,456", "7,890"),  # dropout, parameters
            *("12", "7"),  # turns, shifts
            *("0.002", "3", "0.0001", "0.85", "24", "19"),  # rate, warm-up, decay, momentum, batch, seed
            *("41", "6", "19", "13"),  # epochs: at most, patience, last, chosen
            *("95", "2,000", "89", "17"),  # level, resamples, groups, seed
            *("3.11.5", "0.10.2"),
        ]
    )


def test_a_run_that_says_nothing_but_its_results():
    nothing = {name: {} for name in ("config", "environment", "preprocessing", "costs", "audit", "splits")}
    text = " ".join(methods.draft(record(**nothing, rows=[], predictions=None)))
    assert "dataset chest" in text
    assert "Unit of the split: patient or study." in text
    assert not re.search(r"\bNone\b|\{\}|\[\]", text)


def test_images_of_the_source_that_are_all_used_are_said_to_be():
    flow = dict.fromkeys(("found", "readable", "kept", "labelled", "used"), 5)
    assert data_words.inclusion(record(audit={"flow": flow}, splits={"removed": []})) == (
        "All 5 images of the source were used."
    )


def test_synthetic_images_are_called_so():
    assert "synthetic images (DEMO: not a result)" in data_words.data(record(evaluation={"demo": True}))
    assert "DEMO" not in data_words.data(record())


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("clean", "drawn at random from all images"),
        ("official", "is the publisher's"),
        ("official_dedup", "without those that share a group with a test image"),
        ("file", "taken from a file"),
        ("other", "'other'"),
    ],
)
def test_each_kind_of_split_has_its_words(kind, said):
    assert said in data_words.partition(record(splits={"how": {"kind": kind}}))


def test_folds_are_said_in_place_of_a_split():
    text = data_words.partition(record(config={"folds": 5, "fold": -1}, splits={}))
    assert "cross-validation with 5 folds" in text
    assert "was drawn" not in text


def test_copies_across_the_split_and_none_and_not_searched():
    assert "; 5 groups of copies lie in two parts" in data_words.copies(record())
    none = {"overall": {"exact_images": 0, "near_images": 0}, "across_splits": []}
    assert "; no group of copies lies in two parts" in data_words.copies(record(audit={"copies": none}))
    unsearched = record(splits={"how": {"kind": "clean", "near_copies": False}})
    assert data_words.copies(unsearched) == "Copies among the images were not searched for."


def test_augmentation_lists_what_is_on():
    assert data_words.augmentation(record()) == (
        "Training images were augmented at random: horizontal flips, turns by up to 12 degrees and "
        "shifts by up to 7 % of the side."
    )
    off = {"flip_horizontal": False, "rotation": 0.0, "crop": 1.0}
    assert data_words.augmentation(record(config={"augment": off})) == "No augmentation was used."
    crop = data_words.augmentation(record(config={"augment": {"crop": 0.8, "mixup": 0.2}}))
    assert "windows of at least 80 % of the side and mixup (α 0.2)" in crop


def test_columns_beside_the_image_are_named():
    told = record(preprocessing={"input_columns": {"level": ["L1"], "side": ["left"]}})
    assert data_words.preprocessing(told).endswith("the network is told: level and side.")


@pytest.mark.parametrize(
    ("weights", "trainable", "said"),
    [
        ("none", "all", "Its weights were drawn at random; all of it was trained."),
        ("imagenet", "head", "Its initial weights are imagenet; only its head was trained."),
        ("imagenet", "from:layer4", "Its initial weights are imagenet; trained: from:layer4."),
    ],
)
def test_initial_weights(weights, trainable, said):
    assert training_words.initial_weights(record(config={"weights": weights, "trainable": trainable})) == said


def test_parameters_are_left_out_where_they_were_not_counted():
    assert "123,456 parameters, 7,890 of them trained" in training_words.network(record())
    assert "parameters" not in training_words.network(record(costs={}))


def test_momentum_is_that_of_sgd_and_clipping_is_said():
    adam = {"name": "adam", "learning_rate": 0.1, "weight_decay": 0.0, "momentum": 0.9, "clip_norm": 1.5}
    text = training_words.optimisation(record(config={"optimizer": adam, "label_smoothing": 0.1}))
    assert "momentum" not in text
    assert "clipped at 1.5" in text
    assert "with label smoothing 0.1" in text


def test_unequal_classes():
    assert training_words.imbalance(record()) == ""
    balanced = record(
        config={"class_weights": "balanced", "sampling": "balanced"}, preprocessing={"prior_correction": {"x": 1}}
    )
    assert training_words.imbalance(balanced) == (
        "Classes were weighted in the loss by their inverse frequency. Every class was drawn equally often. "
        "Predictions were led back to the natural mixture of classes."
    )


def test_no_patience_is_no_early_stopping():
    text = training_words.stopping(record(config={"early_stopping": {"metric": "val_accuracy", "patience_epochs": 0}}))
    assert text == (
        "Training was to last 41 epochs; it lasted 19. The epoch of the best validation accuracy, number 13, was kept."
    )


def test_views_are_said_where_there_are_several():
    assert training_words.views(record()) == ""
    assert "8 augmented views" in training_words.views(record(config={"evaluation": {"views": 8}}))


def test_calibration_is_said_either_way():
    none = "The probabilities are the network's own."
    assert methods.calibration(record()) == none
    assert methods.calibration(record(evaluation={"calibration": {"none": "no calibration split"}})) == none
    fitted = {"images": 44, "groups": 33, "temperature": {"value": 1.2345}}
    sets = {"conformal": {"coverage": 0.9, "refused": None}}
    text = methods.calibration(record(evaluation={"calibration": fitted | sets}))
    assert numbers(text) == Counter(["44", "33", "1.23", "90"])
    refused = {"conformal": {"coverage": 0.9, "refused": "too few"}}
    assert "conformal" not in methods.calibration(record(evaluation={"calibration": fitted | refused}))


def test_too_few_groups_give_no_interval():
    few = {"level": 0.95, "groups": 4, "resamples": 0, "seed": 0}
    assert methods.intervals(judged(intervals=few)).endswith("With 4 groups no interval can be given.")


def test_the_members_of_an_ensemble_are_named():
    members = [{"name": "small_net", "seed": 3}, {"name": "small_net", "seed": 5}]
    run = record(evaluation={"ensemble": members})
    said = "The probabilities of 2 runs were averaged: small_net with seed 3 and small_net with seed 5."
    assert training_words.views(run) == said
