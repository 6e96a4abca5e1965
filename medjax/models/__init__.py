"""Networks by name."""

import difflib
import inspect
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from medjax.errors import UserError
from medjax.models import cnn, resnet, spatial, spiking, unet
from medjax.models.classifier import Classifier

# Each makes a Classifier from (num_classes, dtype, **kwargs).
MODELS: dict[str, Callable[..., Classifier]] = {
    "brain_cnn": cnn.brain_cnn,
    "medical_cnn": cnn.medical_cnn,
    "cifar_cnn": cnn.cifar_cnn,
    "resnet18": resnet.resnet18,
    "resnet34": resnet.resnet34,
    "resnet50": resnet.resnet50,
    "resnet101": resnet.resnet101,
    "resnet152": resnet.resnet152,
    "resnet_classifier": resnet.resnet_classifier,
    "unet_classifier": unet.unet_classifier,
    "multilevel_unet": unet.multilevel_unet,
    "spatial_cnn": spatial.spatial_cnn,
    "spiking_cnn": spiking.spiking_cnn,
}


def create_model(name: str, *, num_classes: int, dtype: Any = jnp.float32, **kwargs: Any) -> Classifier:
    """Make a network.

    Args:
      name: one of MODELS.
      num_classes: K, at least 1.
      dtype: of the computation, float32 or bfloat16; parameters are float32.
      **kwargs: what the network's own function in this package takes.

    Raises:
      UserError: unknown name or argument, or a num_classes below 1.
    """
    if name not in MODELS:
        raise UserError(f"model {name!r} does not exist; choose {_near(name, MODELS)}.")
    if num_classes < 1:
        raise UserError(f"num_classes is {num_classes}; a classifier needs at least 1.")
    decided = {"num_classes", "dtype", *getattr(MODELS[name], "keywords", {})}
    allowed = [key for key in inspect.signature(MODELS[name]).parameters if key not in decided]
    for key in kwargs:
        if key not in allowed:
            raise UserError(f"model {name!r} has no argument {key!r}; choose {_near(key, allowed)}.")
    return MODELS[name](num_classes, dtype, **kwargs)


def _near(word: str, allowed: Any) -> str:
    guess = difflib.get_close_matches(word, allowed, 1)
    names = ", ".join(sorted(allowed)) or "none"
    return f"from {names}" + (f" (did you mean {guess[0]!r}?)" if guess else "")
