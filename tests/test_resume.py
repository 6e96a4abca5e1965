"""Kill or stop a run, start it again: its results are those of a run that was left alone."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

MOST_CHECKPOINTS = 3
KEPT = ("metrics.jsonl", "predictions_val.csv", "predictions_test.csv", "evaluation.json")


def start(workdir, cache, *options, every_minutes="1e-9"):
    # A save after every step, so that every moment of the run is also one of saving.
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "medjax.main",
            "--config=tests/configs/tiny.py",
            f"--workdir={workdir}",
            f"--config.data.cache={cache}",
            f"--config.checkpoint.every_minutes={every_minutes}",
            *options,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )


def finish(process):
    _, errors = process.communicate(timeout=900)
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


def assert_same(workdir, reference):
    for name in KEPT:
        assert (workdir / name).read_bytes() == (reference / name).read_bytes(), name
    assert len(steps(workdir)) <= MOST_CHECKPOINTS


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    cache, workdir = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("run")
    finish(start(workdir, cache))
    return workdir, cache


@pytest.mark.parametrize("moment", [between_epochs, inside_an_epoch, while_saving])
def test_a_killed_run_ends_as_if_nothing_had_happened(moment, uninterrupted, tmp_path):
    reference, cache = uninterrupted
    process = start(tmp_path, cache)
    deadline = time.monotonic() + 900
    while not moment(tmp_path) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.0005)
    assert process.poll() is None, "the run ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "evaluation.json").exists()
    assert "going on from step" in finish(start(tmp_path, cache))
    assert_same(tmp_path, reference)


def killed_at_random(workdir, cache, chance, options):
    """Start the run and kill it, in its start or a moment after a few more steps; False if it was through before."""
    process, begun = start(workdir, cache, *options), max(steps(workdir), default=0)
    more, delay = chance.randrange(5), chance.uniform(0, 0.05)
    if more == 0:
        time.sleep(chance.uniform(0, 20))
    deadline = time.monotonic() + 900
    while process.poll() is None and max(steps(workdir), default=0) < begun + more and time.monotonic() < deadline:
        time.sleep(0.0005)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), errors
    return process.returncode != 0


def kill_at_random(times, workdir, reference, cache, chance, options=()):
    """Kill runs so many times; one that was through before must be right too, and the next begins anew."""
    kills = 0
    for _ in range(5 * times):
        if killed_at_random(workdir, cache, chance, options):
            kills += 1
        else:
            assert_same(workdir, reference)
            shutil.rmtree(workdir)
        if kills == times:
            return
    pytest.fail(f"only {kills} of {5 * times} runs could be killed")


def test_a_run_killed_three_times_at_random_moments_ends_as_if_nothing_had_happened(uninterrupted, tmp_path):
    reference, cache = uninterrupted
    kill_at_random(3, tmp_path / "killed", reference, cache, random.Random(1))
    finish(start(tmp_path / "killed", cache))
    assert_same(tmp_path / "killed", reference)


@pytest.mark.nightly
def test_a_run_killed_twenty_times_at_random_moments_ends_as_if_nothing_had_happened(uninterrupted, tmp_path):
    _, cache = uninterrupted
    options = ["--config.batch_size=16"]  # 117 steps, so that there is something left to kill
    reference = tmp_path / "reference"
    finish(start(reference, cache, *options))
    kill_at_random(20, tmp_path / "killed", reference, cache, random.Random(2), options)
    finish(start(tmp_path / "killed", cache, *options))
    assert_same(tmp_path / "killed", reference)
