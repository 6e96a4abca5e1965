"""`keep_freed_memory` in a process of its own: the setting holds for the rest of a process's life."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from medjax.errors import UserError
from medjax.memory import explained
from tests.configs import tiny

PROGRAM = """
import ctypes, resource, sys
from medjax.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(64 * 2**20)
    ctypes.memset(block, 1, 64 * 2**20)
    libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def faults_of_a_second_block(mode):
    done = subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_a_block_of_memory_is_used_again_without_page_faults():
    assert faults_of_a_second_block("keep") < 100
    assert faults_of_a_second_block("as it is") > 100


def too_much():
    """Ask XLA for 2**50 bytes."""
    jax.jit(lambda: jnp.zeros((2**40, 256), jnp.float32))().block_until_ready()


def test_out_of_memory_says_which_settings_to_lower():
    wanted = r"batch_size=128, or raise config\.accumulate=1 .* or lower config\.data\.image_size=224\."
    with pytest.raises(UserError, match=wanted), explained(tiny.get_config()):
        too_much()


def test_the_host_s_memory_counts_too():
    with pytest.raises(UserError, match=r"out of memory \(the host's\)"), explained(tiny.get_config()):
        bytearray(2**62)


def test_other_errors_pass_as_they_are():
    with pytest.raises(RuntimeError, match=r"^a bug$"), explained(tiny.get_config()):
        raise RuntimeError("a bug")
