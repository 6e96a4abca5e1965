import jax
import jax.numpy as jnp
import pytest

from medjax import sharding
from medjax.errors import UserError


class _Mesh:
    size = 8


@pytest.mark.parametrize(("batch_size", "advice"), [(12, "8 or 16"), (3, "use 8")])
def test_an_indivisible_batch_names_the_nearest_that_work(batch_size, advice):
    with pytest.raises(UserError, match=advice):
        sharding.check_batch_size(batch_size, 1, _Mesh())


def test_a_divisible_batch_passes():
    sharding.check_batch_size(16, 1, _Mesh())


def test_replicated_arrays_lie_on_every_device():
    mesh = sharding.make_mesh()
    assert sharding.replicate({"x": jnp.ones(3)}, mesh)["x"].sharding.device_set == set(jax.devices())
