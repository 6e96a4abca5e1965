import logging

import pytest

from medjax import terminal
from medjax.errors import UserError, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größe β × 3", "größe β × 3"),
        ("two\nlines\r", r"two\nlines\r"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("\u202egnp.exe", r"\u202egnp.exe"),  # turns the direction of writing
        ("\udcff.png", r"\udcff.png"),  # of a file name that is no text
    ],
)
def test_what_commands_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert str(UserError(text)) == shown


def test_a_long_message_keeps_its_beginning_and_its_advice() -> None:
    message = str(UserError("found " + "x" * 10**7 + "; do that"))
    assert message.startswith("found xxx")
    assert message.endswith("xxx; do that")
    assert len(message) < 2100


def test_log_lines_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.LogRecord("medjax", logging.WARNING, "", 0, "left out: %s\nnext", ("\x1b]0;x\x07.png",), None)
    terminal._AboveTheBar().emit(record)
    assert capsys.readouterr().err == "left out: \\x1b]0;x\\x07.png\nnext\n"
