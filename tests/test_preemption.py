import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading

import pytest

from medjax import preemption
from medjax.preemption import Stopped, deferred, terminable


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_becomes_a_request_and_its_end_says_where_it_was_saved(signum, status):
    with deferred() as request:
        assert not request.agreed()
        os.kill(os.getpid(), signum)
        assert request.agreed()
        with pytest.raises(Stopped, match=r"^stopped by (SIGTERM|Ctrl-C), saved at step 7$") as stopped:
            request.stop(7)
    assert stopped.value.status == status


def test_the_first_signal_names_the_end():
    with deferred() as request:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.signal == signal.SIGTERM


def test_afterwards_signals_mean_what_they_meant_before():
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    with deferred():
        os.kill(os.getpid(), signal.SIGINT)
    assert [signal.getsignal(number) for number in numbers] == before


def test_what_the_process_ignores_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred() as request:
            os.kill(os.getpid(), signal.SIGINT)
            assert not request.agreed()
    finally:
        signal.signal(signal.SIGINT, before)


def test_off_the_main_thread_nothing_changes():
    seen = []

    def work():
        with deferred() as request:
            seen.append(request.agreed())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def test_outside_a_loop_sigterm_ends_as_an_exception_and_no_handler_of_errors_takes_it():
    with pytest.raises(Stopped) as stopped, terminable(), contextlib.suppress(Exception):
        os.kill(os.getpid(), signal.SIGTERM)
    assert stopped.value.status == preemption.REQUEUE


PROGRAM = """
    import sys, time
    from medjax import preemption, terminal

    def main(_):
        if "others" in sys.argv[0]:
            from medjax import processes
            processes.start(sys.argv[0].split()[-1], 1, 0)
        print("ready", flush=True)
        if "loop" in sys.argv[0]:
            with preemption.deferred() as request:
                print("loop", flush=True)
                while not (request.agreed() and "saves" in sys.argv[0]):
                    time.sleep(0.01)
                request.stop(3)
        time.sleep(60)

    program, sys.argv = sys.argv, [sys.argv[1]]
    terminal.run(main, resumes="resumes" in program[1])
"""


def end(kind, *signals):
    """Send signals to a program of `kind`, each when the one before was answered -> (status, what it said)."""
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        if "loop" in kind:
            assert process.stdout.readline() == "loop\n"
        said = ""
        for number in signals[:-1]:
            process.send_signal(number)
            said += process.stderr.readline() + process.stderr.readline()  # the answer: an empty line and this one
        process.send_signal(signals[-1])
        said += process.stderr.read()
        return process.wait(timeout=60), said


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_asked_once_the_program_saves_and_tells_the_launcher_what_to_do(signum, status):
    found, said = end("loop that saves", signum)
    assert found == status
    assert "saving, then stopping" in said
    assert "saved at step 3" in said
    assert "Traceback" not in said


def test_ctrl_c_twice_stops_now_however_long_the_step_takes():
    found, said = end("loop that never ends its step", signal.SIGINT, signal.SIGINT)
    assert found == -signal.SIGINT
    assert "Ctrl-C stops now" in said


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_before_and_after_the_loop_there_is_nothing_to_save(signum, status):
    found, said = end("preparation that resumes", signum)
    assert found == status
    assert "the same command goes on" in said
    assert "Traceback" not in said


def test_of_several_processes_one_that_prepares_its_images_hears_sigterm():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    found, said = end(f"preparation that resumes, with others at {address}", signal.SIGTERM)
    assert found == 75
    assert "the same command goes on" in said


def test_a_command_that_begins_anew_does_not_say_that_it_goes_on():
    assert end("prediction", signal.SIGTERM) == (75, "medjax: stopped by SIGTERM.\n")
