import json
import struct

import ml_dtypes
import numpy as np
import pytest

from medjax.errors import UserError
from medjax.models import safetensors

F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def file_of(header, body=b"\0\0\x80\x3f\0\0\0\x40"):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def test_hand_made_file_is_read():
    found = safetensors.read(file_of({"w": F32, "__metadata__": {"format": "pt"}}))
    assert list(found) == ["w"]
    assert found["w"].tolist() == [1.0, 2.0]
    assert found["w"].dtype == np.float32
    assert not found["w"].flags.writeable


def test_written_bytes_follow_the_format(tmp_path):
    safetensors.write(tmp_path / "w.safetensors", {"w": np.array([1, 2], np.float32)}, {"by": "medjax"})
    data = (tmp_path / "w.safetensors").read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    assert length % 8 == 0
    assert json.loads(data[8 : 8 + length]) == {"__metadata__": {"by": "medjax"}, "w": F32}
    assert data[8 + length :] == b"\0\0\x80\x3f\0\0\0\x40"


@pytest.mark.parametrize("dtype", list(safetensors.DTYPES.values()), ids=str)
def test_every_dtype_and_shape_survives(tmp_path, dtype):
    values = np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
    arrays = {"matrix": values, "turned": values.T, "scalar": values[1, 1], "empty": values[:, :0]}
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    safetensors.write(tmp_path / "w.safetensors", arrays)
    found = safetensors.read((tmp_path / "w.safetensors").read_bytes())
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == dtype
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)


def test_big_endian_arrays_are_written_little_endian(tmp_path):
    safetensors.write(tmp_path / "w.safetensors", {"w": np.array([1, 2], ">f4")})
    assert safetensors.read((tmp_path / "w.safetensors").read_bytes())["w"].tolist() == [1.0, 2.0]


def test_wide_numbers_come_first_and_stay_aligned(tmp_path):
    arrays = {"a": np.zeros(3, np.uint8), "b": np.zeros(1, ml_dtypes.bfloat16), "c": np.zeros(1, np.float64)}
    safetensors.write(tmp_path / "w.safetensors", arrays)
    assert list(safetensors.read((tmp_path / "w.safetensors").read_bytes())) == ["c", "b", "a"]


def test_unknown_dtype_cannot_be_written_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"'w' of dtype complex64 cannot be written; allowed: F64"):
        safetensors.write(tmp_path / "w.safetensors", {"w": np.zeros(2, np.complex64)})
    assert list(tmp_path.iterdir()) == []


def test_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "w.safetensors"
    safetensors.write(file, {"w": np.zeros(2, np.float32)})
    before = file.read_bytes()

    def interrupt(array):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "ascontiguousarray", interrupt)
    with pytest.raises(KeyboardInterrupt):
        safetensors.write(file, {"w": np.ones(2, np.float32)})
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "header",
    [
        {"w": F32 | {"dtype": "F8"}},
        {"w": F32 | {"dtype": ["F32"]}},
        {"w": F32 | {"shape": [3]}},
        {"w": F32 | {"shape": [-2]}},
        {"w": F32 | {"shape": [2.0]}},
        {"w": F32 | {"shape": [True, 2]}},
        {"w": F32 | {"shape": [2**62, 2**62]}},
        {"w": {"dtype": "F32", "shape": [0, 2**62], "data_offsets": [0, 0]}},  # no bytes, and no array can have it
        {"w": {"dtype": "F32", "shape": [0, 2**70], "data_offsets": [0, 0]}},
        {"w": F32 | {"shape": [1] * 17}},
        {"w": F32 | {"data_offsets": [8, 16]}},
        {"w": F32 | {"data_offsets": [0, 16], "shape": [4]}},
        {"w": F32 | {"data_offsets": [8, 0]}},
        {"w": F32 | {"data_offsets": [0]}},
        {"w": F32, "v": F32},  # overlap
        {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}},  # four bytes left over
        {"w": {"dtype": "F32", "shape": [2]}},
        {"w": 3},
        [],
        b'{"w": 1',
        b"[" * 200_000,
        b'{"w": %s, "w": %s}' % ((json.dumps(F32).encode(),) * 2),  # one name twice
        b"\xff\xfe{}",
    ],
)
def test_wrong_header_is_refused(header):
    with pytest.raises(UserError, match="is damaged"):
        safetensors.read(file_of(header))


@pytest.mark.parametrize("length", [0, 10**3, 2**63])
def test_wrong_header_length_is_refused(length):
    with pytest.raises(UserError, match="header does not fit"):
        safetensors.read(struct.pack("<Q", length) + b"{}")


def test_every_truncation_is_a_user_error():
    data = file_of({"w": F32})
    for end in range(len(data)):
        with pytest.raises(UserError):
            safetensors.read(data[:end])
