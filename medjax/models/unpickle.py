"""Reads the pickles inside PyTorch files without the power to run anything.

A pickle is a program for a stack machine. Python's own `pickle` runs all of it, so a file can call any function.
This is a second, smaller machine: it knows the few operations a state_dict needs and holds no function that a file
could reach except those of CONSTRUCTORS. Names are looked up in that table, never imported.
"""

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from medjax.models.pickled import CONSTRUCTORS, STORAGE_DTYPES, Global, Storage, Tensor, plain_key


class Unpickler:
    """The stack machine. After load(), `pos` is the place behind the pickle, `storages` what its tensors view."""

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data = data
        self.pos = pos
        self.stack: list[Any] = []
        self.below_marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def load(self) -> Any:
        """Run one pickle to its end.

        Returns:
            dicts, lists, tuples, numbers, strings and `Tensor`s.

        Raises:
            pickle.UnpicklingError: the pickle asks for anything else, or is damaged.
        """
        try:
            while True:
                code = self.take(1)
                if code == pickle.STOP:
                    return self.stack.pop()
                operation = _OPERATIONS.get(code)
                if operation is None:
                    raise pickle.UnpicklingError(f"operation {code!r}, which no state_dict needs")
                operation(self)
        except (IndexError, KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
            raise pickle.UnpicklingError(f"damaged at byte {self.pos} ({type(error).__name__})") from error

    def take(self, count: int) -> bytes:
        """Return the next bytes; fewer than asked for is an error."""
        end = self.pos + count
        if count < 0 or end > len(self.data):
            raise pickle.UnpicklingError("ends in the middle (truncated)")
        chunk = self.data[self.pos : end]
        self.pos = end
        return chunk

    def number(self, layout: str) -> int:
        """Return the next number, of a `struct` layout."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def line(self) -> str:
        """Return the text up to the next newline."""
        end = self.data.index(b"\n", self.pos)
        return self.take(end + 1 - self.pos)[:-1].decode()

    def pop_mark(self) -> list[Any]:
        """Return what lies above the last mark."""
        items, self.stack = self.stack, self.below_marks.pop()
        return items

    def mark(self) -> None:
        """Begin a group."""
        self.below_marks.append(self.stack)
        self.stack = []

    def push_global(self, module: Any, name: Any) -> None:
        """Push a name if it is in the tables."""
        path = f"{module}.{name}" if type(module) is type(name) is str else "(a name that is not text)"
        if path not in CONSTRUCTORS and path not in STORAGE_DTYPES:
            raise pickle.UnpicklingError(f"{path[:200]!r}, which is not a tensor or a plain container")
        self.stack.append(Global(path))

    def stack_global(self) -> None:
        """Push the name whose parts are on the stack (protocol 4)."""
        name, module = self.stack.pop(), self.stack.pop()
        self.push_global(module, name)

    def apply(self) -> None:
        """Build a value from an allowed name and its arguments (REDUCE and NEWOBJ)."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is not Global or function.path not in CONSTRUCTORS or type(arguments) is not tuple:
            raise pickle.UnpicklingError(f"a call of a {type(function).__name__}, which is not a tensor's constructor")
        self.stack.append(CONSTRUCTORS[function.path](*arguments))

    def build(self) -> None:
        """Drop the state of an object: an OrderedDict's version numbers, an old parameter's flags."""
        state = self.stack.pop()
        target = self.stack[-1]
        plain = type(target) is OrderedDict and type(state) is dict
        flags = type(target) is Tensor and type(state) is tuple and len(state) == 3
        if not plain and not flags:
            raise pickle.UnpicklingError(f"a state for a {type(target).__name__}")

    def persistent(self) -> None:
        """Push the storage that a persistent id names."""
        kind, storage_type, key, _, numel, *view = self.stack.pop()
        if kind != "storage" or type(storage_type) is not Global or storage_type.path not in STORAGE_DTYPES:
            raise pickle.UnpicklingError("a persistent id that is not a storage")
        if view not in ([], [None]):
            raise pickle.UnpicklingError("a view of a storage (load and save it again with a newer PyTorch)")
        if type(key) not in (str, int) or type(numel) is not int or numel < 0:
            raise pickle.UnpicklingError("a storage without a name or with a wrong size")
        storage = Storage(str(key), STORAGE_DTYPES[storage_type.path], numel)
        if self.storages.setdefault(storage.key, storage) != storage:
            raise pickle.UnpicklingError(f"storage {storage.key[:80]!r} with two sizes or types")
        self.stack.append(storage)

    def append(self, items: list[Any]) -> None:
        """Extend the list on top of the stack."""
        if type(self.stack[-1]) is not list:
            raise pickle.UnpicklingError(f"an item for a {type(self.stack[-1]).__name__}")
        self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Fill the dictionary on top of the stack."""
        target = self.stack[-1]
        if type(target) not in (dict, OrderedDict):
            raise pickle.UnpicklingError(f"a key for a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[plain_key(key)] = value

    def tuple_of(self, count: int) -> None:
        """Replace the last values by one tuple."""
        if len(self.stack) < count:
            raise IndexError(count)
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def pop_last(self, count: int) -> list[Any]:
        """Return the last values."""
        return [self.stack.pop() for _ in range(count)][::-1]


def _pushing(value: Callable[[Unpickler], Any]) -> Callable[[Unpickler], None]:
    def push(machine: Unpickler) -> None:
        item = value(machine)  # first: it may replace the stack
        machine.stack.append(item)

    return push


def _remember(key: Callable[[Unpickler], int]) -> Callable[[Unpickler], None]:
    return lambda machine: machine.memo.update({key(machine): machine.stack[-1]})


_OPERATIONS: dict[bytes, Callable[[Unpickler], Any]] = {
    pickle.PROTO: lambda machine: machine.take(1),
    pickle.FRAME: lambda machine: machine.take(8),
    pickle.MARK: Unpickler.mark,
    pickle.GLOBAL: lambda machine: machine.push_global(machine.line(), machine.line()),
    pickle.STACK_GLOBAL: Unpickler.stack_global,
    pickle.REDUCE: Unpickler.apply,
    pickle.NEWOBJ: Unpickler.apply,
    pickle.BUILD: Unpickler.build,
    pickle.BINPERSID: Unpickler.persistent,
    pickle.APPEND: lambda machine: machine.append(machine.pop_last(1)),
    pickle.APPENDS: lambda machine: machine.append(machine.pop_mark()),
    pickle.SETITEM: lambda machine: machine.set_items(machine.pop_last(2)),
    pickle.SETITEMS: lambda machine: machine.set_items(machine.pop_mark()),
    pickle.TUPLE: _pushing(lambda machine: tuple(machine.pop_mark())),
    pickle.TUPLE1: lambda machine: machine.tuple_of(1),
    pickle.TUPLE2: lambda machine: machine.tuple_of(2),
    pickle.TUPLE3: lambda machine: machine.tuple_of(3),
    pickle.EMPTY_TUPLE: _pushing(lambda machine: ()),
    pickle.EMPTY_LIST: _pushing(lambda machine: []),
    pickle.EMPTY_DICT: _pushing(lambda machine: {}),
    pickle.NONE: _pushing(lambda machine: None),
    pickle.NEWTRUE: _pushing(lambda machine: True),
    pickle.NEWFALSE: _pushing(lambda machine: False),
    pickle.BININT: _pushing(lambda machine: machine.number("<i")),
    pickle.BININT1: _pushing(lambda machine: machine.number("<B")),
    pickle.BININT2: _pushing(lambda machine: machine.number("<H")),
    pickle.BINFLOAT: _pushing(lambda machine: machine.number(">d")),
    pickle.LONG1: _pushing(lambda machine: pickle.decode_long(machine.take(machine.number("<B")))),
    pickle.BINUNICODE: _pushing(lambda machine: machine.take(machine.number("<I")).decode()),
    pickle.SHORT_BINUNICODE: _pushing(lambda machine: machine.take(machine.number("<B")).decode()),
    pickle.SHORT_BINSTRING: _pushing(lambda machine: machine.take(machine.number("<B")).decode()),
    pickle.SHORT_BINBYTES: _pushing(lambda machine: machine.take(machine.number("<B"))),
    pickle.BINBYTES: _pushing(lambda machine: machine.take(machine.number("<I"))),
    pickle.BINPUT: _remember(lambda machine: machine.number("<B")),
    pickle.LONG_BINPUT: _remember(lambda machine: machine.number("<I")),
    pickle.MEMOIZE: _remember(lambda machine: len(machine.memo)),
    pickle.BINGET: _pushing(lambda machine: machine.memo[machine.number("<B")]),
    pickle.LONG_BINGET: _pushing(lambda machine: machine.memo[machine.number("<I")]),
}
