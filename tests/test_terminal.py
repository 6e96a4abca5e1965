"""Programs whose output goes nowhere: to a full disk, to a pipe that nobody reads, to nothing at all."""

import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
    import errno, os, sys
    from medjax import terminal
    from medjax.errors import UserError

    def main(_):
        terminal.log.warning("a warning")
        with terminal.progress_bar(1, 0, "bar", "") as bar:
            bar.update(1)
        print("the result")
        with open(os.devnull) as opened:
            assert opened.fileno() > 2
        if what == "mistake":
            raise UserError("wrong")
        if what == "full":
            raise OSError(errno.ENOSPC, "No space left on device", "/run/table")

    what, sys.argv = sys.argv[1], sys.argv[:1]
    terminal.run(main)
"""


def end(redirection, what="nothing"):
    """Run the program with a redirection of the shell -> (status, stdout, stderr)."""
    command = ["bash", "-c", f'exec "$@" {redirection}', "-", sys.executable, "-c", textwrap.dedent(PROGRAM), what]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "2> >(:)"], ids=["full", "closed", "pipe"])
@pytest.mark.parametrize(("what", "status"), [("nothing", 0), ("mistake", 2)])
def test_log_lines_that_cannot_be_written_change_no_end(redirection, what, status):
    assert end(redirection, what)[:2] == (status, "the result\n")


def test_output_that_cannot_be_written_is_one_line():
    status, _, errors = end(">/dev/full")
    assert status == 2
    assert errors.startswith("a warning\nmedjax: cannot write the output: No space left on device; free some space")
    assert errors.count("\n") == 2


def test_a_full_disk_that_nothing_else_names_is_one_line():
    status, _, errors = end("", "full")
    assert status == 2
    assert errors.startswith("a warning\nmedjax: cannot write /run/table: No space")


def test_a_reader_that_has_gone_is_no_error():
    assert end("> >(:)") == (141, "", "a warning\n")


def test_without_any_output_a_program_runs():
    assert end("<&- >&- 2>&-")[0] == 0
