import logging

import numpy as np
import pytest

from medjax.inference.spikes import spike_statistics
from medjax.pipeline.feed import HostFeed
from medjax.sharding import make_mesh
from medjax.terminal import log

# three layers' rates, then the outputs of two classes
ROWS = np.array([[0.5, 0.2, 0.1, 0.3, 0.0], [0.3, 0.2, 0.3, 0.1, 0.0]], np.float32)


def feed(rows):
    return HostFeed(rows, np.zeros(2, np.int32), np.zeros((2, 0), np.int32), make_mesh())


def test_rates_are_means_over_the_images_and_a_dead_output_is_named(caplog, monkeypatch):
    monkeypatch.setattr(log, "propagate", True)
    with caplog.at_level(logging.WARNING, logger="medjax"):
        found = spike_statistics(lambda batch: batch.rows, feed(ROWS), np.arange(2), 1, ("hand", "chest"))
    assert found["mean_spike_rate"] == pytest.approx({"lif1": 0.4, "lif2": 0.2, "lif3": 0.2})
    assert found["dead_outputs"] == ["chest"]
    assert "chest never fired" in caplog.text


def test_living_outputs_are_not_warned_of(caplog, monkeypatch):
    monkeypatch.setattr(log, "propagate", True)
    assert (
        spike_statistics(lambda batch: batch.rows, feed(ROWS[:, :4]), np.arange(2), 2, ("hand",))["dead_outputs"] == []
    )
    assert not caplog.text
