"""What a person sees: log lines, the progress bar, and mistakes as one line."""

from __future__ import annotations

import ast
import logging
import sys
from collections.abc import Callable, Sequence

from absl import app, flags
from tqdm import tqdm

from medjax.errors import UserError

log = logging.getLogger("medjax")


class _AboveTheBar(logging.Handler):
    """Writes log lines without tearing a progress bar that is on the screen."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def set_up_log() -> None:
    """Send medjax's own log lines to the terminal, and of the libraries' only the errors."""
    logging.getLogger("absl").setLevel(logging.ERROR)
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


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Run an entry point: parse the flags, call `main`, and turn a mistake of the user into one line.

    Exits with status 0, 2 (a mistake of the user) or 130 (Ctrl-C).
    """
    set_up_log()
    try:
        main(_parse(sys.argv))
    except UserError as error:
        sys.exit(_complain(str(error)))
    except KeyboardInterrupt:
        _complain("stopped by Ctrl-C; the same command goes on where this one stopped.")
        sys.exit(130)


def _parse(argv: Sequence[str]) -> Sequence[str]:
    """Parse the flags; ml_collections raises many kinds of exception for a bad one."""
    app.define_help_flags()
    try:
        rest = flags.FLAGS(argv)
    except (AttributeError, KeyError) as error:
        raise UserError(_one_line(f"there is no such field: {_unquoted(str(error.args[0]))}")) from error
    except (flags.Error, TypeError, ValueError, OSError) as error:
        raise UserError(_one_line(f"an option does not fit: {error}")) from error
    if rest[1:]:
        raise UserError(f"{rest[1]!r} is not understood: options are written --name=value.")
    return rest


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
