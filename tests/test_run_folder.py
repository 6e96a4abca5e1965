import json
import logging

import pytest

from medjax import run_folder
from medjax.errors import UserError
from medjax.json_file import write_json


def test_a_new_run_records_its_config_and_environment(tmp_path):
    run_folder.open_run(tmp_path / "run", {"seed": 1})
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == {"seed": 1}
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["packages"]["jax"]
    assert environment["devices"]


def test_another_config_is_refused_and_every_difference_named(tmp_path):
    run_folder.open_run(tmp_path, {"seed": 1, "data": {"path": "a", "size": 8}})
    with pytest.raises(UserError, match=r"data\.path: 'a' there, 'b' here; seed: 1 there, 2 here"):
        run_folder.open_run(tmp_path, {"seed": 2, "data": {"path": "b", "size": 8}})


def test_going_on_elsewhere_warns(tmp_path, monkeypatch, caplog):
    run_folder.open_run(tmp_path, {})
    monkeypatch.setattr(run_folder, "environment", lambda: {**ENVIRONMENT, "cores": 999})
    with caplog.at_level(logging.WARNING, logger="medjax"):
        monkeypatch.setattr(run_folder.log, "propagate", True)
        run_folder.open_run(tmp_path, {})
    assert "cores" in caplog.text


def test_going_on_in_the_same_place_is_silent(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(run_folder.log, "propagate", True)
    run_folder.open_run(tmp_path, {})
    run_folder.open_run(tmp_path, {})
    assert not caplog.text


def test_an_unwritable_place_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="another --workdir"):
        run_folder.open_run(tmp_path / "file" / "run", {})


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\ud800"])
def test_a_damaged_config_is_named(tmp_path, text):
    run_folder.open_run(tmp_path, {})
    (tmp_path / "config.json").write_text(text, errors="surrogatepass")
    with pytest.raises(UserError, match=r"config\.json"):
        run_folder.open_run(tmp_path, {})


def test_nan_never_reaches_a_json_file(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


ENVIRONMENT = run_folder.environment()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("--config=configs/x.py --config.seed=1", "--config=configs/x.py --config.seed=1"),
        ("--config=/home/doe/x.py", "--config=…/x.py"),
        ("--config ../doe/x.py --workdir doe", "--config …/x.py --workdir …"),
        ("--config.data.path=/home/doe --config.weights doe.pth", "--config.data.path=… --config.weights …"),
        (
            "--config.data.options.root=doe --no-images --config=configs/x.py",
            "--config.data.options.root=… --no-images --config=configs/x.py",
        ),
    ],
)
def test_a_command_is_kept_without_its_paths(typed, kept):
    assert run_folder.without_paths(typed.split()) == kept.split()


@pytest.mark.parametrize(("written", "told"), [(run_folder.FORMAT + 1, "medjax 9.9"), (1, "medjax 9.9"), ("x", "'x'")])
def test_a_folder_of_another_version_is_refused(tmp_path, written, told):
    run_folder.open_run(tmp_path, {})
    other = {**ENVIRONMENT, "format": written, "packages": {"medjax": "9.9"}}
    write_json(tmp_path / "environment.json", other)
    with pytest.raises(UserError, match=r"another version.*in format.*use that version") as error:
        run_folder.open_run(tmp_path, {})
    assert told in str(error.value)


def test_versions_that_are_no_object_are_damage(tmp_path):
    write_json(tmp_path / "environment.json", {**ENVIRONMENT, "packages": 3})
    with pytest.raises(UserError, match="'packages' is no dict"):
        run_folder.check_format(tmp_path)


def test_a_folder_from_before_formats_were_numbered_can_be_read_but_not_gone_on_with(tmp_path):
    run_folder.open_run(tmp_path, {})
    write_json(tmp_path / "environment.json", {k: v for k, v in ENVIRONMENT.items() if k != "format"})
    run_folder.check_format(tmp_path)
    with pytest.raises(UserError, match="in format 1"):
        run_folder.open_run(tmp_path, {})
