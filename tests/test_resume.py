"""Kill -9 a run at a chosen moment, start it again: its results are those of a run that was left alone."""

import os
import signal
import subprocess
import sys
import time

import pytest

KEPT = ("metrics.jsonl", "predictions_val.csv", "predictions_test.csv", "evaluation.json")


def start(workdir, cache):
    # A save after every step, so that every moment of the run is also one of saving.
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "medjax.main",
            "--config=tests/configs/tiny.py",
            f"--workdir={workdir}",
            f"--config.data.cache={cache}",
            "--config.checkpoint.every_minutes=1e-9",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )


def finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return errors


def steps(workdir):
    folder = workdir / "checkpoints"
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()] if folder.exists() else []


def between_epochs(workdir):
    file = workdir / "metrics.jsonl"
    return file.exists() and file.read_bytes().count(b"\n") == 2


def inside_an_epoch(workdir):
    return max(steps(workdir), default=0) >= 7


def while_saving(workdir):
    folder = workdir / "checkpoints"
    under_way = folder.exists() and any("tmp" in path.name for path in folder.iterdir())
    return under_way and max(steps(workdir), default=0) >= 3


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    cache, workdir = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("run")
    finish(start(workdir, cache))
    return workdir, cache


@pytest.mark.parametrize("moment", [between_epochs, inside_an_epoch, while_saving])
def test_a_killed_run_ends_as_if_nothing_had_happened(moment, uninterrupted, tmp_path):
    reference, cache = uninterrupted
    process = start(tmp_path, cache)
    deadline = time.monotonic() + 240
    while not moment(tmp_path) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.0005)
    assert process.poll() is None, "the run ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "evaluation.json").exists()
    assert "going on from step" in finish(start(tmp_path, cache))
    for name in KEPT:
        assert (tmp_path / name).read_bytes() == (reference / name).read_bytes(), name
