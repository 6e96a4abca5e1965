"""Signals and full disks in a whole run of the tiny network: what is saved, and that it ends as if nothing had been."""

import logging
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from medjax import checkpoint
from medjax.errors import UserError
from medjax.preemption import Stopped
from medjax.progress import Progress
from medjax.writers import Writers

KEPT = ("metrics.jsonl", "predictions_test.csv", "evaluation.json")


def steps(workdir):
    return sorted(int(path.name) for path in (workdir / "checkpoints").iterdir() if path.name.isdigit())


def assert_same(workdir, reference):
    for name in KEPT:
        assert (workdir / name).read_bytes() == (reference / name).read_bytes(), name


@pytest.fixture
def signal_after(monkeypatch):
    """signal_after(step, signum): this process gets a signal right after that training step, once."""

    def plan(step, signum):
        whole, left = Progress.add, [step]

        def add(self, sums):  # called between one step and the next
            whole(self, sums)
            if left and self.step == left[0]:
                left.clear()
                os.kill(os.getpid(), signum)

        monkeypatch.setattr(Progress, "add", add)

    return plan


@pytest.mark.parametrize(
    ("step", "signum", "status", "saved"),
    [(6, signal.SIGTERM, 75, 7), (1, signal.SIGINT, 130, 2), (4, signal.SIGTERM, 75, 5)],
    ids=["within an epoch", "within the first epoch", "in an epoch's last step"],
)
def test_a_run_asked_to_stop_saves_at_the_next_step_and_goes_on(
    step, signum, status, saved, signal_after, finished, run_tiny, tmp_path
):
    signal_after(step, signum)
    with pytest.raises(Stopped, match=f"saved at step {saved}$") as stopped:
        run_tiny(tmp_path)
    assert stopped.value.status == status
    assert steps(tmp_path)[-1] == saved
    assert not (tmp_path / "evaluation.json").exists()
    run_tiny(tmp_path)
    assert_same(tmp_path, finished[0])


def test_a_signal_that_comes_when_the_last_epoch_is_saved_ends_the_run_too(finished, run_tiny, tmp_path, monkeypatch):
    whole, workdir = Writers.close, tmp_path / "run"

    def close(self):
        whole(self)
        os.kill(os.getpid(), signal.SIGTERM)

    shutil.copytree(finished[0], workdir)
    with monkeypatch.context() as patched:
        patched.setattr(Writers, "close", close)
        with pytest.raises(Stopped, match=r"saved at step 15$") as stopped:
            run_tiny(workdir)
    assert stopped.value.status == 75
    run_tiny(workdir)
    assert_same(workdir, finished[0])


def test_a_damaged_latest_checkpoint_is_made_again(finished, run_tiny, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(checkpoint.log, "propagate", True)
    workdir = tmp_path / "run"
    shutil.copytree(finished[0], workdir)
    latest = workdir / "checkpoints" / str(steps(workdir)[-1])
    data = max((path for path in latest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with caplog.at_level(logging.INFO, logger="medjax"):
        run_tiny(workdir)
    assert f"checkpoint {latest.name}: {data.relative_to(latest).as_posix()} has another hash" in caplog.text
    assert f"going on from step {steps(finished[0])[-2]}" in caplog.text
    assert_same(workdir, finished[0])


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 24 MB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True)
    if done.returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: pathlib.Path):
    """Leave not a byte on a disk; returns the file that takes its place."""
    file = folder / "filler"
    with open(file, "wb", buffering=0) as out:
        try:
            while True:
                out.write(bytes(65536))
        except OSError:
            pass
    return file


def test_a_disk_that_fills_up_is_one_error_and_the_run_goes_on_once_there_is_space(
    small_disk, finished, run_tiny, monkeypatch
):
    whole = Writers.write_timing

    def write_timing(self, step, scalars):
        whole(self, step, scalars)
        if step == 10:
            fill(small_disk)

    with monkeypatch.context() as patched:
        patched.setattr(Writers, "write_timing", write_timing)
        with pytest.raises(UserError, match=r"cannot write .*; free some space"):
            run_tiny(small_disk / "run")
    checkpoint.check_whole(small_disk / "run" / "checkpoints")
    assert steps(small_disk / "run") == [5]
    with pytest.raises(UserError, match=r"cannot write .*; free some space"):
        run_tiny(small_disk / "run")
    (small_disk / "filler").unlink()
    run_tiny(small_disk / "run")
    assert_same(small_disk / "run", finished[0])


def test_a_run_that_may_only_be_read_is_one_error(small_disk, finished, run_tiny):
    shutil.copytree(finished[0], small_disk / "run")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(UserError, match="Read-only file system; choose a folder that can be written"):
        run_tiny(small_disk / "run")
