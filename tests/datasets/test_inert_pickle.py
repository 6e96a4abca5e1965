import pickle

import pytest

from medjax.datasets.inert_pickle import Call, read_pickle


class Evil:
    def __reduce__(self):
        return print, ("this was run",)


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 300, 70000, -5], "b": (1.5, None, True, False)},
        [],
        {},
        (),
        ((1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        [[1], [2]],
        "text with β",
        2**40,
    ],
)
def test_plain_data_comes_as_it_was_written(value: object) -> None:
    assert read_pickle(pickle.dumps(value, protocol=2)) == value


def test_one_object_in_two_places_is_followed() -> None:
    twice = [1, 2]
    assert read_pickle(pickle.dumps([twice, twice], protocol=2)) == [[1, 2], [1, 2]]


def test_a_call_is_described_and_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    found = read_pickle(pickle.dumps({"data": Evil()}, protocol=2))
    assert found == {"data": Call("__builtin__ print", ("this was run",))}
    assert capsys.readouterr().out == ""


def test_bytes_of_python_2_come_as_latin_1() -> None:
    assert read_pickle(b"\x80\x02U\x03a\xffb.") == "aÿb"
    assert read_pickle(b"\x80\x02T\x02\0\0\0\x00\xfe.") == "\0þ"


def test_the_state_of_a_call_is_kept() -> None:
    assert read_pickle(b"\x80\x02cm\nf\n)RK\x07b.") == Call("m f", (), 7)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "pickle exhausted"),
        (b"\x80\x02]", "pickle exhausted"),
        (b"\x80\x02.", r"damaged \(IndexError\)"),
        (b"\x80\x02h\x05.", r"damaged \(KeyError\)"),
        (b"\x80\x02}]K\x01s.", "a list as a dictionary's key"),
        (b"\x80\x02})\x85K\x01s.", "a tuple as a dictionary's key"),  # a deep one would end the process
        (b"\x80\x02K\x01K\x02s.", r"damaged \(IndexError\)"),
        (b"\x80\x02}K\x01a.", "an item for a dict"),
        (b"\x80\x02]K\x01K\x02s.", "a key for a list"),
        (b"\x80\x02]K\x01b.", "a state for a list"),
        (b"\x80\x02U\x09ab.", "expected 9 bytes"),
        (b"(i__builtin__\nprint\n.", "the operation INST"),
        (b"\xffabc", "unknown"),
    ],
)
def test_damaged_or_other_pickles_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_pickle(data)
