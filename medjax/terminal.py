"""What a person sees: log lines, the progress bar, and mistakes as one line."""

from __future__ import annotations

import ast
import contextlib
import difflib
import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence

from absl import app, flags
from tqdm import tqdm

from medjax import config_flag, preemption
from medjax.errors import UserError, printable

log = logging.getLogger("medjax")


class _AboveTheBar(logging.Handler):
    """Writes log lines without tearing a progress bar that is on the screen."""

    def emit(self, record: logging.LogRecord) -> None:
        _say("\n".join(map(printable, self.format(record).split("\n"))))


def set_up_log() -> None:
    """Send medjax's own log lines to the terminal; libraries raise what they log as an error, so theirs are dropped."""
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    if not log.handlers:
        log.addHandler(_AboveTheBar())
        log.propagate = False
    log.setLevel(logging.INFO)


def mark_demo(demo: bool) -> None:
    """Begin every log line with DEMO from here on, or stop doing so."""
    for handler in log.handlers:
        handler.setFormatter(logging.Formatter("DEMO %(message)s" if demo else "%(message)s"))


def progress_bar(total: int, initial: int, description: str, unit: str) -> tqdm:
    """Return a bar with rate and time left; silent off a terminal, and where the description is empty."""
    return tqdm(
        total=total,
        initial=initial,
        desc=description,
        unit=unit,
        disable=not (description and sys.stderr.isatty()),
        dynamic_ncols=True,
        leave=False,
        smoothing=0.1,
    )


def run(main: Callable[[Sequence[str]], None], *, paths: bool = False, resumes: bool = False) -> None:
    """Run an entry point: parse the flags, call `main`, and turn a mistake of the user into one line.

    Exits with status 0, 2 (a mistake of the user, a full disk), 75 (SIGTERM: start the same command again), 130
    (Ctrl-C) or 141 (nobody reads what is printed any more).

    Args:
      main: is given the program's name and, with `paths`, what is no option.
      paths: whether there may be such.
      resumes: whether the same command, given again, goes on where it was stopped.
    """
    _open_what_is_closed()
    set_up_log()
    try:
        with preemption.terminable(), _output_errors():
            main(_parse(sys.argv, paths))
            sys.stdout.flush()
    except UserError as error:
        sys.exit(_complain(str(error)))
    except (preemption.Stopped, KeyboardInterrupt) as end:
        stopped = end if isinstance(end, preemption.Stopped) else preemption.Stopped(signal.SIGINT)
        _complain(f"{stopped}; the same command goes on where this one stopped." if resumes else f"{stopped}.")
        sys.exit(stopped.status)


def _open_what_is_closed() -> None:
    """Let /dev/null stand in for stdin, stdout and stderr where closed: what prints would write to the next file."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115


@contextlib.contextmanager
def _output_errors() -> Iterator[None]:
    """End at a full disk that nothing else has named, the one that stdout goes to among them, and at a closed pipe."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EPIPE):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python prints at its end what is left
        if error.errno == errno.EPIPE:
            sys.exit(128 + signal.SIGPIPE)
        what = error.filename or "the output"
        raise UserError(f"cannot write {what}: {error.strerror}; free some space or choose another folder") from error


def _parse(argv: Sequence[str], paths: bool) -> Sequence[str]:
    app.define_help_flags()
    config_flag.check_file(flags.FLAGS, argv)
    with option_errors():
        rest = flags.FLAGS(argv)
    if rest[1:] and not paths:
        raise UserError(f"{rest[1]!r} is not understood: options are written --name=value.")
    return rest


@contextlib.contextmanager
def option_errors() -> Iterator[None]:
    """Turn the many kinds of exception that ml_collections raises for a bad option into a UserError."""
    try:
        yield
    except (AttributeError, KeyError) as error:
        raise UserError(_one_line(f"there is no such field: {_unquoted(str(error.args[0]))}")) from error
    except flags.UnrecognizedFlagError as error:
        near = ", ".join(f"--{name}" for name in difflib.get_close_matches(error.flagname, _own_options()))
        advice = f"did you mean {near}?" if near else "--help lists those there are."
        raise UserError(f"there is no option --{error.flagname}; {advice}") from error
    except (flags.Error, TypeError, ValueError, OSError) as error:
        raise UserError(_one_line(f"an option does not fit: {error}")) from error
    except Exception as error:  # a config is a program, which may raise anything
        where = f", in {_line(error)}" if not isinstance(error, SyntaxError) else ""  # which says it itself
        raise UserError(_one_line(f"the config cannot be loaded: {type(error).__name__}: {error}{where}")) from error


def _line(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}, line {last.lineno}"


def _own_options() -> list[str]:
    """Return the options of medjax: absl brings some of its own, which nobody has in mind."""
    by_module = flags.FLAGS.flags_by_module_dict()
    return [flag.name for module, held in by_module.items() if not module.startswith("absl") for flag in held]


def _unquoted(message: str) -> str:
    """Return the text of a message that ml_collections has quoted, its line ends and quotes escaped."""
    try:
        return str(ast.literal_eval(message))
    except (ValueError, SyntaxError):
        return message


def _one_line(message: str) -> str:
    return " ".join(message.split())


def _complain(message: str) -> int:
    _say(f"medjax: {message}")
    return 2


def _say(text: str) -> None:
    """Write a line; a terminal that has gone, or a log on a full disk, stops nothing."""
    with contextlib.suppress(OSError):
        tqdm.write(text, file=sys.stderr)
