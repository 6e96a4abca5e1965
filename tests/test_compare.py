"""The entry point as a user starts it."""

import subprocess
import sys

import pytest


def compare(*arguments):
    command = [sys.executable, "-m", "medjax.compare", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_two_seeds_are_compared_and_written(finished, run_tiny, tmp_path):
    run_tiny(tmp_path / "other", seed=1, phantom__max_epochs=1)
    done = compare(finished[0], tmp_path / "other", f"--output={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("DEMO")
    assert "These models, one run each: " in done.stdout
    assert "FLOP" in done.stdout
    assert (tmp_path / "out" / "comparison.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((), "at least two finished runs"), (("one",), "at least two"), (("no/run", "no/other"), "no/run is no run")],
)
def test_a_mistake_is_one_line(arguments, message):
    done = compare(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
