import types

import numpy as np
import pytest
from ml_collections import ConfigDict

from medjax.inference import predictor
from medjax.inference.predictor import Predictor


@pytest.fixture
def made(monkeypatch):
    """Members whose logits are the mean of an image times a number each, and nothing compiled."""

    def step(run, mesh):
        def logits(batch):
            assert len(batch.rows) == len(batch.labels) == len(batch.categories) == len(batch.indices) == 4
            bright = run.times * np.asarray(batch.rows, np.float64).mean(axis=(1, 2, 3))
            return np.stack([bright, np.zeros(len(bright))], axis=1)

        return logits

    monkeypatch.setattr(predictor, "make_step", step)
    monkeypatch.setattr(predictor, "make_mesh", lambda: types.SimpleNamespace(size=2))
    return lambda *times: [types.SimpleNamespace(times=t, config=ConfigDict({"batch_size": 3})) for t in times]


IMAGES = [np.full((2, 2, 1), value, np.uint8) for value in (0, 1, 2)]


def expected(times):
    return 1 / (1 + np.exp(-times * np.array([0, 1, 2])))


def test_a_batch_is_padded_to_what_the_devices_divide_and_cut_again(made):
    ask = Predictor(made(1.0))
    assert ask.batch_size == 4
    np.testing.assert_allclose(ask(IMAGES)[:, 0], expected(1.0))
    np.testing.assert_allclose(ask(IMAGES[1:2])[:, 0], expected(1.0)[1:2])


def test_an_ensemble_averages_probabilities_not_logits(made):
    found = Predictor(made(1.0, -3.0))(IMAGES)
    np.testing.assert_allclose(found[:, 0], (expected(1.0) + expected(-3.0)) / 2)
    np.testing.assert_allclose(found.sum(axis=1), 1)
