import io
import pickle
import struct
import tracemalloc
import zipfile

import ml_dtypes
import numpy as np
import pytest

from medjax.errors import UserError
from medjax.models import pth

VALUES = np.arange(6, dtype=np.float32)


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    return b"\x8a\x08" + struct.pack("<q", value)


def tensor(key="0", kind="FloatStorage", numel=6, offset=0, size=(2, 3), stride=(3, 1), legacy=False):
    """The pickle of one tensor, as torch.save writes it."""
    storage = text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + number(numel)
    pid = b"(" + storage + (b"N" if legacy else b"") + b"tQ"
    shape = b"".join(b"(" + b"".join(map(number, counts)) + b"t" for counts in (size, stride))
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + pid + number(offset) + shape + b"\x89ccollections\nOrderedDict\n)RtR"
    )


def mapping(**entries):
    return b"}(" + b"".join(text(name) + value for name, value in entries.items()) + b"u"


def zip_file(content, storages=None, extra=None, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + content + b".")
        for key, values in (storages or {"0": VALUES}).items():
            archive.writestr(f"archive/data/{key}", values.tobytes())
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return stream.getvalue()


def legacy_file(content, storages=None, numel=None):
    storages = storages or {"0": VALUES}
    head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    data = b"".join(pickle.dumps(part, 2) for part in head) + b"\x80\x02" + content + b"."
    data += pickle.dumps(list(storages), 2)
    for values in storages.values():
        data += struct.pack("<q", values.size if numel is None else numel) + values.tobytes()
    return data


def one_tensor(legacy, storages=None, **kwargs):
    content = mapping(w=tensor(legacy=legacy, **kwargs))
    return legacy_file(content, storages) if legacy else zip_file(content, storages)


@pytest.fixture(params=[False, True], ids=["zip", "legacy"])
def legacy(request):
    return request.param


def test_tensor_is_read(legacy):
    found = pth.read(one_tensor(legacy))
    assert list(found) == ["w"]
    assert found["w"].dtype == np.float32
    assert found["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert not found["w"].flags.writeable


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("DoubleStorage", np.float64),
        ("HalfStorage", np.float16),
        ("BFloat16Storage", ml_dtypes.bfloat16),
        ("LongStorage", np.int64),
        ("BoolStorage", np.bool_),
    ],
)
def test_every_dtype_is_read(legacy, kind, dtype):
    values = np.array([0, 1, 0, 1, 1, 0], dtype)
    found = pth.read(one_tensor(legacy, {"0": values}, kind=kind))["w"]
    assert found.dtype == dtype
    assert np.array_equal(found, values.reshape(2, 3))


def test_strides_and_offset_are_followed(legacy):
    found = pth.read(one_tensor(legacy, offset=1, size=(2, 2), stride=(1, 3)))["w"]
    assert found.tolist() == [[1, 4], [2, 5]]


def test_scalar_and_empty_tensors_are_read(legacy):
    assert pth.read(one_tensor(legacy, offset=4, size=(), stride=()))["w"] == 4
    assert pth.read(one_tensor(legacy, size=(0, 3)))["w"].shape == (0, 3)


def test_two_tensors_share_a_storage(legacy):
    content = mapping(a=tensor(legacy=legacy), b=tensor(offset=3, size=(3,), stride=(1,), legacy=legacy))
    found = pth.read(legacy_file(content) if legacy else zip_file(content))
    assert found["b"].tolist() == [3, 4, 5]
    assert np.shares_memory(found["a"], found["b"])


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict", "net"])
def test_state_dict_beside_other_entries_is_found(wrapper):
    content = mapping(epoch=number(3), **{wrapper: mapping(w=tensor())}, optimizer=mapping(lr=number(1)))
    assert list(pth.read(zip_file(content))) == ["w"]


def test_big_endian_file_is_read():
    data = zip_file(mapping(w=tensor()), {"0": VALUES.astype(">f4")}, {"archive/byteorder": b"big"})
    assert pth.read(data)["w"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_expanded_tensor_takes_no_memory():
    found = pth.read(zip_file(mapping(w=tensor(size=(10**9, 10**3), stride=(0, 0)))))["w"]
    assert found.shape == (10**9, 10**3)
    assert found.strides == (0, 0)


def test_absurd_expansion_is_refused():
    with pytest.raises(UserError, match="does not fit"):
        pth.read(zip_file(mapping(w=tensor(size=(2**40, 2**40), stride=(0, 0)))))


def test_reach_beyond_the_storage_is_refused(legacy):
    with pytest.raises(UserError, match="reaches element 6 of storage '0', which has 6"):
        pth.read(one_tensor(legacy, offset=1))


@pytest.mark.parametrize("numel", [5, 7, 2**62])
def test_storage_of_another_size_than_stated_is_refused(legacy, numel):
    with pytest.raises(UserError, match=r"size that it states|beyond|reaches"):
        pth.read(one_tensor(legacy, numel=numel))


def test_legacy_storage_that_disagrees_with_the_pickle_is_refused():
    with pytest.raises(UserError, match="storage '0' has not the size"):
        pth.read(legacy_file(mapping(w=tensor(legacy=True)), numel=5))


def test_legacy_file_without_its_storage_is_refused():
    with pytest.raises(UserError, match="list of storages"):
        pth.read(legacy_file(mapping(w=tensor(legacy=True)), {"1": VALUES}))


def test_zip_without_its_storage_is_refused():
    with pytest.raises(UserError, match="damaged or truncated"):
        pth.read(zip_file(mapping(w=tensor()), {"1": VALUES}))


def test_changed_number_in_a_zip_is_noticed():
    data = zip_file(mapping(w=tensor()))
    place = data.index(VALUES.tobytes())
    with pytest.raises(UserError, match="damaged or truncated"):
        pth.read(data[:place] + b"\x01" + data[place + 1 :])


@pytest.mark.parametrize("extra", [{}, {"archive/zeros": bytes(10**7)}])
def test_compressed_zip_is_refused_before_it_is_unpacked(extra):
    with pytest.raises(UserError, match="unpacks to more"):
        pth.read(zip_file(mapping(w=tensor()), extra=extra, compression=zipfile.ZIP_DEFLATED))


def test_zip_whose_entries_overlap_is_refused():
    data = bytearray(zip_file(mapping(w=tensor()), extra={f"archive/{i}": bytes(1000) for i in range(9)}))
    # Every entry of the directory points to the first file and claims the size of the whole archive.
    place = -1
    while (place := data.find(b"PK\x01\x02", place + 1)) >= 0:
        data[place + 20 : place + 28] = struct.pack("<II", len(data), len(data))
        data[place + 42 : place + 46] = bytes(4)
    with pytest.raises(UserError, match="unpacks to more"):
        pth.read(bytes(data))


def test_torchscript_and_other_zips_are_refused():
    with pytest.raises(UserError, match="TorchScript"):
        pth.read(zip_file(mapping(w=tensor()), extra={"archive/constants.pkl": b""}))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.jpg", b"x")
    with pytest.raises(UserError, match=r"without PyTorch's data\.pkl"):
        pth.read(stream.getvalue())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"]", "list, not a state_dict"),
        (b"}", "empty"),
        (tensor(), "Tensor, not a state_dict"),
        (mapping(w=tensor(), epoch=number(3)), "'epoch' -> int"),
        (b"}(" + number(1) + tensor() + b"u", "'1' -> Tensor"),
    ],
)
def test_content_that_is_no_state_dict_is_named(content, message):
    with pytest.raises(UserError, match=message):
        pth.read(zip_file(content))


def test_call_in_a_file_is_refused_by_name(legacy, tmp_path):
    marker = tmp_path / "ran"
    content = mapping(w=tensor(legacy=legacy), x=b"cposix\nsystem\n" + text(f"touch {marker}") + b"\x85R")
    with pytest.raises(UserError, match=r"nothing in it was run: 'posix\.system'.*torch\.save\(model\.state_dict\(\)"):
        pth.read(legacy_file(content) if legacy else zip_file(content))
    assert not marker.exists()


def test_every_truncation_is_a_user_error(legacy):
    data = one_tensor(legacy)
    assert pth.read(data)
    for end in range(len(data)):
        with pytest.raises(UserError):
            pth.read(data[:end])


def test_random_damage_raises_nothing_else(legacy):
    rng = np.random.default_rng(0)
    data = one_tensor(legacy)
    for _ in range(2000):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        try:
            pth.read(bytes(damaged))
        except UserError:
            continue


def test_a_list_of_storages_whose_text_would_fill_the_memory_is_refused():
    nested = 1
    for _ in range(22):
        nested = (nested, nested)  # a few bytes a level; as text, twice as long with each
    data = legacy_file(mapping(w=tensor(legacy=True)))
    bomb = data.replace(pickle.dumps(["0"], 2), pickle.dumps([nested], 2))
    assert len(bomb) < len(data) + 500
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="list of storages"):
            pth.read(bomb)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
