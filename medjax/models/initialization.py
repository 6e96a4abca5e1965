"""Initialisation schemes, by name."""

from typing import Any

from flax.linen import initializers

from medjax.errors import UserError
from medjax.models.layers import torch_uniform

# bias_init None lets the layer use PyTorch's default, which depends on the layer's fan-in.
_SCHEMES: dict[str, dict[str, Any]] = {
    "torch": {"kernel_init": torch_uniform, "bias_init": None},
    "keras": {"kernel_init": initializers.glorot_uniform(), "bias_init": initializers.zeros_init()},
    "he": {"kernel_init": initializers.he_normal(), "bias_init": initializers.zeros_init()},
}


def initialization(scheme: str) -> dict[str, Any]:
    """Return the kernel_init and bias_init of a scheme, as arguments for the layers.

    Args:
      scheme: "torch": uniform in ±1/sqrt(fan_in), PyTorch's default for convolutions and dense layers;
        "keras": Glorot uniform and zero biases; "he": He normal and zero biases.

    Raises:
      UserError: no such scheme.
    """
    if scheme not in _SCHEMES:
        raise UserError(f"initialization is {scheme!r}; allowed are {', '.join(_SCHEMES)}.")
    return _SCHEMES[scheme]
