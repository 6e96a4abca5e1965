import json
import pathlib

import numpy as np
import pytest

from medjax.checkpoint import Checkpoints
from medjax.errors import UserError
from medjax.inference.export import export_weights
from medjax.models import safetensors


def test_the_best_weights_leave_under_their_flax_names(finished, tmp_path):
    workdir, evaluation = finished
    output = tmp_path / "w.safetensors"
    count = export_weights(workdir, output)
    arrays = safetensors.read(output.read_bytes())
    with Checkpoints(workdir / "checkpoints", "min") as checkpoints:
        variables = checkpoints.restore_variables(evaluation["best_step"])
    assert count == len(arrays)
    kernel = variables["params"]["head"]["fc"]["kernel"]
    np.testing.assert_array_equal(arrays["params.head.fc.kernel"], kernel)


def test_a_folder_that_is_no_run_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match=r"config\.json"):
        export_weights(tmp_path, tmp_path / "w.safetensors")


def test_a_run_without_an_epoch_has_nothing_to_export(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"early_stopping": {"metric": "val_loss"}}))
    with pytest.raises(UserError, match="whole epoch"):
        export_weights(tmp_path, tmp_path / "w.safetensors")


def test_a_place_that_cannot_be_written_is_named(finished):
    with pytest.raises(UserError, match="nowhere"):
        export_weights(finished[0], pathlib.Path("/nowhere/w.safetensors"))
