"""The command `python -m medjax.prepare` as a person types it, in a process of its own."""

import json
import re
import subprocess
import sys

import pytest

CONFIG = "--config=tests/configs/tiny.py"


def run(*arguments):
    command = [sys.executable, "-m", "medjax.prepare", CONFIG, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    return folder / "run", run(f"--workdir={folder / 'run'}", f"--config.data.cache={folder}", "--config.folds=3")


def test_every_fold_is_prepared_where_main_trains_it(folds):
    workdir, done = folds
    assert done.returncode == 0, done.stderr
    splits = [json.loads((workdir / f"fold{k}" / "splits.json").read_text())["splits"] for k in range(3)]
    for split in splits:
        assert not set(split["train"]) & (set(split["val"]) | set(split["test"]))
    tested = [name for split in splits for name in split["test"]]
    assert len(tested) == len(set(tested)) == len({name for rows in splits[0].values() for name in rows})
    assert re.findall(r"fold \d of 3", done.stdout) == ["fold 1 of 3", "fold 2 of 3", "fold 3 of 3"]


def test_nothing_is_said_twice(folds):
    _, done = folds
    assert done.stdout.count("Unit of the split") == 3
    assert "unit of the split" not in done.stderr
    said = set(re.findall(r"Warning: (.*)\.", done.stdout))
    assert not [sentence for sentence in said if sentence in done.stderr]


def test_a_preview_is_not_written_where_pictures_are_forbidden(tmp_path):
    done = run(f"--workdir={tmp_path / 'run'}", f"--config.data.cache={tmp_path}", "--preview", "--no-images")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "drop one of the two" in done.stderr
    assert not (tmp_path / "run").exists()
