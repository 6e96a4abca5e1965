"""A run's weights as arrays with names, so that a model leaves JAX as easily as it came."""

from __future__ import annotations

import pathlib

import numpy as np
from flax.traverse_util import flatten_dict

from medjax.errors import UserError
from medjax.inference.finished_run import best_variables
from medjax.models import safetensors, torchvision


def export_weights(workdir: pathlib.Path, output: pathlib.Path) -> int:
    """Write the best checkpoint's parameters and batch statistics to a .safetensors file.

    A ResNet gets torchvision's names and layout, so `load_state_dict` takes the file's tensors as they are; other
    networks get their Flax names joined by dots, "params.backbone.conv1.kernel", and Flax's layout. What a run with
    balanced classes adds to the logits is no weight: see "prior_correction" in its preprocessing.json.

    Args:
      workdir: folder of a run with at least one finished epoch.
      output: replaced if it exists.

    Returns:
      Number of tensors.

    Raises:
      UserError: the folder is not a run's, or nothing was saved yet, or the file cannot be written.
    """
    variables = best_variables(workdir)
    if torchvision.is_resnet(variables):
        tensors = torchvision.to_state_dict(variables)
    else:
        tensors = {".".join(path): np.asarray(leaf) for path, leaf in flatten_dict(variables).items()}
    try:
        safetensors.write(output, tensors, metadata={"format": "pt"})
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error.strerror}): give another --output.") from error
    return len(tensors)
