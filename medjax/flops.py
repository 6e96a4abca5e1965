"""Floating-point operations of a program, counted from its jaxpr, whatever the platform computes them with.

A multiplication and an addition are two. The compiled program's own count takes the body of a scan once; this one takes
it as often as it runs. Products and convolutions are counted in full, products with the zeros of a padding among them,
as the literature does: ResNet-50 at 224 pixels is 4.09e9 multiply-accumulates (He et al. 2016, Table 1; torchvision).
Moving, choosing and converting numbers is free.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core

from medjax.models.layers import native_lowering


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ELEMENTWISE = _names(
    """
    abs acos acosh add add_any asin asinh atan atan2 atanh cbrt ceil clamp cos cosh digamma div eq erf erf_inv erfc exp
    exp2 expm1 floor ge gt integer_pow is_finite le lgamma log log1p logistic lt max min mul ne neg nextafter pow rem
    round rsqrt sign sin sinh sqrt square sub tan tanh
    """
)
_FREE = _names(
    """
    and bitcast_convert_type broadcast_in_dim concatenate convert_element_type copy dynamic_slice dynamic_update_slice
    gather iota not optimization_barrier or pad reduce_precision reshape rev select_n slice split squeeze stop_gradient
    transpose xor
    """
)
_REDUCTIONS = _names("argmax argmin reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum")
_WINDOWS = _names("reduce_window_max reduce_window_min reduce_window_sum")
_CUMULATIVE = _names("cumlogsumexp cummax cummin cumprod cumsum")
_CALLS = _names("checkpoint closed_call core_call custom_jvp_call custom_vjp_call jit pjit remat remat2")


class UncountableError(ValueError):
    """A program whose operations the jaxpr does not tell, such as a loop of unknown length."""


def flops_per_image(forward: Callable[[Any, jax.Array], Any], variables: Any, images: jax.ShapeDtypeStruct) -> int:
    """Return what one more image in a batch costs; work on the weights alone, done once a batch, is not in it.

    Args:
      forward: (variables, images [B, H, W, C]) -> logits, traced and not run.
      variables: of the model, or their shapes.
      images: shape [H, W, C] and dtype of an image.

    Raises:
      UncountableError: see `count`.
    """

    def of_batch(size: int) -> int:
        batch = jax.ShapeDtypeStruct((size, *images.shape), images.dtype)
        with native_lowering():  # a convolution counts as one, also where a CPU computes it as something else
            return count(jax.make_jaxpr(lambda v, x: forward(v, x))(variables, batch).jaxpr)

    return of_batch(2) - of_batch(1)


def count(jaxpr: core.Jaxpr) -> int:
    """Return the floating-point operations of a jaxpr.

    Raises:
      UncountableError: it holds a while loop, whose length is not known, or an operation that is not known here.
    """
    return sum(_count_equation(equation) for equation in jaxpr.eqns)


def _count_equation(equation: Any) -> int:
    name, params = equation.primitive.name, equation.params
    results = sum(math.prod(var.aval.shape) for var in equation.outvars)
    if name in _FREE:
        return 0
    if name in _ELEMENTWISE or name in _CUMULATIVE:
        return results
    if name in _REDUCTIONS:
        return math.prod(equation.invars[0].aval.shape) - results
    if name in _WINDOWS:
        return results * (math.prod(params["window_dimensions"]) - 1)
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        shape = equation.invars[0].aval.shape
        return 2 * results * math.prod(shape[axis] for axis in contracted)
    if name == "conv_general_dilated":
        return 2 * _products(equation, results)
    if name in _CALLS:
        return count(_body(params["call_jaxpr"] if "call_jaxpr" in params else params["jaxpr"]))
    if name == "scan":
        return params["length"] * count(_body(params["jaxpr"]))
    if name == "cond":
        return max(count(_body(branch)) for branch in params["branches"])
    if name == "while":
        raise UncountableError("a while loop: its length is not known before it runs")
    raise UncountableError(f"{name}: how many operations it takes is not known")


def _products(equation: Any, results: int) -> int:
    """Return the multiplications of a convolution; those with the zeros between dilated inputs are none."""
    kernel, params = equation.invars[1].aval.shape, equation.params
    outputs = kernel[params["dimension_numbers"].rhs_spec[0]]
    return results * (math.prod(kernel) // outputs) // math.prod(params["lhs_dilation"])


def _body(jaxpr: Any) -> core.Jaxpr:
    return jaxpr.jaxpr if isinstance(jaxpr, core.ClosedJaxpr) else jaxpr
