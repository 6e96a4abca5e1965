"""What a network checks before it computes, so that a wrong size is one clear line, not a shape error from inside."""

import jax
from flax import linen as nn

from medjax.errors import UserError


def check_images(
    images: jax.Array, network: str, *, channels: int | None = None, min_size: int = 1, multiple_of: int = 1
) -> None:
    """Raise UserError unless `images` is [B, H, W, C] with H, W >= min_size, both divisible by multiple_of.

    channels: the only C allowed; None allows any.
    """
    if images.ndim != 4:
        raise UserError(f"{network} takes images [batch, height, width, channels], got shape {images.shape}.")
    _, height, width, found = images.shape
    if found < 1 or (channels is not None and found != channels):
        wanted = "at least 1 channel" if channels is None else f"{channels} channel{'s' if channels > 1 else ''}"
        raise UserError(
            f"{network} takes images with {wanted}, got {found}: load them with that many or build another model."
        )
    if min(height, width) < min_size:
        raise UserError(f"{network} takes images of at least {min_size}x{min_size} pixels, got {height}x{width}.")
    if height % multiple_of or width % multiple_of:
        near = " or ".join(
            str(size) for size in _near_multiples(height if height % multiple_of else width, multiple_of)
        )
        raise UserError(
            f"{network} takes heights and widths divisible by {multiple_of}, got {height}x{width}: "
            f"resize the images, for example to {near}."
        )


def expected_channels(module: nn.Module, first_layer: str, channels: int | None) -> int | None:
    """Return the image channels that `module` takes: `channels` if given, else those of its parameters, else None.

    first_layer: the submodule that sees the images, a Conv or ConvNorm; a nested one as "block/layer". None means that
    any number will do: the parameters are still to be initialised.
    """
    stored = module.variables.get("params", {})
    for name in first_layer.split("/"):
        stored = stored.get(name, {})
    kernel = stored.get("conv", stored).get("kernel")
    return channels if channels is not None or kernel is None else kernel.shape[2]


def check_features(module: nn.Module, first_layer: str, features: jax.Array) -> None:
    """Raise UserError where `features` [..., F] do not fit the kernel [F, O] of the dense layer `first_layer`."""
    kernel = module.variables.get("params", {}).get(first_layer, {}).get("kernel")
    if kernel is not None and kernel.shape[0] != features.shape[-1]:
        raise UserError(
            f"the first dense layer takes {kernel.shape[0]} features, got {features.shape[-1]}: "
            "give images of the size that the model was initialised with."
        )


def _near_multiples(size: int, multiple_of: int) -> list[int]:
    below = size // multiple_of * multiple_of
    return [multiple for multiple in (below, below + multiple_of) if multiple]
