"""Changed files against every parser the project wrote: about five seconds each; two minutes with `pytest -m nightly`.

An input that breaks a parser stands in the message of the failure. It is mended, and kept as a test of that parser.
"""

import logging

import pytest

from tests.fuzz.mutation import Target, fuzz
from tests.fuzz.parsers import PARSERS

_NIGHTLY_SECONDS = 120


@pytest.fixture(autouse=True)
def _quiet(caplog):
    """Nobody reads thousands of warnings on damaged files."""
    with caplog.at_level(logging.ERROR, logger="medjax"):
        yield


@pytest.mark.parametrize("name", PARSERS)
def test_changed_files_end_in_a_result_or_the_documented_error(name, tmp_path):
    fuzz(PARSERS[name](tmp_path))


@pytest.mark.nightly
@pytest.mark.parametrize("name", PARSERS)
def test_long_fuzz(name, tmp_path):
    assert fuzz(PARSERS[name](tmp_path), seed=1, seconds=_NIGHTLY_SECONDS) > 100


def broken(data: bytes) -> None:
    if data.startswith(b"ab") and len(data) > 4:
        raise KeyError("not documented")
    if not data:
        raise ValueError("documented")


@pytest.mark.parametrize(
    ("parse", "found"),
    [
        (broken, "led to KeyError: 'not documented'"),
        (lambda data: bytearray(2**50 if data != b"abc" else 1), "led to MemoryError"),
    ],
)
def test_the_fuzzer_finds_what_is_not_documented(parse, found):
    with pytest.raises(AssertionError, match=found):
        fuzz(Target(parse, [b"abc"], (ValueError,)))


def test_the_same_seed_tries_the_same_inputs():
    tried = [[], []]
    for inputs in tried:
        fuzz(Target(inputs.append, [b"0123456789"], (), (b"word",), examples=50), seed=3)
    assert tried[0] == tried[1]
    assert len(set(tried[0])) > 40
