import os
import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest

from medjax.models.pickled import Storage, Tensor
from medjax.models.unpickle import Unpickler


def load(data):
    return Unpickler(data).load()


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


FLOATS = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x06tQ"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
STORAGE = Storage("0", np.dtype(np.float32), 6)


def tensor(offset=b"K\x00", size=b"K\x02K\x03\x86", stride=b"K\x03K\x01\x86", rest=b"\x89}"):
    return REBUILD + b"(" + FLOATS + offset + size + stride + rest + b"tR"


class Calls:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function, *arguments, state=None):
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.parts


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "ran"


def attacks(marker):
    touch = f"open({str(marker)!r}, 'w').close()"
    return {
        "system": (Calls(os.system, f"touch {marker}"), "system"),
        "eval": (Calls(eval, touch), "builtins.eval"),
        "exec": (Calls(exec, touch), "builtins.exec"),
        "nested": ({"layer": [1, ("a", {"weight": Calls(eval, touch)})]}, "builtins.eval"),
        "in a key": ({"a": OrderedDict([(1, Calls(eval, touch))])}, "builtins.eval"),
        "state": (Calls(list, state=Calls(eval, touch)), "builtins.list"),
        "getattr": (Calls(getattr, Calls(__import__, "os"), "system"), "builtins.getattr"),
    }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("attack", attacks(""))
def test_calls_are_refused_by_name_and_not_run(marker, attack, protocol):
    content, name = attacks(marker)[attack]
    data = pickle.dumps(content, protocol).replace(b"__builtin__", b"builtins")
    with pytest.raises(pickle.UnpicklingError, match=name):
        load(data)
    assert not marker.exists()


def test_the_attacks_are_real(marker):
    pickle.loads(pickle.dumps(attacks(marker)["eval"][0]))
    assert marker.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(X\x04\x00\x00\x00truetR.",
        b"(S'true'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nX\x04\x00\x00\x00trueo.",  # OBJ
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",  # STACK_GLOBAL
        b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.fromkeys\x93.",
        b"\x82\x01.",  # EXT1
        b"Pname\n.",  # PERSID
        b"\x80\x04\x8c\x0bcollections\x8c\x0bOrderedDict\x93)}\x92.",  # NEWOBJ_EX
        text("os.system") + b")R.",  # a call of a text
        b"ctorch\nFloatStorage\n)R.",  # a call of a storage's type
        b"ccollections\nOrderedDict\n}b.",  # a state for a class
        b"ccollections\nOrderedDict\n)R(}}tb.",  # a state in two parts, for attributes
        b"]}b.",  # a state for a list
        REBUILD + b"}" + text("__code__") + b"K\x01sb.",  # a state for a constructor
        b"(" + text("storage") + b"cos\nsystem\n" + text("0") + text("cpu") + b"K\x06tQ.",
        b"(" + text("module") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x06tQ.",
        b"NQ.",
        b"}]K\x01s.",  # a list as key
        b"}))\x86K\x01s.",  # a tuple as key: hashing a deep one would exhaust the stack
        b"NK\x01a.",  # an item for None
        b"l\x01.",  # LIST
    ],
)
def test_other_operations_are_refused(data, monkeypatch):
    monkeypatch.setattr(os, "system", lambda command: pytest.fail("it ran"))
    with pytest.raises(pickle.UnpicklingError):
        load(data)


def test_state_of_an_ordered_dict_is_dropped():
    data = b"ccollections\nOrderedDict\n)R}" + text("_metadata") + b"K\x01sb."
    loaded = load(data)
    assert loaded == OrderedDict()
    assert not hasattr(loaded, "_metadata")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_content_is_read(protocol):
    content = {"a": [1, 300, 70000, -5, 2**40], "b": (), "c": (1.5, None, True, False), "d": ("é", 1, 2, 3), "e": b"x"}
    content["again"] = content["a"]
    if protocol == 2:
        del content["e"]  # protocol 2 writes bytes as a call
    assert load(pickle.dumps(content, protocol)) == content
    assert load(pickle.dumps(OrderedDict(a=1, b=[2]), protocol)) == OrderedDict(a=1, b=[2])


def test_tensor_is_a_view_of_its_storage():
    assert load(tensor() + b".") == Tensor(STORAGE, 0, (2, 3), (3, 1))


def test_tensor_may_end_at_the_last_element():
    assert load(tensor(offset=b"K\x01", size=b"K\x05\x85", stride=b"K\x01\x85") + b".").offset == 1


@pytest.mark.parametrize(
    "change",
    [
        {"offset": b"K\x01"},  # one past the end
        {"offset": b"J\xff\xff\xff\xff"},  # -1
        {"stride": b"K\x04K\x01\x86"},
        {"stride": b"J\xff\xff\xff\xffK\x01\x86"},
        {"size": b"J\xff\xff\xff\xffK\x03\x86"},
        {"size": b"K\x02K\x03\x86", "stride": b"K\x01\x85"},
        {"size": b"\x8a\x08" + b"\xff" * 7 + b"\x7f" + b"K\x03\x86"},  # 2**63 - 1 rows
        {"size": b"G?\xf0\x00\x00\x00\x00\x00\x00K\x03\x86"},  # 1.0
        {"offset": b"\x88"},  # True
        {"rest": b"\x89}}" + text("conj") + b"\x88s"},
    ],
)
def test_tensor_outside_its_storage_is_refused(change):
    with pytest.raises(pickle.UnpicklingError, match="tensor"):
        load(tensor(**change) + b".")


def test_parameter_of_pytorch_before_04_is_its_tensor():
    data = b"ctorch.nn.parameter\nParameter\n" + tensor() + b"\x85\x81(\x88\x89}tb."
    assert load(data) == Tensor(STORAGE, 0, (2, 3), (3, 1))


def test_one_storage_cannot_have_two_sizes():
    with pytest.raises(pickle.UnpicklingError, match="two sizes"):
        load(b"](" + FLOATS + FLOATS.replace(b"K\x06", b"K\x07") + b"e.")


def test_a_huge_memo_index_costs_nothing():
    assert load(b"Nr\xff\xff\xff\xff.") is None


@pytest.mark.parametrize("data", [b"", b".", b"\x80", b"X\xff\xff\xff\xffab.", b"h\x07.", b"t.", b"\x86.", b"cos\n"])
def test_damage_is_an_unpickling_error(data):
    with pytest.raises(pickle.UnpicklingError):
        load(data)


def test_every_truncation_is_an_unpickling_error():
    data = b"\x80\x02}(" + text("w") + tensor() + text("b") + b"]K\x01au."
    assert load(data)["b"] == [1]
    for end in range(len(data)):
        with pytest.raises(pickle.UnpicklingError):
            load(data[:end])


def test_random_damage_raises_nothing_else():
    rng = np.random.default_rng(0)
    data = b"\x80\x02}(" + text("w") + tensor() + text("b") + b"]K\x01au."
    for _ in range(3000):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        try:
            load(bytes(damaged))
        except pickle.UnpicklingError:
            continue
