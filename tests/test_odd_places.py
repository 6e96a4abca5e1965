"""A whole run where nothing is as at a developer's: no terminal, no home, paths with everything in them."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def images(tmp_path):
    """Two classes of 20 grey pictures in a folder reached by a link, their names with spaces and foreign letters."""
    chance = np.random.default_rng(0)
    for name, level in (("gesund ö", 60), ("病気", 180)):
        (tmp_path / "Aufnahmen α" / name).mkdir(parents=True)
        for number in range(20):
            pixels = chance.normal(level, 30, (16, 16)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "Aufnahmen α" / name / f"Bild {number}é.png")
    (tmp_path / "link zu den Bildern").symlink_to("Aufnahmen α", target_is_directory=True)
    return tmp_path / "link zu den Bildern"


def run(images, workdir, cache, environment):
    command = [sys.executable, "-m", "medjax.main", "--config=tests/configs/tiny.py", f"--workdir={workdir}"]
    fields = {
        "data.name": "image_folder",
        "data.path": images,
        "data.cache": cache,
        "data.image_size": 16,
        "weights": "none",
        "batch_size": 8,
        "max_epochs": 1,
    }
    command += [f"--config.{name}={value}" for name, value in fields.items()]
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *command]  # stdin is not empty, it is not there
    return subprocess.run(closed, env=environment, capture_output=True, text=True, timeout=600)


def test_without_terminal_stdin_and_home_and_under_a_long_path_of_every_letter(images, tmp_path):
    long = tmp_path / "Läufe mit Leerzeichen" / ("x" * 200) / "研究"
    kept = {name: value for name, value in os.environ.items() if name not in ("HOME", "LANG", "XDG_CACHE_HOME")}
    environment = {**kept, "LC_ALL": "C", "JAX_PLATFORMS": "cpu", "MEDJAX_KEY": str(tmp_path / "Schlüssel")}
    done = run(images, long, tmp_path / "Zwischen speicher ü", environment)
    assert done.returncode == 0, done.stderr
    assert (long / "report.html").is_file()
    assert "epoch   1/1" in done.stderr  # a line an epoch instead of the bar
    assert "\r" not in done.stderr
    assert "images/s" in done.stderr
