"""The entry point as a user starts it."""

import subprocess
import sys

import numpy as np
from PIL import Image


def predict(*arguments):
    command = [sys.executable, "-m", "medjax.predict", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_status_says_that_an_image_could_not_be_used(finished, tmp_path):
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    output = tmp_path / "out.csv"
    done = predict(f"--workdir={finished[0]}", tmp_path, f"--output={output}")
    assert done.returncode == 1, done.stderr
    assert "1 image could not be used" in done.stdout.splitlines()[-1]
    assert done.stdout.count("Research use, not a medical device") == 1
    assert done.stdout.startswith("DEMO")
    assert output.read_text().count("\n") == 3
    done = predict(f"--workdir={finished[0]}", tmp_path / "a.png", f"--output={output}", "--overwrite")
    assert done.returncode == 0, done.stderr


def test_what_is_missing_is_said_in_one_line():
    for arguments, message in (([], "give either --workdir=RUN or --runs=A,B,C"), (["--workdir=x"], "no images")):
        done = predict(*arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
