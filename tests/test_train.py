"""A whole run of a tiny network on the phantom, looked at from outside: the files it leaves."""

import csv
import json
import logging

import pytest

from medjax.errors import UserError
from medjax.terminal import log


def splits(workdir):
    return json.loads((workdir / "splits.json").read_text())["splits"]


def rows(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_folder_holds_all_that_a_run_promises(finished):
    workdir, _ = finished
    names = {path.name.split(".out.")[0] for path in workdir.iterdir()}
    assert names == {
        "config.json",
        "environment.json",
        "run.lock",
        "splits.json",
        "metrics.jsonl",
        "timing.jsonl",
        "events",
        "checkpoints",
        "predictions_val.csv",
        "predictions_test.csv",
        "preprocessing.json",
        "baselines",
        "costs.json",
        "evaluation.json",
        "audit.json",
        "audit.html",
        "figures",
        "report.html",
    }


def test_demo_is_said_everywhere(finished):
    workdir, evaluation = finished
    assert evaluation["demo"]
    assert json.loads((workdir / "config.json").read_text())["demo"]
    assert all(row["demo"] for row in rows(workdir / "metrics.jsonl"))
    assert "DEMO" in (workdir / "report.html").read_text()


def test_every_test_image_is_predicted_once(finished):
    workdir, evaluation = finished
    with open(workdir / "predictions_test.csv", newline="") as file:
        ids = [row["image_id"] for row in csv.DictReader(file)]
    assert len(ids) == len(set(ids)) == evaluation["splits"]["test"]["images"] == 180


def test_metrics_hold_one_row_an_epoch_and_no_wall_clock(finished):
    workdir, _ = finished
    table = rows(workdir / "metrics.jsonl")
    assert [row["epoch"] for row in table] == [1, 2, 3]
    assert [row["step"] for row in table] == [5, 10, 15]
    wanted = {"step", "epoch", "train_loss", "train_accuracy", "learning_rate", "val_loss", "val_accuracy", "demo"}
    assert all(set(row) == wanted for row in table)
    assert all(row["images_per_second"] > 0 for row in rows(workdir / "timing.jsonl"))


def test_it_learns(finished):
    losses = [row["train_loss"] for row in rows(finished[0] / "metrics.jsonl")]
    assert losses[-1] < losses[0]


def test_the_best_checkpoint_is_judged_by_the_loss_that_chose_it(finished):
    workdir, evaluation = finished
    best = min(rows(workdir / "metrics.jsonl"), key=lambda row: row["val_loss"])
    assert evaluation["best_epoch"] == best["epoch"]
    assert evaluation["splits"]["val"]["log_loss"] == pytest.approx(best["val_loss"], rel=1e-6)


def test_the_same_seed_gives_the_same_metrics_to_the_byte(finished, run_tiny, tmp_path):
    run_tiny(tmp_path)
    for name in ("metrics.jsonl", "predictions_test.csv", "splits.json"):
        assert (tmp_path / name).read_bytes() == (finished[0] / name).read_bytes()


def test_a_finished_run_says_so_and_only_evaluates(finished, run_tiny, caplog, monkeypatch):
    workdir, evaluation = finished
    before = (workdir / "metrics.jsonl").read_bytes()
    monkeypatch.setattr(log, "propagate", True)
    with caplog.at_level(logging.INFO, logger="medjax"):
        assert run_tiny(workdir) == evaluation
    assert "finished" in caplog.text
    assert (workdir / "metrics.jsonl").read_bytes() == before


def test_another_config_in_the_same_folder_is_refused(finished, run_tiny):
    with pytest.raises(UserError, match="batch_size: 128 there, 64 here"):
        run_tiny(finished[0], batch_size=64)


def test_a_given_split_is_used_exactly(finished, run_tiny, tmp_path):
    run_tiny(tmp_path, split__file=str(finished[0] / "splits.json"), split__seed=9, seed=5)
    assert splits(tmp_path) == splits(finished[0])


def test_a_split_is_used_at_another_image_size_too(finished, run_tiny, tmp_path):
    run_tiny(tmp_path, split__file=str(finished[0] / "splits.json"), phantom__image_size=20, phantom__max_epochs=1)
    assert splits(tmp_path) == splits(finished[0])


def test_bfloat16_trains(run_tiny, tmp_path):
    run_tiny(tmp_path, dtype="bfloat16", phantom__max_epochs=1)
    assert rows(tmp_path / "metrics.jsonl")[0]["val_loss"] > 0


def test_early_stopping_ends_the_run(run_tiny, tmp_path):
    run_tiny(tmp_path, early_stopping__patience_epochs=1, early_stopping__min_delta=100.0)
    assert len(rows(tmp_path / "metrics.jsonl")) == 2


def test_the_plateau_lowers_the_rate_by_its_factor(run_tiny, tmp_path):
    run_tiny(
        tmp_path,
        schedule__name="plateau",
        schedule__patience_epochs=1,
        schedule__decay_factor=0.5,
        optimizer__name="sgd",
        optimizer__learning_rate=1e-12,
        early_stopping__metric="val_accuracy",
    )
    rates = [row["learning_rate"] for row in rows(tmp_path / "metrics.jsonl")]
    assert rates == pytest.approx([1e-12, 1e-12, 5e-13])


def test_a_frozen_backbone_trains_on_features_and_is_judged_whole(run_tiny, tmp_path):
    evaluation = run_tiny(tmp_path, trainable="head", feature_views=2)
    best = min(rows(tmp_path / "metrics.jsonl"), key=lambda row: row["val_loss"])
    assert evaluation["splits"]["val"]["log_loss"] == pytest.approx(best["val_loss"], rel=1e-5)
    assert (tmp_path / "features.npy").exists()
