import numpy as np
import pytest

from medjax import config as configuration
from medjax.errors import UserError
from medjax.evaluation.predictions import read_csv
from medjax.inference.finished_run import open_finished_run
from medjax.inference.predictions import collect, log_probabilities
from medjax.pipeline.feed import HostFeed
from medjax.pipeline.split_file import read_splits
from medjax.preparation import load_table
from medjax.sharding import make_mesh
from medjax.steps import make_predict_step
from tests.configs import tiny


def test_it_predicts_again_what_the_run_predicted(finished, tmp_path):
    workdir, evaluation = finished
    run = open_finished_run(workdir)
    assert run.class_names == tuple(evaluation["classes"])
    assert run.synthetic
    assert run.preprocessing["dtype"] == "uint8"
    mesh = make_mesh()
    table, rows = _table_and_test_rows(workdir, tmp_path)
    feed = HostFeed(table.images, table.labels, np.zeros((len(table), 0), np.int32), mesh)
    step = make_predict_step(run.model, run.inputs, mesh, run.correction)
    logits = collect(lambda batch: step(run.variables, batch), feed, rows, tiny.get_config().batch_size)
    held = read_csv(workdir / "predictions_test.csv")
    assert held.image_ids == table.image_ids[rows].tolist()
    np.testing.assert_array_equal(np.exp(log_probabilities(logits)), held.probabilities)


def _table_and_test_rows(workdir, cache):
    config = tiny.get_config()
    config.data.cache = str(cache)
    table = load_table(configuration.resolve(config))
    return table, read_splits(workdir / "splits.json", table)["test"]


def test_a_folder_that_is_no_finished_run_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match=r"not the folder of a finished run"):
        open_finished_run(tmp_path)


def test_a_folder_of_figures_alone_is_told_what_to_give_instead(tmp_path):
    (tmp_path / "evaluation.json").write_text("{}")
    with pytest.raises(UserError, match=r"no network of its own, only figures: give the run's folder"):
        open_finished_run(tmp_path)
