import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medjax.pipeline import intensity

IMAGE = jnp.arange(12.0).reshape(3, 4, 1) / 12


def draws(function, image, *values, count=64):
    keys = jax.random.split(jax.random.key(0), count)
    return np.asarray(jax.vmap(lambda key: function(image, key, *values))(keys))


def test_brightness_and_contrast_stay_within_range():
    out = draws(intensity.relight, IMAGE, 0.9, 0.9)
    assert out.min() >= 0
    assert out.max() <= 1
    assert not np.allclose(out, IMAGE)


def test_brightness_alone_moves_all_pixels_alike_by_at_most_its_share():
    lifts = draws(intensity.relight, jnp.full((2, 2, 1), 0.5), 0.2, 0.0) - 0.5
    np.testing.assert_allclose(lifts - lifts[:, :1, :1], 0, atol=1e-6)
    assert 0.1 < np.abs(lifts).max() <= 0.2 + 1e-6


def test_contrast_alone_keeps_the_mean():
    out = draws(intensity.relight, IMAGE / 2 + 0.25, 0.0, 0.3)
    np.testing.assert_allclose(out.mean(axis=(1, 2, 3)), (IMAGE / 2 + 0.25).mean(), atol=1e-6)


def test_gamma_keeps_black_and_white_and_draws_its_whole_range_evenly_about_1():
    image = jnp.array([0.0, 0.5, 1.0]).reshape(3, 1, 1)
    out = draws(intensity.bend, image, 1.0, count=200)[..., 0, 0]
    np.testing.assert_array_equal(out[:, [0, 2]], np.tile([0, 1], (200, 1)))
    exponents = np.log(out[:, 1]) / np.log(0.5)
    assert 0.5 - 1e-5 <= exponents.min() < 0.52
    assert 1.95 < exponents.max() <= 2 + 1e-5
    assert 75 < (exponents < 1).sum() < 125


def test_noise_has_mean_0_and_at_most_its_deviation():
    out = draws(intensity.add_noise, jnp.full((40, 40, 1), 0.5), 0.1)
    deviations = out.std(axis=(1, 2, 3))
    assert deviations.min() < 0.01
    assert 0.09 < deviations.max() < 0.105
    assert np.abs(out.mean(axis=(1, 2, 3)) - 0.5).max() < 0.01
    assert (draws(intensity.add_noise, IMAGE, 5.0) <= 1).all()


def test_cutout_blackens_one_square_of_its_side_wherever_it_fits():
    out = draws(intensity.cut_out, jnp.ones((10, 10, 2)), 0.4)
    black = (out == 0).all(axis=-1)
    assert (out[~black] == 1).all()
    areas = black.sum(axis=(1, 2))
    assert areas.max() == 16
    assert areas.min() >= 4
    for one in black:
        rows, columns = one.any(axis=1), one.any(axis=0)
        assert one.sum() == rows.sum() * columns.sum()


@pytest.mark.parametrize(
    ("centre", "sides", "rows", "columns"),
    [
        ((0.5, 0.5), (0.5, 0.25), [1, 2], [3, 4]),
        ((0.0, 0.99), (0.5, 0.5), [0], [5, 6, 7]),
        ((0.3, 0.3), (0.0, 1.0), [], []),
        ((0.5, 0.5), (1.0, 1.0), [0, 1, 2, 3], [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_a_box_by_hand(centre, sides, rows, columns):
    expected = np.zeros((4, 8), bool)
    expected[np.ix_(rows, columns)] = True
    found = intensity.box((4, 8), jnp.array(centre), jnp.array(sides))
    np.testing.assert_array_equal(found, expected)
