"""Plain data out of a pickle that is read, never run.

A pickle is a program, and Python's own reader runs it. Here `pickletools` only takes it apart into operations, and the
few that build numbers, text, lists, tuples and dictionaries are followed. Whatever the pickle wants to call becomes a
Call, which says what was to be called and does nothing.
"""

from __future__ import annotations

import dataclasses
import pickletools
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass
class Call:
    """What a pickle asks to be called.

    Attributes:
      name: "module function".
      arguments: of the call.
      state: what the pickle would have set the result to, None if nothing.
    """

    name: Any
    arguments: Any
    state: Any = None


def read_pickle(data: bytes) -> Any:
    """Return the value in a pickle of protocol 2 or below, of numbers, text, lists, tuples, dictionaries and Calls.

    Text that Python 2 wrote as bytes comes as str, one character a byte (Latin-1).

    Raises:
      ValueError: damaged, or it holds anything else.
    """
    machine = _Machine()
    try:
        for operation, argument, _ in pickletools.genops(data):
            if operation.name == "STOP":
                return machine.stack.pop()
            if operation.name in _PUSHED:
                machine.stack.append(argument)
            elif operation.name in _OPERATIONS:
                _OPERATIONS[operation.name](machine, argument)
            else:
                raise ValueError(f"the operation {operation.name}, which plain data does not need")
    except (IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"damaged ({type(error).__name__})") from error
    raise ValueError("ends in the middle")


_PUSHED = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "GLOBAL"),
    *("SHORT_BINSTRING", "BINSTRING", "BINUNICODE"),
}


class _Machine:
    """The stack, the stacks below its marks, and what was to be remembered."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def push(self, value: Any) -> None:
        self.stack.append(value)  # a method, since making the value may replace the stack

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def above_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def last(self, count: int) -> list[Any]:
        return [self.stack.pop() for _ in range(count)][::-1]

    def remember(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise ValueError(f"an item for a {type(self.stack[-1]).__name__}")
        self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict:
            raise ValueError(f"a key for a {type(self.stack[-1]).__name__}")
        # Hashing a deeply nested tuple would exhaust the C stack, and the process with it.
        other = next((type(key) for key in items[::2] if type(key) not in (str, int, float, bool, type(None))), None)
        if other:
            raise ValueError(f"a {other.__name__} as a dictionary's key")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def build(self) -> None:
        state = self.stack.pop()
        if type(self.stack[-1]) is not Call:
            raise ValueError(f"a state for a {type(self.stack[-1]).__name__}")
        self.stack[-1].state = state


_OPERATIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    "PROTO": lambda machine, _: None,
    "MARK": lambda machine, _: machine.mark(),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.above_mark())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.last(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.last(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.last(3))),
    "APPEND": lambda machine, _: machine.append(machine.last(1)),
    "APPENDS": lambda machine, _: machine.append(machine.above_mark()),
    "SETITEM": lambda machine, _: machine.set_items(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.above_mark()),
    "BINPUT": lambda machine, key: machine.remember(key),
    "LONG_BINPUT": lambda machine, key: machine.remember(key),
    "BINGET": lambda machine, key: machine.push(machine.memo[key]),
    "LONG_BINGET": lambda machine, key: machine.push(machine.memo[key]),
    "REDUCE": lambda machine, _: machine.push(Call(*machine.last(2))),
    "BUILD": lambda machine, _: machine.build(),
}
