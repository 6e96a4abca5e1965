import logging
import pickle
import random
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from medjax.checkpoint import Checkpoints, check_whole, drop_damaged
from medjax.errors import UserError
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
def test_the_best_and_the_two_latest_are_kept_and_nothing_else(tmp_path, mode, best):
    found = save_all(tmp_path / "c", mode, [(1, 0.9), (2, 0.1), (3, 0.5), (4, 0.6)])
    assert found == (best, 4, [best, 3, 4])


def test_a_save_within_an_epoch_replaces_the_latest_and_never_the_best(tmp_path):
    found = save_all(tmp_path / "c", "min", [(1, 0.9), (2, 0.1), (3, None), (4, None), (5, None), (6, None)])
    assert found == (2, 6, [2, 5, 6])


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
    assert {file.name for file in (tmp_path / "patient_doe" / "1").iterdir()} == {
        "SHA256SUMS",
        "metrics",
        "progress",
        "state",
    }
    with Checkpoints(tmp_path / "patient_doe", "min") as checkpoints:
        assert (checkpoints.best_step, checkpoints.latest_step) == (1, 2)
        assert checkpoints.restore(1, like=state_at(0))[1] == {"step": 1}


@pytest.fixture
def three(tmp_path):
    """Checkpoints 1, the best, 2 and 3."""
    save_all(tmp_path / "c", "min", [(1, 0.1), (2, 0.5), (3, None)])
    return tmp_path / "c"


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def flip_a_bit(step, chance):
    files = sorted(path for path in step.rglob("*") if path.is_file() and path.stat().st_size)
    file = chance.choice(files)
    content = bytearray(file.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.write_bytes(content)


def test_forty_flipped_bits_are_all_found(three):
    chance = random.Random(0)
    check_whole(three)
    for _ in range(40):
        before = {path: path.read_bytes() for path in (three / "2").rglob("*") if path.is_file()}
        flip_a_bit(three / "2", chance)
        with pytest.raises(UserError, match="checkpoint 2 is damaged"):
            check_whole(three)
        for path, content in before.items():
            path.write_bytes(content)
    check_whole(three)


def test_a_truncated_checkpoint_is_named_and_the_one_before_it_used(three, caplog, monkeypatch):
    monkeypatch.setattr("medjax.checkpoint.log.propagate", True)
    data = max((path for path in (three / "3").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    data.write_bytes(data.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING, logger="medjax"):
        drop_damaged(three)
    assert f"checkpoint 3: {data.relative_to(three / '3').as_posix()} has another hash" in caplog.text
    with Checkpoints(three, "min") as checkpoints:
        assert (checkpoints.best_step, checkpoints.latest_step) == (1, 2)
        state, progress = checkpoints.restore(2, like=state_at(0))
        assert progress == {"step": 2}
        jax.tree.map(np.testing.assert_array_equal, state, state_at(2))
        checkpoints.save(state_at(3), {"step": 3})
    assert left(three) == ["1", "2", "3"]


def test_what_was_saved_after_the_damage_goes_too_so_that_it_is_made_again(three):
    (three / "2" / "metrics" / "metrics").write_text("{}")
    drop_damaged(three)
    assert left(three) == ["1"]


def test_without_a_whole_one_from_before_nothing_is_removed(three):
    (three / "1" / "metrics" / "metrics").unlink()
    with pytest.raises(UserError, match=r"checkpoint 1: metrics/metrics is missing.*delete it to begin the run again"):
        drop_damaged(three)
    assert left(three) == ["1", "2", "3"]


def test_a_checkpoint_without_hashes_is_damaged_where_another_has_them(three):
    (three / "3" / "SHA256SUMS").unlink()
    with pytest.raises(UserError, match="checkpoint 3 is damaged"):
        check_whole(three)
    drop_damaged(three)
    assert left(three) == ["1", "2"]


def test_checkpoints_from_before_there_were_hashes_are_read(three):
    for step in ("1", "2", "3"):
        (three / step / "SHA256SUMS").unlink()
    check_whole(three)


def test_no_run_yet_is_no_damage(tmp_path):
    drop_damaged(tmp_path / "c")
    check_whole(tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_nothing_in_a_checkpoint_is_unpickled(three, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    with Checkpoints(three, "min") as checkpoints:
        checkpoints.restore(1, like=state_at(0))
        checkpoints.restore_variables(1)


def test_an_old_checkpoint_goes_whole_so_that_a_kill_leaves_no_half_of_it(tmp_path, monkeypatch):
    """Every removal of files takes place outside the folders that count as checkpoints."""
    removed = []
    whole = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", lambda path, **options: (removed.append(str(path)), whole(path, **options)))
    save_all(tmp_path / "c", "min", [(step, None) for step in range(1, 7)])
    assert left(tmp_path / "c") == ["5", "6"]
    assert removed
    assert all("removed" in path for path in removed)
