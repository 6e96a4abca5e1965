import contextlib
import errno
import json
import logging
import os
import subprocess
import sys

import pytest

from medjax import run_lock
from medjax.errors import UserError
from medjax.run_lock import FILE, held

HOLDER = """
import pathlib, sys, time
from medjax.run_lock import held
with held(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def holder(workdir):
    """A process that holds the lock until it is killed, at the end of the block."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, workdir], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_folder_in_use_is_refused_by_process_and_host_and_a_dead_one_s_lock_is_taken_over(tmp_path):
    with (
        holder(tmp_path / "run") as process,
        pytest.raises(UserError, match=rf"in use by process {process.pid} on .+: wait for it"),
        held(tmp_path / "run"),
    ):
        pytest.fail("two processes hold one run")
    assert json.loads((tmp_path / "run" / FILE).read_text())["pid"] == process.pid
    with held(tmp_path / "run"):
        assert json.loads((tmp_path / "run" / FILE).read_text())["pid"] == os.getpid()


def test_the_lock_is_dropped_after_the_block_and_after_an_error(tmp_path):
    with held(tmp_path):
        pass
    with pytest.raises(KeyError), held(tmp_path):
        raise KeyError
    with held(tmp_path):
        pass
    assert (tmp_path / FILE).read_bytes() == b""


def test_an_unreadable_holder_is_another_process(tmp_path):
    with holder(tmp_path):
        (tmp_path / FILE).write_text("?")
        with pytest.raises(UserError, match="in use by another process"), held(tmp_path):
            pass


def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(run_lock.fcntl, "flock", refuse)
    monkeypatch.setattr(run_lock.log, "propagate", True)
    with caplog.at_level(logging.WARNING, logger="medjax"), held(tmp_path):
        assert "has no locks" in caplog.text


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"cannot write .*run\.lock: .*; choose a folder"),
        held(tmp_path / "file" / "run"),
    ):
        pass
