"""The entry point as a user starts it."""

import subprocess
import sys


def evaluate(*arguments):
    command = [sys.executable, "-m", "medjax.evaluate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_finished_run_is_reproduced_to_the_byte(finished, tmp_path):
    workdir, _ = finished
    before = (workdir / "evaluation.json").read_bytes()
    done = evaluate(f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("evaluation.json: reproduced")
    assert "DEMO" in done.stdout
    assert (workdir / "evaluation.json").read_bytes() == before
    file = tmp_path / "figures.json"
    done = evaluate(f"--predictions={workdir / 'predictions_test.csv'}", f"--output={file}")
    assert done.returncode == 0, done.stderr
    assert file.exists()


def test_one_of_the_two_is_needed():
    done = evaluate()
    assert done.returncode == 2
    assert "give either --workdir=RUN or --predictions=FILE.csv" in done.stderr
    assert "Traceback" not in done.stderr
