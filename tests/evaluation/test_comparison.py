"""Runs on disk, made by hand: read, grouped, compared, written."""

import csv
import dataclasses
import functools
import io
import json
from html.parser import HTMLParser

import numpy as np
import pytest

from medjax.errors import UserError
from medjax.evaluation import comparison_table
from medjax.evaluation.compared_runs import mean_costs, read_run, recipes
from medjax.evaluation.comparison import compare, mean_of_seeds
from medjax.evaluation.comparison_page import comparison_page, write_comparison
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions, write_csv
from medjax.evaluation.significance import paired
from medjax.evaluation.significance import recipes as seeds
from medjax.evaluation.significance.holm import holm
from medjax.evaluation.significance.paired import compare_pair
from medjax.evaluation.significance.recipes import compare_recipes

COUNT = 80
LABELS = np.arange(COUNT) % 2


def table(wrong, seed=0):
    rng = np.random.default_rng([wrong, seed])
    confidence = rng.uniform(0.55, 0.95, COUNT)
    right = rng.permutation(COUNT) >= wrong
    first = np.where(right == (LABELS == 0), confidence, 1 - confidence)
    ids = [f"i{row}" for row in range(COUNT)]
    return Predictions(ids, [""] * COUNT, LABELS, np.stack([first, 1 - first], axis=1), ("x", "y"))


@functools.cache
def figures(wrong, seed):
    return evaluate(table(wrong, seed))


@pytest.fixture
def make(tmp_path):
    """make(name, wrong, seed=0, predictions=…, demo=False, **config) -> a run, read from its folder."""

    def write(name, wrong=8, seed=0, predictions=None, demo=False, costs=None, **config):
        folder = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        test = evaluate(predictions) if predictions else figures(wrong, seed)
        predictions = predictions or table(wrong, seed)
        settings = {"demo": demo, "name": name, "seed": seed, "evaluation": {"primary": "accuracy"}, **config}
        evaluation = {
            "demo": demo,
            "ordered": False,
            "dataset": "d",
            "splits": {"val": {}, "test": test},
        }
        write_csv(folder / "predictions_test.csv", predictions)
        for file, content in (("config", settings), ("evaluation", evaluation), ("costs", costs)):
            if content is not None:
                (folder / f"{file}.json").write_text(json.dumps(content))
        return read_run(folder)

    return write


def test_runs_that_differ_in_the_seed_alone_are_one_recipe(make):
    runs = [make("a", seed=0), make("b", seed=0), make("a", seed=1), make("b", seed=0, batch_size=8)]
    found = recipes(runs)
    assert [len(recipe.runs) for recipe in found] == [2, 1, 1]
    assert [recipe.label for recipe in found] == ["a", "b (batch_size=–)", "b (batch_size=8)"]


def test_a_trace_of_some_steps_makes_no_other_recipe(make):
    found = recipes([make("a", seed=0, profile_steps=[]), make("a", seed=1, profile_steps=[2, 4])])
    assert [(recipe.label, len(recipe.runs)) for recipe in found] == [("a", 2)]


def test_a_run_that_is_given_twice_is_refused(make):
    with pytest.raises(UserError, match="'a' with seed 3 is given twice"):
        recipes([make("a", seed=3), make("a", seed=4), make("a", seed=3)])


def test_demo_and_real_runs_are_not_mixed(make):
    with pytest.raises(UserError, match="some runs are DEMO"):
        recipes([make("a"), make("b", demo=True)])


def test_what_is_not_finished_is_refused(tmp_path, make):
    with pytest.raises(UserError, match=r"is no run"):
        read_run(tmp_path / "nothing")
    make("a")
    folder = tmp_path / "run0"
    (folder / "evaluation.json").unlink()
    with pytest.raises(UserError, match="is not finished: the same command goes on with it"):
        read_run(folder)


def test_figures_that_are_not_of_the_predictions_are_refused(tmp_path, make):
    make("a", wrong=8)
    write_csv(tmp_path / "run0" / "predictions_test.csv", table(9))
    with pytest.raises(UserError, match=r"evaluation\.json does not fit predictions_test\.csv"):
        read_run(tmp_path / "run0")


def test_all_folds_of_a_run_are_a_run(tmp_path):
    folder, predictions = tmp_path / "folds", table(8)
    for number in range(2):
        (folder / f"fold{number}").mkdir(parents=True)
        costs = {"training_seconds": 10.0 + number, "peak_memory_bytes": number, "parameters": 7}
        (folder / f"fold{number}" / "costs.json").write_text(json.dumps(costs))
    write_csv(folder / "predictions_test.csv", predictions)
    splits = {"test, all folds": evaluate(predictions)}
    evaluation = {"demo": False, "ordered": False, "splits": splits, "folds": [{}, {}]}
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    (folder / "config.json").write_text(json.dumps({"name": "f", "seed": 0}))
    run = read_run(folder)
    assert run.figures["correct"] == COUNT - 8
    assert run.costs == {"training_seconds": 10.5, "peak_memory_bytes": 1, "parameters": 7}


def test_costs_that_one_training_lacks_are_not_averaged():
    assert mean_costs([{"a": 1, "b": 2}, {"a": 3, "b": None}]) == {"a": 2}
    assert mean_costs([{}, {"a": 1}]) == {}


def test_single_runs_are_compared_as_models_with_holms_p(make):
    runs = [make("a", 30), make("b", 8), make("c", 9)]
    found = compare(recipes(runs))
    expected = [compare_pair(runs[i].predictions, runs[j].predictions, "accuracy") for i, j in ((0, 1), (0, 2), (1, 2))]
    assert [pair.found for pair in found.pairs] == expected
    assert [pair.p_value for pair in found.pairs] == holm([one.p_value for one in expected])
    assert found.pairs[0].sentence.startswith("These models, one run each: b is 27.5 points more accurate than a (")
    assert "Holm-adjusted p" in found.pairs[0].sentence
    assert "b and c are not distinguishable" in found.pairs[2].sentence
    assert (found.images, found.groups) == (COUNT, COUNT)


def test_one_pair_needs_no_adjustment(make):
    (pair,) = compare(recipes([make("a", 30), make("b", 8)])).pairs
    assert pair.p_value == pair.found.p_value
    assert "Holm" not in pair.sentence


def test_several_seeds_are_compared_as_methods(make):
    runs = {name: [make(name, wrong + seed, seed) for seed in range(3)] for name, wrong in (("a", 30), ("b", 8))}
    found = compare(recipes([*runs["a"], *runs["b"]]))
    (pair,) = found.pairs
    assert pair.found == compare_recipes(*([run.predictions for run in runs[name]] for name in "ab"), "accuracy")
    assert pair.sentence.startswith("These methods, 3 and 3 seeds: b is 27.5 points more accurate than a (")
    assert found.figures[0]["accuracy"] == pytest.approx(1 - 31 / COUNT)
    low, high = found.figures[0]["accuracy_interval"]
    assert low < 1 - 31 / COUNT < high


def test_one_seed_is_not_tested_against_a_method(make):
    found = compare(recipes([make("a", 30, 0), make("a", 31, 1), make("b", 8)]))
    assert found.pairs[0].p_value is None
    assert "2 are needed" in found.pairs[0].sentence


def test_the_mean_of_seeds_varies_with_images_and_seeds(make):
    (same,) = recipes([make("a", predictions=table(8), seed=seed) for seed in range(3)])
    mean, (low, high) = mean_of_seeds(same, "accuracy", False)
    rate = 1 - 8 / COUNT
    assert mean == pytest.approx(rate)
    # seeds that agree leave what the images add: Student's t with COUNT − 1 degrees of freedom
    half = 1.990450 * np.sqrt(rate * (1 - rate) / (COUNT - 1))
    assert high - low == pytest.approx(2 * half, rel=0.01)
    (apart,) = recipes([make("b", 8 + 10 * seed, seed) for seed in range(3)])
    wide = mean_of_seeds(apart, "accuracy", False)[1]
    assert wide[1] - wide[0] > 2 * (high - low)
    assert wide[1] <= 1


def test_a_recipe_alone_has_figures_and_no_pairs(make):
    found = compare(recipes([make("a", 8, 0), make("a", 9, 1)]))
    assert found.pairs == []
    assert "nothing to compare" in comparison_table.as_text(found)


def test_different_test_sets_are_refused_with_the_reason(make):
    other = dataclasses.replace(table(8), image_ids=[f"i{row + 3}" for row in range(COUNT)])
    with pytest.raises(UserError, match=r"a and b: .*3 are only in the first and 3 only in the second.*splits\.json"):
        compare(recipes([make("a"), make("b", predictions=other)]))


def test_primary_metrics_must_agree_or_be_given(make):
    runs = recipes([make("a"), make("b", evaluation={"primary": "log_loss"})])
    with pytest.raises(UserError, match=r"primary metrics differ \(accuracy, log_loss\): choose one"):
        compare(runs)
    found = compare(runs, "log_loss")
    assert found.pairs[0].found.metric == "log_loss"
    assert next(iter(found.figures[0])) == "log_loss"
    with pytest.raises(UserError, match="--primary=auc is none of"):
        compare(runs, "auc")


def test_models_are_told_what_they_did_not_beat(make):
    run = make("a")
    assert compare(recipes([run, make("b")])).baselines[0].startswith("a: no baselines were kept")
    beaten = {name: {"beaten": name != "thumbnails"} for name in ("class_prior", "thumbnails")}
    run.evaluation["baselines"] = beaten
    both = recipes([run, dataclasses.replace(run, config={**run.config, "seed": 5})])
    (said,) = compare(both).baselines
    assert said == "a: 2 of 2 seeds beat the class prior and 0 of 2 seeds beat logistic regression on 8×8 thumbnails."


COSTS = {
    "training_seconds": 192.4,
    "seconds_to_best_epoch": 3725.0,
    "training_images_per_second": 569.46,
    "inference_images_per_second": 2.25,
    "parameters": 11178564,
    "trained_parameters": 11178564,
    "flops_per_image": 8206317544,
    "peak_memory_bytes": 999_600_000,
    "checkpoint_bytes": 1831345,
}


def test_the_table_holds_figures_and_costs(make):
    found = compare(recipes([make("a", costs=COSTS), make("b", 30)]))
    rows = {row[0]: row[1:] for row in comparison_table.table_rows(found)}
    assert rows[""] == ["a", "b"]
    assert rows["Accuracy (primary)"][0].startswith("0.900 (0.8")
    assert [rows[name][0] for name in list(rows)[-9:]] == [
        "3 min 12 s",
        "1 h 2 min",
        "569",
        "2.2",
        "11,178,564",
        "11,178,564",
        "8.21 GFLOP",
        "1,000 MB",
        "1.83 MB",
    ]
    assert {rows[name][1] for name in list(rows)[-9:]} == {"–"}


def test_costs_that_no_run_knows_have_no_row(make):
    rows = comparison_table.table_rows(compare(recipes([make("a"), make("b", 30)])))
    assert [row[0] for row in rows] == ["", "Runs", "Accuracy (primary)", "Macro AUROC", "Log loss", "Brier score"]


def test_tables_are_numbered_without_a_gap(make):
    seeds = [make("a", 8, 0), make("a", 9, 1)]
    assert "<b>Table 2.</b> Every run" in comparison_page(compare(recipes(seeds)))
    page = comparison_page(compare(recipes([*seeds, make("b", 30)])))
    captions = ("Table 2.</b> Every pair", "Table 3.</b> AUROC of each class", "Table 4.</b> Every run")
    assert [page.count(caption) for caption in captions] == [1, 1, 1]


def test_demo_is_said_everywhere(make):
    found = compare(recipes([make("a", demo=True), make("b", 30, demo=True)]))
    assert comparison_table.as_text(found).startswith("DEMO: ")
    assert "**DEMO: " in comparison_table.as_markdown(found)
    assert "Nothing on this page is a result." in comparison_page(found)
    assert all(row["demo"] == "True" for row in csv.DictReader(io.StringIO(comparison_table.runs_csv(found))))
    assert "DEMO" not in comparison_page(compare(recipes([make("a"), make("b", 30)]))).split("</style>")[1]


def test_csv_holds_the_numbers_unrounded(make):
    runs = [make("a", 8, 0), make("a", 9, 1), make("=b", 30, costs=COSTS)]
    found = compare(recipes(runs))
    rows = list(csv.DictReader(io.StringIO(comparison_table.runs_csv(found))))
    assert [(row["recipe"], row["seed"]) for row in rows] == [("a", "0"), ("a", "1"), ("'=b", "0")]
    assert float(rows[1]["accuracy"]) == runs[1].figures["accuracy"]
    assert float(rows[1]["accuracy_high"]) == runs[1].figures["accuracy_interval"][1]
    assert rows[0]["parameters"] == ""
    assert float(rows[2]["training_seconds"]) == 192.4
    pairs = list(csv.DictReader(io.StringIO(comparison_table.pairs_csv(compare(recipes(runs[1:]))))))
    expected = compare_pair(runs[1].predictions, runs[2].predictions, "accuracy")
    assert float(pairs[0]["difference"]) == expected.difference
    assert float(pairs[0]["p_holm"]) == expected.p_value


def test_every_pair_is_compared_in_the_auroc_of_each_class(make):
    single, several = [make("a"), make("b", 30)], [make("c", 20 + seed, seed) for seed in (0, 1)]
    pairs = {(pair.first, pair.second): pair.classes for pair in compare(recipes([*single, *several])).pairs}
    assert pairs["a", "b"] == paired.compare_classes(*(run.predictions for run in single))
    tables = [[run.predictions for run in runs] for runs in (single[:1], several)]
    assert pairs["a", "c"] == seeds.compare_classes(*tables)
    assert pairs["a", "c"]["x"].interval is None  # one seed shows no variation between seeds


def test_differences_of_classes_are_written_everywhere(make):
    found = compare(recipes([make("a"), make("b", 30)]))
    difference = found.pairs[0].classes["y"]
    low, high = difference.interval
    text = f"{difference.difference:.3f} ({low:.3f} to {high:.3f})".replace("-", "−")
    assert comparison_table.class_rows(found) == [["First → second", "x", "y"], ["a → b", text, text]]
    assert f"| a → b | {text} | {text} |" in comparison_table.as_markdown(found)
    assert text in comparison_page(found)
    rows = list(csv.DictReader(io.StringIO(comparison_table.classes_csv(found))))
    assert [row["class"] for row in rows] == ["x", "y"]
    assert (float(rows[1]["low"]), float(rows[1]["high"])) == (low, high)


NASTY = "<script>|x|_y_"


def test_names_of_others_are_escaped(make):
    found = compare(recipes([make(NASTY), make("b", 30)]))
    assert "<script" not in comparison_page(found)
    text = comparison_table.as_markdown(found)
    assert "<script" not in text.replace("\\<script", "")
    for table_of in (text.split("## AUROC")[0], text.split("## AUROC")[1]):
        rows = [line for line in table_of.splitlines() if line.startswith("|")]
        assert len({line.replace("\\|", "").count("|") for line in rows}) == 1


def test_the_page_loads_nothing_and_holds_four_tables(make):
    found = compare(recipes([make("a", 8, 0), make("a", 9, 1), make("b", 30, 0), make("b", 31, 1)]))
    tags = []

    class Page(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)

    page = comparison_page(found)
    Page().feed(page)
    assert tags.count("table") == 4
    assert not {"script", "link", "img"} & set(tags)
    assert "http" not in page.replace("http-equiv", "")
    assert "These methods, 2 and 2 seeds: " in page
    assert "a, seed 1" in page


def test_everything_is_written_to_a_folder(make, tmp_path):
    found = compare(recipes([make("a"), make("b", 30)]))
    write_comparison(tmp_path / "new" / "out", found)
    names = {file.name for file in (tmp_path / "new" / "out").iterdir()}
    tables = {"comparison.csv", "comparison_pairs.csv", "comparison_classes.csv"}
    assert names == {"comparison.html", "comparison.md", *tables}
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file: give a folder"):
        write_comparison(tmp_path / "file", found)
