import json
import time

import numpy as np
import pytest

from medjax import costs
from medjax.pipeline.feed import Batch


def test_costs_of_training_are_sums_medians_and_maxima():
    rows = [
        {"step": 10, "epoch": 1, "seconds": 9.0, "images_per_second": 1.0, "peak_memory_bytes": 5},
        {"step": 20, "epoch": 2, "seconds": 2.0, "images_per_second": 4.0, "peak_memory_bytes": 9},
        {"step": 30, "epoch": 3, "seconds": 4.0, "images_per_second": 3.0, "peak_memory_bytes": 7},
    ]
    assert costs.training_costs(rows, best_step=20) == {
        "training_seconds": 15.0,
        "seconds_to_best_epoch": 11.0,
        "training_images_per_second": 3.0,
        "peak_memory_bytes": 9,
    }


def test_what_no_row_holds_is_not_known():
    older = [{"step": 10, "epoch": 1, "seconds": 9.0, "images_per_second": 1.0}]
    assert costs.training_costs(older, 10)["peak_memory_bytes"] is None
    assert set(costs.training_costs([], 10).values()) == {None}


def test_the_peak_of_memory_never_falls_and_holds_what_was_used():
    before = costs.peak_memory_bytes()
    block = np.ones(2**25)  # 256 MiB
    after = costs.peak_memory_bytes()
    del block
    assert after >= 2**28
    assert costs.peak_memory_bytes() >= after >= before


class Stub:
    """A feed that hands on the indices."""

    def ahead(self, indices):
        for rows in indices:
            yield Batch(rows, rows, rows, rows)


def test_prediction_is_timed_after_a_batch_to_warm_up(monkeypatch):
    clock, seen = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def predict(batch):
        seen.append(list(batch.indices))
        clock[0] += 100.0 if len(seen) == 1 else 1.0
        return batch.rows

    assert costs._speed(predict, Stub(), np.arange(10), 4) == 10 / 3
    assert seen[0] == seen[1] == [0, 1, 2, 3]


def test_a_long_pass_is_cut_short(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def predict(batch):
        clock[0] += 4.0
        return batch.rows

    assert costs._speed(predict, Stub(), np.arange(100), 4) == 8 / 8


def test_a_run_writes_what_it_cost(finished):
    workdir, _ = finished
    held = json.loads((workdir / "costs.json").read_text())
    timing = [json.loads(line) for line in (workdir / "timing.jsonl").read_text().splitlines()]
    assert held["training_seconds"] == pytest.approx(sum(row["seconds"] for row in timing))
    assert held["parameters"] == held["trained_parameters"] > 0
    assert held["peak_memory_bytes"] > 2**20
    assert held["inference_images_per_second"] > 0
    assert held["checkpoint_bytes"] > 4 * 3 * held["parameters"]  # weights and Adam's two moments
    assert held["flops_per_image"] > held["parameters"]
