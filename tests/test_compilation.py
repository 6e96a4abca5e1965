"""Each test in a process of its own: the cache is a setting of the process."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import jax, jax.numpy as jnp
from medjax.compilation import keep_compiled
keep_compiled()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
heard = []
jax.monitoring.register_event_listener(lambda event, **_: heard.append(event))
result = float(jax.jit(lambda x: jnp.sin(x).sum())(jnp.arange(8.0)))
print(result, jax.config.jax_compilation_cache_dir, heard.count("/jax/compilation_cache/cache_misses"))
"""


def start(**variables):
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    environment |= {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.getcwd(), **variables}
    environment = {name: value for name, value in environment.items() if value is not None}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process):
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out.split()


def programs(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*-cache")}


def test_two_processes_at_once_share_what_is_kept_and_a_third_uses_it(tmp_path):
    both = [finish(process) for process in [start(MEDJAX_CACHE=str(tmp_path)) for _ in range(2)]]
    kept = programs(tmp_path)
    assert kept
    third = finish(start(MEDJAX_CACHE=str(tmp_path)))
    assert programs(tmp_path) == kept
    assert both[0][:2] == both[1][:2] == third[:2]
    assert max(int(one[2]) for one in both) > 0
    assert third[2] == "0"  # nothing was compiled


@pytest.mark.parametrize("cache", ["/dev/null/cache", "/proc/cache"])
def test_where_no_folder_can_be_made_nothing_is_kept_and_nothing_breaks(cache):
    assert finish(start(MEDJAX_CACHE=cache))[1] == "None"


def test_the_folder_that_jax_was_given_is_left_alone(tmp_path):
    given = str(tmp_path / "given")
    assert finish(start(MEDJAX_CACHE=str(tmp_path / "own"), JAX_COMPILATION_CACHE_DIR=given))[1] == given
    assert not (tmp_path / "own").exists()
