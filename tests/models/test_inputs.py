import jax.numpy as jnp
import pytest

from medjax.errors import UserError
from medjax.models.inputs import check_images


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4, 4, 1), {}, r"net takes images \[batch, height, width, channels\], got shape \(4, 4, 1\)"),
        ((1, 4, 4, 0), {}, "net takes images with at least 1 channel, got 0"),
        ((1, 4, 4, 3), {"channels": 1}, "net takes images with 1 channel, got 3"),
        ((1, 4, 2, 3), {"min_size": 3}, "net takes images of at least 3x3 pixels, got 4x2"),
        ((1, 32, 40, 3), {"multiple_of": 16}, "divisible by 16, got 32x40: resize the images, for example to 32 or 48"),
        ((1, 5, 16, 3), {"multiple_of": 16}, "divisible by 16, got 5x16: resize the images, for example to 16"),
    ],
)
def test_what_does_not_fit_is_named_with_what_is_allowed(shape, options, message):
    with pytest.raises(UserError, match=message):
        check_images(jnp.zeros(shape), "net", **options)


def test_fitting_images_pass():
    check_images(jnp.zeros((1, 32, 48, 3)), "net", channels=3, min_size=32, multiple_of=16)
