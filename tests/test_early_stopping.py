import json
import math

import pytest

from medjax.early_stopping import Patience


def feed(patience, values):
    for value in values:
        patience = patience.update(value)
    return patience


def test_stops_after_patience_updates_without_improvement():
    state = feed(Patience("min", 2), [1.0, 0.5, 0.6])
    assert not state.exhausted
    assert state.update(0.5).exhausted


def test_a_tie_is_no_improvement():
    assert feed(Patience("min", 1), [0.5, 0.5]).exhausted


def test_an_improvement_starts_the_count_anew():
    assert feed(Patience("min", 2), [1.0, 1.1, 0.9, 1.0]).bad_updates == 1


def test_max_mode_looks_upwards():
    state = feed(Patience("max", 3), [0.1, 0.3, 0.2])
    assert (state.best, state.bad_updates) == (0.3, 1)


def test_min_delta_must_be_exceeded():
    state = feed(Patience("min", 5, min_delta=0.1), [1.0, 0.9, 0.85])
    assert (state.best, state.bad_updates) == (0.85, 0)
    assert feed(Patience("min", 5, min_delta=0.1), [1.0, 0.95]).bad_updates == 1


def test_patience_zero_never_stops():
    assert not feed(Patience("min", 0), [1.0] * 100).exhausted


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_refused_and_changes_nothing(value):
    state = Patience("min", 2).update(0.7)
    with pytest.raises(ValueError, match="finite"):
        state.update(value)
    assert state.best == 0.7


def test_state_survives_json_exactly():
    state = feed(Patience("min", 3, 1e-17), [0.1 + 0.2, 1 / 3])
    assert Patience.from_json(json.loads(json.dumps(state.to_json()))) == state
