"""What a person sees: log lines, the progress bar, and mistakes as one line."""

from __future__ import annotations

import ast
import contextlib
import difflib
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Sequence

from absl import app, flags
from tqdm import tqdm

from medjax import config_flag, preemption
from medjax.errors import UserError, printable

log = logging.getLogger("medjax")


class _AboveTheBar(logging.Handler):
    """Writes log lines without tearing a progress bar that is on the screen."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write("\n".join(map(printable, self.format(record).split("\n"))), file=sys.stderr)


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


def run(main: Callable[[Sequence[str]], None], *, paths: bool = False) -> None:
    """Run an entry point: parse the flags, call `main`, and turn a mistake of the user into one line.

    Exits with status 0, 2 (a mistake of the user), 75 (SIGTERM: start the same command again) or 130 (Ctrl-C).

    Args:
      main: is given the program's name and, with `paths`, what is no option.
      paths: whether there may be such.
    """
    set_up_log()
    try:
        with preemption.terminable():
            main(_parse(sys.argv, paths))
    except UserError as error:
        sys.exit(_complain(str(error)))
    except (preemption.Stopped, KeyboardInterrupt) as end:
        stopped = end if isinstance(end, preemption.Stopped) else preemption.Stopped(signal.SIGINT)
        _complain(str(stopped))
        sys.exit(stopped.status)


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
    tqdm.write(f"medjax: {message}", file=sys.stderr)
    return 2
