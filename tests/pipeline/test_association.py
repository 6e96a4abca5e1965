import numpy as np
import pytest

from medjax.pipeline.association import cramers_v, cross_tabulate


def test_a_fact_that_tells_the_class_has_v_1() -> None:
    assert cramers_v(np.array([[500, 0], [0, 500]])) == pytest.approx(1, abs=1e-3)


def test_an_independent_fact_has_v_0() -> None:
    assert cramers_v(np.array([[10, 20], [20, 40]])) == 0


def test_a_hand_computed_table() -> None:
    # χ² = 100·(40·40 − 10·10)²/50⁴ = 36; φ² = 0.36 − 1/99; each side 2 − 1/99.
    assert cramers_v(np.array([[40, 10], [10, 40]])) == pytest.approx(((0.36 - 1 / 99) / (1 - 1 / 99)) ** 0.5)


def test_the_bias_of_many_rare_values_is_taken_away() -> None:
    labels = np.random.default_rng(0).integers(0, 2, 400)
    counts = np.zeros((100, 2), int)
    np.add.at(counts, (np.arange(400) % 100, labels), 1)  # without the correction: 0.5
    assert cramers_v(counts) < 0.15  # type: ignore[operator]


@pytest.mark.parametrize("counts", [[[3, 4]], [[3], [4]], [[3, 0], [4, 0]], [[0, 0], [0, 0]]])
def test_one_value_or_class_has_no_v(counts: list[list[int]]) -> None:
    assert cramers_v(np.array(counts)) is None


def test_a_fact_is_counted_and_warned_of() -> None:
    values, labels = np.array(["L"] * 30 + ["RGB"] * 31), np.array([0] * 30 + [1] * 30 + [-1])
    found = cross_tabulate("mode", values, labels, ("ant", "bee"))
    assert found["counts"] == {"L": {"ant": 30, "bee": 0}, "RGB": {"ant": 0, "bee": 30}}
    assert (found["values"], found["accuracy"], found["base"]) == (2, 1.0, 0.5)
    assert "guessing from it alone is right in 100.0% of the images, without it in 50.0%" in found["warning"]


def test_rare_values_are_summed() -> None:
    values = np.array([f"{k}" for k in range(10) for _ in range(20 - k)])
    found = cross_tabulate("size", values, np.zeros(len(values), int), ("ant",))
    assert list(found["counts"]) == [*(f"{k}" for k in range(8)), "2 others"]
    assert found["counts"]["2 others"] == {"ant": 12 + 11}
    assert found["warning"] == ""
