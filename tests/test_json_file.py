import pytest

from medjax.errors import UserError
from medjax.json_file import read_json, read_json_if_there, write_json


def test_what_is_written_is_read(tmp_path):
    content = {"a": [1, 0.1, None, "ü"]}
    write_json(tmp_path / "x.json", content)
    assert read_json(tmp_path / "x.json") == read_json_if_there(tmp_path / "x.json", "") == content


def test_what_cannot_be_read_is_named_with_advice(tmp_path):
    file = tmp_path / "x.json"
    with pytest.raises(UserError, match=r"x\.json cannot be read \(No such file or directory\): run it again\."):
        read_json(file, "run it again")
    assert read_json_if_there(file, "") is None
    for damaged in (b"{", b"\xff"):
        file.write_bytes(damaged)
        with pytest.raises(UserError, match=r"x\.json is not JSON .*: run it again\."):
            read_json_if_there(file, "run it again")


def test_what_is_needed_must_be_there_and_of_its_type(tmp_path):
    file = tmp_path / "x.json"
    for text, said in (
        ("[]", r"x\.json holds no JSON object: run it again\."),
        ("{}", r"x\.json lacks 'a', as those of older versions may: run it again\."),
        ('{"a": null}', r"x\.json is damaged, 'a' is no dict: run it again\."),
    ):
        file.write_text(text)
        with pytest.raises(UserError, match=said):
            read_json(file, "run it again", {"a": dict})
        with pytest.raises(UserError, match=said):
            read_json_if_there(file, "run it again", {"a": dict})
    file.write_text('{"a": {"b": 1}, "c": null}')
    assert read_json(file, "", {"a": dict, "c": object})["a"] == {"b": 1}
