"""Losses and gradients that are no numbers, in a whole run of the tiny network."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from medjax.checkpoint import Checkpoints
from medjax.errors import UserError
from medjax.inputs import ImageInput
from medjax.jsonl import read_rows


def test_a_diverged_run_stops_with_step_rate_and_images_and_keeps_the_state_before(run_tiny, tmp_path):
    told = r"not finite at step 2 \(epoch 1, learning rate 9\.9e\+29, images .*, …\): training diverged"
    with pytest.raises(UserError, match=told):
        run_tiny(tmp_path, optimizer__name="sgd", optimizer__learning_rate=1e30)
    assert not [path for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()]
    found = json.loads((tmp_path / "not_finite" / "batch.json").read_text())
    assert (found["step"], found["epoch"], len(set(found["image_ids"]))) == (2, 1, 128)
    assert set(found["image_ids"]) <= set(json.loads((tmp_path / "splits.json").read_text())["splits"]["train"])
    assert found["learning_rate"] == pytest.approx(9.89e29, rel=1e-3)
    with Checkpoints(tmp_path / "not_finite" / "checkpoints", "min") as kept:
        assert kept.latest_step == 1
        params = kept.restore_variables(1)["params"]
    assert np.isfinite(params["head"]["fc"]["kernel"]).all()


@pytest.fixture
def poisoned(monkeypatch):
    """Make the first image of every training batch of an odd table row one that no network can bear."""
    whole = ImageInput.__call__

    def poison(self, batch, keys=None):
        x = whole(self, batch, keys)
        return x if keys is None else jnp.where(batch.indices[0] % 2, jnp.nan, x)

    monkeypatch.setattr(ImageInput, "__call__", poison)


def test_skipped_updates_are_counted_and_the_run_goes_on(poisoned, run_tiny, tmp_path):
    evaluation = run_tiny(tmp_path, on_nan="skip")
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == [5, 10, 15]
    assert sum(row["skipped_updates"] for row in rows) > 0
    assert all(np.isfinite([row["train_loss"], row["val_loss"]]).all() for row in rows)
    assert evaluation["best_epoch"] > 0
