import dataclasses

import numpy as np
import pytest

from medjax.errors import UserError
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions
from medjax.evaluation.settings import Settings


def predictions(sites, seed=0, **columns):
    rng = np.random.default_rng(seed)
    rows = len(sites)
    labels = rng.integers(0, 2, rows)
    first = np.where(labels == 0, 0.6, 0.4) + rng.uniform(-0.3, 0.3, rows)
    return Predictions(
        [f"i{n}" for n in range(rows)],
        [f"g{n}" for n in rng.permutation(np.arange(rows) % 30)],
        labels,
        np.stack([first, 1 - first], axis=1),
        ("x", "y"),
        {"site": sites, **columns},
    )


def rows_of(table, kept):
    return dataclasses.replace(table.part(kept), columns={})


@pytest.mark.parametrize("primary", ["accuracy", "brier_score", "mcc", "quadratic_kappa"])
def test_a_subgroup_has_the_figures_of_its_images_alone(primary):
    sites = ["b" if n % 3 else "a" for n in range(90)]
    table = predictions(sites)
    found = evaluate(table, ordered=True, settings=Settings(primary=primary, subgroups=("site",)))["subgroups"]["site"]
    assert list(found) == ["a", "b"]
    for site, metrics in found.items():
        alone = evaluate(rows_of(table, [row for row, name in enumerate(sites) if name == site]), ordered=True)
        assert (metrics["images"], metrics["groups"]) == (alone["images"], alone["groups"])
        for name in (primary, "accuracy", "macro_auroc"):
            assert metrics[name] == pytest.approx(alone[name], abs=1e-12)
            if alone[f"{name}_interval"]:
                assert metrics[f"{name}_interval"] == pytest.approx(alone[f"{name}_interval"], abs=2e-6)
            assert metrics[f"{name}_interval_basis"] == alone[f"{name}_interval_basis"]


def test_a_subgroup_of_few_groups_has_no_interval():
    found = evaluate(predictions(["a"] * 40 + ["b"] * 3), settings=Settings(subgroups=("site",)))["subgroups"]["site"]
    assert found["a"]["accuracy_interval"] is not None
    assert found["b"]["images"] == 3
    assert found["b"]["accuracy_interval"] is None
    assert found["b"]["accuracy_interval_basis"].startswith("not estimable: 3 groups")


def test_a_class_missing_from_a_subgroup_is_named_and_its_averages_are_undefined():
    table = predictions(["a"] * 4 + ["b"] * 2)
    table = dataclasses.replace(table, labels=np.array([0, 1, 0, 1, 1, 1]))
    result = evaluate(table, settings=Settings(primary="balanced_accuracy", subgroups=("site",)))
    assert result["subgroups"]["site"]["b"]["absent"] == ["x"]
    assert result["subgroups"]["site"]["b"]["balanced_accuracy"] is None
    assert result["subgroups"]["site"]["b"]["macro_auroc"] is None
    assert result["warnings"] == ["site 'b': no image of class 'x': averages over classes are undefined"]


def test_images_without_label_belong_to_no_subgroup():
    table = dataclasses.replace(predictions(["a", "a", "b"]), labels=np.array([0, 1, -1]))
    assert list(evaluate(table, settings=Settings(subgroups=("site",)))["subgroups"]["site"]) == ["a"]


def test_numbers_stand_in_their_order_before_texts_and_missing_values_last_but_one():
    table = predictions(["10", "9", "x", "", "-1.5", "9"])
    found = evaluate(table, settings=Settings(subgroups=("site",)))["subgroups"]["site"]
    assert list(found) == ["-1.5", "9", "10", "", "x"]


def test_several_columns():
    table = predictions(["a", "b"] * 3, sex=["f", "f", "m", "m", "f", "m"])
    found = evaluate(table, settings=Settings(subgroups=("sex", "site")))["subgroups"]
    assert {column: list(values) for column, values in found.items()} == {"sex": ["f", "m"], "site": ["a", "b"]}
    assert evaluate(table)["subgroups"] == {}


def test_what_is_no_column_or_has_too_many_values_is_refused():
    with pytest.raises(UserError, match="there is no column 'ward'; columns of the images: site"):
        evaluate(predictions(["a", "b"]), settings=Settings(subgroups=("ward",)))
    evaluate(predictions([str(n) for n in range(20)]), settings=Settings(subgroups=("site",)))
    with pytest.raises(UserError, match="'site' has 21 values; at most 20"):
        evaluate(predictions([str(n) for n in range(21)]), settings=Settings(subgroups=("site",)))
