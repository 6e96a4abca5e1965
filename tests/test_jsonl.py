import json

import jax.numpy as jnp
import numpy as np
import pytest

from medjax.errors import UserError
from medjax.jsonl import append_row, cut_rows, read_rows


def test_one_object_a_line_with_exact_floats(tmp_path):
    file = tmp_path / "m.jsonl"
    append_row(file, {"step": 1, "loss": 0.1 + 0.2})
    append_row(file, {"step": 2, "loss": np.float32(0.1), "accuracy": jnp.float32(0.5), "demo": True})
    assert file.read_text() == (
        '{"step": 1, "loss": 0.30000000000000004}\n'
        '{"step": 2, "loss": 0.10000000149011612, "accuracy": 0.5, "demo": true}\n'
    )


def test_reading_gives_the_same_numbers(tmp_path):
    values = np.random.default_rng(0).normal(size=50) * 10.0 ** np.arange(-25, 25)
    for step, value in enumerate(values):
        append_row(tmp_path / "m.jsonl", {"step": step, "value": value})
    assert [row["value"] for row in read_rows(tmp_path / "m.jsonl")] == values.tolist()


@pytest.mark.parametrize("value", [float("nan"), np.inf, jnp.float32(-jnp.inf)])
def test_what_json_cannot_hold_is_null(tmp_path, value):
    append_row(tmp_path / "m.jsonl", {"step": 1, "loss": value})
    assert json.loads((tmp_path / "m.jsonl").read_text()) == {"step": 1, "loss": None}


@pytest.mark.parametrize("row", [{"loss": 1.0}, {"step": 1.5}, {"step": True}])
def test_a_row_needs_an_integer_step(tmp_path, row):
    with pytest.raises(ValueError, match="integer 'step'"):
        append_row(tmp_path / "m.jsonl", row)


def test_a_missing_file_has_no_rows(tmp_path):
    assert read_rows(tmp_path / "m.jsonl") == []
    assert cut_rows(tmp_path / "m.jsonl", 5) == 0
    assert not (tmp_path / "m.jsonl").exists()


@pytest.mark.parametrize("torn", ['{"step": 3, "lo', '{"step": 3}'])
def test_a_torn_last_line_is_dropped(tmp_path, torn):
    file = tmp_path / "m.jsonl"
    file.write_text('{"step": 1}\n{"step": 2}\n' + torn)
    assert [row["step"] for row in read_rows(file)] == [1, 2]
    assert cut_rows(file, 9) == 2
    assert file.read_text() == '{"step": 1}\n{"step": 2}\n'


def test_cut_keeps_the_step_itself_and_the_bytes_of_what_stays(tmp_path):
    file = tmp_path / "m.jsonl"
    file.write_text('{"step":1,"x": 1.50}\n{"step": 2}\n{"step": 3}\n')
    assert cut_rows(file, 2) == 2
    assert file.read_text() == '{"step":1,"x": 1.50}\n{"step": 2}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["m.jsonl"]


def test_cut_is_atomic(tmp_path, monkeypatch):
    file = tmp_path / "m.jsonl"
    file.write_text('{"step": 1}\n{"step": 2}\n')

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        cut_rows(file, 1)
    assert file.read_text() == '{"step": 1}\n{"step": 2}\n'


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"step": null}', '{"step": ' + "[" * 100_000])
def test_damage_inside_names_file_and_line(tmp_path, line):
    file = tmp_path / "m.jsonl"
    file.write_text(f'{{"step": 1}}\n{line}\n{{"step": 3}}\n')
    with pytest.raises(UserError, match=r"m\.jsonl, line 2"):
        read_rows(file)
