import jax
import numpy as np
import pytest

from medjax.errors import UserError
from medjax.models.initialization import initialization


@pytest.mark.parametrize(("scheme", "deviation"), [("torch", (1 / 3 / 400) ** 0.5), ("keras", 0.05), ("he", 0.0707)])
def test_kernels_have_the_scheme_s_standard_deviation(scheme, deviation):
    kernel = initialization(scheme)["kernel_init"](jax.random.key(0), (400, 400))
    np.testing.assert_allclose(kernel.std(), deviation, rtol=0.01)


def test_unknown_scheme_is_refused():
    with pytest.raises(UserError, match="initialization is 'xavier'; allowed are torch, keras, he"):
        initialization("xavier")
