"""A small fuzzer: changes valid files at random, keeps what reaches new lines of medjax, and says what breaks a parser.

The same seed gives the same inputs. A parser must return, or raise what it documents, within bounded time and memory.
"""

import contextlib
import dataclasses
import random
import re
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import medjax
from medjax.errors import UserError

_PACKAGE = str(Path(medjax.__file__).parent)
_LARGEST = 2**18  # bytes of an input
_SECONDS = 20  # for one input: a parser that needs more hangs
_MEMORY = 3 * 2**30  # bytes above what the process has; a picture of 8,192 × 8,192 needs one of them
_WORD = re.compile(rb'"[^"]*"|[\w.+-]+')
_NUMBERS = [0, 1, -1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1]


@dataclasses.dataclass(frozen=True)
class Target:
    """A parser to be fuzzed.

    Attributes:
      parse: takes the bytes of a file.
      seeds: valid files.
      documented: the exceptions that the parser may raise.
      tokens: words of the format.
      examples: inputs that take about five seconds.
    """

    parse: Callable[[bytes], Any]
    seeds: Sequence[bytes]
    documented: tuple[type[Exception], ...]
    tokens: Sequence[bytes] = ()
    examples: int = 1000


class TooSlow(BaseException):
    """No Exception, so that no parser takes it for damage."""


def fuzz(target: Target, *, seed: int = 0, seconds: float = 0) -> int:
    """Try `target.examples` inputs, or as many as fit in `seconds`; return how many.

    Raises:
      AssertionError: an input led to another exception; the message holds it, to be kept as a test.
    """
    chooser = random.Random(seed)
    corpus, seen = list(target.seeds), set[tuple[str, int]]()
    for data in target.seeds:
        with _tracing(seen):
            target.parse(data)
    tried, end = 0, time.monotonic() + seconds
    with _limited_memory(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while time.monotonic() < end if seconds else tried < target.examples:
            data = _mutated(chooser, corpus, target.tokens)
            reached = set[tuple[str, int]]()
            _try(target, data, reached)
            if not reached <= seen:
                seen |= reached
                corpus.append(data)
            tried += 1
    return tried


def _try(target: Target, data: bytes, reached: set[tuple[str, int]]) -> None:
    try:
        with _alarm(), _tracing(reached):
            target.parse(data)
    except target.documented as error:
        if isinstance(error, UserError) and not str(error).isprintable():
            raise AssertionError(f"{data!r} led to a message of several lines: {error!r}") from error
    except (Exception, TooSlow) as error:
        raise AssertionError(f"{data!r} led to {type(error).__name__}: {str(error)[:200]}") from error


def _mutated(chooser: random.Random, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    data = bytearray(chooser.choice(corpus))
    for _ in range(2 ** chooser.randrange(4)):
        start = chooser.randrange(len(data) + 1)
        end = min(len(data), start + chooser.choice((1, 1, 2, 4, 8, chooser.randrange(1, 200))))
        kind = chooser.randrange(8)
        if kind == 0:
            data[start:end] = bytes(byte ^ 1 << chooser.randrange(8) for byte in data[start:end])
        elif kind == 1:
            data[start:end] = chooser.randbytes(end - start)
        elif kind == 2:
            del data[start:end]
        elif kind == 3:
            data[start:start] = data[start:end] * chooser.choice((1, 2, 50))
        elif kind == 4:
            other = chooser.choice(corpus)
            at = chooser.randrange(len(other) + 1)
            data[start:end] = other[at : at + chooser.choice((4, 16, 64, len(other)))]
        elif kind == 5:
            width = chooser.choice((1, 2, 4, 8))
            number = chooser.choice(_NUMBERS) % 2 ** (8 * width)
            data[start : start + width] = number.to_bytes(width, chooser.choice(("little", "big")))
        elif tokens:
            words = list(_WORD.finditer(data)) if kind == 6 else []
            if words:
                start, end = chooser.choice(words).span()
            data[start : end if kind == 6 else start] = chooser.choice(tokens)
        if chooser.random() < 0.02:
            del data[start:]
    return bytes(data[:_LARGEST])


@contextlib.contextmanager
def _tracing(reached: set[tuple[str, int]]) -> Iterator[None]:
    """Note which lines of medjax are run."""

    def line(frame: FrameType, event: str, _: Any) -> Any:
        reached.add((frame.f_code.co_filename, frame.f_lineno))
        return line

    def call(frame: FrameType, event: str, argument: Any) -> Any:
        return line if frame.f_code.co_filename.startswith(_PACKAGE) else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        yield
    finally:
        sys.settrace(before)


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooSlow(f"more than {_SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, _SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _limited_memory() -> Iterator[None]:
    """Let a parser that asks for too much meet a MemoryError, which none of them documents."""
    statm = Path("/proc/self/statm")
    if not statm.exists():  # only Linux keeps to the limit
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(statm.read_text().split()[0]) * resource.getpagesize()
    limit = used + _MEMORY if hard == resource.RLIM_INFINITY else min(used + _MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
