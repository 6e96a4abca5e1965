"""The one exception that stands for a mistake of the user, not of the program."""


class UserError(ValueError):
    """Bad input. The message is one line: what was found, what is allowed, what to do.

    Entry points print it without a traceback and exit with status 2.
    """
