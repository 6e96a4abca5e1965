"""The command as a person types it, in a process of its own."""

import subprocess
import sys

import pytest

CONFIG = "--config=configs/resnet50_brain.py"


def run(*arguments):
    command = [sys.executable, "-m", "medjax.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([CONFIG, "--config.optimzer.learning_rate=1"], "optimizer"),
        ([CONFIG, "--config.batch_size=many"], "batch_size"),
        ([CONFIG, "--config.batch_size=0"], "at least 1"),
        ([CONFIG, "--config.split.val=0.6", "--config.split.test=0.4"], "below 1"),
        ([CONFIG, "--confg.seed=1"], "there is no option --confg.seed; did you mean --config"),
        ([CONFIG, "--log_dri=1"], "there is no option --log_dri; --help lists those"),  # absl has --log_dir
        ([CONFIG, "--config.data.path=/no/such.zip"], "/no/such.zip"),
        ([CONFIG, "seed=1"], "--name=value"),
        (["--config=configs/resnet50_brian.py"], "is not a file: did you mean configs/resnet50_brain.py?"),
        (["--config=configs/resnet50_brian.py", "--config.seed=1"], "did you mean configs/resnet50_brain.py?"),
        ([], "configs/resnet50_brain.py"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, told):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("medjax: ")
    assert done.stderr.count("\n") == 1
    assert told in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def get_config(:", "SyntaxError: invalid syntax (mine.py, line 1)"),
        ("def get_config():\n    return 1 / 0", "ZeroDivisionError: division by zero, in "),
        ("x = 1", "get_config"),
        ("def get_config():\n    return {}", "returns a dict: it must return a ConfigDict"),
    ],
)
def test_a_config_that_cannot_be_loaded_is_one_line_and_status_2(tmp_path, text, told):
    (tmp_path / "mine.py").write_text(text)
    done = run(f"--config={tmp_path / 'mine.py'}")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert told in done.stderr


def test_help_tells_the_command():
    assert "python -m medjax.main" in run("--help").stdout


def test_the_advice_on_a_mistyped_field_is_plain_text():
    assert "'seeds' Did you mean \"seed\" instead" in run(CONFIG, "--config.seeds=1").stderr
