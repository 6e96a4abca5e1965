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


LABELS = np.array([0, 1, 0, 0, 2, 0, 1, -1, 0])  # 5, 2 and 1; the missing one is never drawn


def balanced(seed, steps, batch_size):
    return np.concatenate([sampler.balanced_indices(seed, step, LABELS, batch_size) for step in range(steps)])


def test_balanced_rounds_hold_every_class_once_though_batches_straddle_them():
    drawn = LABELS[balanced(0, steps=15, batch_size=4)].reshape(20, 3)
    assert (np.sort(drawn, axis=1) == np.arange(3)).all()
    assert len({tuple(row) for row in drawn.tolist()}) > 1


def test_balanced_draws_each_example_of_a_class_before_any_again():
    drawn = balanced(0, steps=10, batch_size=6)
    for number, count in enumerate((5, 2, 1)):
        members = np.flatnonzero(number == LABELS)
        of_class = drawn[np.isin(drawn, members)].reshape(-1, count)
        assert len(of_class) == 20 // count
        assert (np.sort(of_class, axis=1) == members).all()


def test_a_balanced_step_does_not_depend_on_the_steps_asked_for_before():
    forwards = [sampler.balanced_indices(3, step, LABELS, 4) for step in range(9)]
    backwards = [sampler.balanced_indices(3, step, LABELS, 4) for step in reversed(range(9))][::-1]
    np.testing.assert_array_equal(forwards, backwards)
    assert (balanced(3, 9, 4) != balanced(4, 9, 4)).any()


def test_the_balanced_order_is_that_of_every_machine():
    assert sampler.balanced_indices(0, 0, LABELS, 9).tolist() == [1, 4, 0, 6, 4, 8, 6, 4, 5]


def test_the_balanced_order_goes_on_beyond_a_block_of_rounds():
    late = sampler.balanced_indices(0, 1024, LABELS, 3)
    assert sorted(LABELS[late].tolist()) == [0, 1, 2]


def test_order_gives_rows_of_the_table():
    train = np.array([8, 6, 4, 1])
    shuffled = sampler.order("shuffle", 0, train, LABELS, 4)(0)
    assert shuffled.dtype == np.int32
    assert sorted(shuffled.tolist()) == [1, 4, 6, 8]
    even = sampler.order("balanced", 0, train, LABELS, 6)(0)
    assert sorted(LABELS[even].tolist()) == [0, 0, 1, 1, 2, 2]
    assert set(even.tolist()) == set(train.tolist())
