import jax
import jax.numpy as jnp

from medjax.profiling import Profiler


def traces(folder):
    return list(folder.rglob("*.xplane.pb"))


def test_the_steps_asked_for_are_traced(tmp_path):
    profiler = Profiler(tmp_path, (2, 3))
    for step in range(6):
        profiler.before(step)
        assert bool(traces(tmp_path)) == (step > 3)
        jax.block_until_ready(jnp.ones(3) + step)
    profiler.stop()
    assert len(traces(tmp_path)) == 1


def test_a_run_that_ends_or_begins_within_them_is_traced_too(tmp_path):
    profiler = Profiler(tmp_path, (0, 100))
    profiler.before(7)
    profiler.stop()
    assert len(traces(tmp_path)) == 1


def test_without_steps_there_is_none(tmp_path):
    profiler = Profiler(tmp_path, ())
    profiler.before(0)
    profiler.stop()
    assert not traces(tmp_path)
