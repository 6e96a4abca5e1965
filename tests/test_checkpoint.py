import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from medjax.checkpoint import Checkpoints
from medjax.state import create_state


def state_at(step):
    params = {"head": {"kernel": jnp.full((3, 2), float(step))}}
    state = create_state({"params": params, "batch_stats": {}}, optax.adam(1e-3), lambda path: True)
    return state.replace(step=jnp.int32(step))


def save_all(folder, mode, saves):
    with Checkpoints(folder, mode) as checkpoints:
        for step, watched in saves:
            checkpoints.save(state_at(step), {"step": step}, watched)
        best, latest = checkpoints.best_step, checkpoints.latest_step
    return best, latest, sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit())


@pytest.mark.parametrize(("mode", "best"), [("min", 2), ("max", 1)])
def test_best_and_latest_are_kept_and_nothing_else(tmp_path, mode, best):
    found = save_all(tmp_path / "c", mode, [(1, 0.9), (2, 0.1), (3, 0.5), (4, 0.6)])
    assert found == (best, 4, [best, 4])


def test_a_save_within_an_epoch_replaces_the_latest_and_never_the_best(tmp_path):
    found = save_all(tmp_path / "c", "min", [(1, 0.9), (2, 0.1), (3, None), (4, None)])
    assert found == (2, 4, [2, 4])


def test_a_tie_keeps_the_best_reachable(tmp_path):
    best, _, kept = save_all(tmp_path / "c", "min", [(1, 0.5), (2, 0.5)])
    assert best in kept


def test_state_and_progress_come_back_exactly(tmp_path):
    saved = state_at(5)
    with Checkpoints(tmp_path / "c", "min") as checkpoints:
        checkpoints.save(saved, {"sums": {"loss": 0.1 + 0.2}, "best": None}, 0.5)
    with Checkpoints(tmp_path / "c", "min") as checkpoints:
        state, progress = checkpoints.restore(5, like=state_at(0))
    jax.tree.map(np.testing.assert_array_equal, state, saved)
    assert progress == {"sums": {"loss": 0.1 + 0.2}, "best": None}


def test_a_donated_state_is_saved_as_it_was(tmp_path):
    """The save runs in the background while the next step overwrites the state's memory."""
    grow = jax.jit(lambda s: jax.tree.map(lambda leaf: leaf + 1, s), donate_argnums=0)
    state = state_at(1).replace(params={"head": {"kernel": jnp.ones((2048, 2048))}})
    with Checkpoints(tmp_path / "c", "min") as checkpoints:
        checkpoints.save(state, {}, 0.5)
        for _ in range(5):
            state = grow(state)
        restored, _ = checkpoints.restore(1, like=state)
    assert float(restored.params["head"]["kernel"].max()) == 1.0


def test_an_empty_folder_has_no_latest(tmp_path):
    with Checkpoints(tmp_path / "c", "min") as checkpoints:
        assert checkpoints.latest_step is None


def test_no_file_says_where_it_lies_and_it_is_restored_all_the_same(tmp_path):
    save_all(tmp_path / "patient_doe", "min", [(1, 0.1), (2, 0.5)])
    for file in (path for path in (tmp_path / "patient_doe").rglob("*") if path.is_file()):
        assert b"patient_doe" not in file.read_bytes(), file.name
    with Checkpoints(tmp_path / "patient_doe", "min") as checkpoints:
        assert (checkpoints.best_step, checkpoints.latest_step) == (1, 2)
        assert checkpoints.restore(1, like=state_at(0))[1] == {"step": 1}
