import numpy as np

from medjax.pipeline import sampler


def stream(seed, steps, size, batch_size):
    return np.concatenate([sampler.batch_indices(seed, step, size, batch_size) for step in range(steps)])


def test_every_pass_holds_every_example_once_though_batches_straddle_its_border():
    drawn = stream(seed=0, steps=15, size=10, batch_size=4).reshape(6, 10)
    assert (np.sort(drawn, axis=1) == np.arange(10)).all()


def test_passes_differ_in_order():
    first, second = stream(0, 2, 50, 50).reshape(2, 50)
    assert (first != second).any()


def test_a_step_does_not_depend_on_the_steps_asked_for_before():
    forwards = [sampler.batch_indices(3, step, 7, 4) for step in range(9)]
    backwards = [sampler.batch_indices(3, step, 7, 4) for step in reversed(range(9))][::-1]
    np.testing.assert_array_equal(forwards, backwards)


def test_another_seed_is_another_order():
    assert (stream(0, 1, 50, 50) != stream(1, 1, 50, 50)).any()


def test_the_order_is_that_of_every_machine():
    assert sampler.batch_indices(0, 0, 8, 8).tolist() == [3, 2, 1, 6, 0, 7, 4, 5]


def test_a_batch_may_be_larger_than_the_data():
    assert sorted(sampler.batch_indices(0, 0, 3, 6).tolist()) == [0, 0, 1, 1, 2, 2]


def test_an_epoch_draws_at_least_every_example():
    assert [sampler.steps_per_epoch(n, 32) for n in (32, 33, 1)] == [1, 2, 1]
