"""The one exception that stands for a mistake of the user, not of the program."""

_LONGEST = 2000  # characters of a message; a cell or a name that somebody else wrote may have millions


class UserError(ValueError):
    """Bad input. The message is one line: what was found, what is allowed, what to do.

    Entry points print it without a traceback and exit with status 2.
    """

    def __init__(self, message: str):
        short = message if len(message) <= _LONGEST else f"{message[: _LONGEST // 2]} … {message[-_LONGEST // 2 :]}"
        super().__init__(printable(short))


def printable(text: str) -> str:
    """Escape what would end the line or command the terminal: file and class names may hold any character."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
