"""Learning-rate schedules and optimizers, all from optax."""

from __future__ import annotations

from typing import Any

import jax
import optax

SCHEDULES = ("constant", "step", "cosine", "plateau")
OPTIMIZERS = ("adam", "adamw", "sgd")


def make_schedule(
    name: str,
    *,
    learning_rate: float,
    steps_per_epoch: int,
    max_epochs: int,
    warmup_epochs: float,
    decay_epochs: int,
    decay_factor: float,
) -> optax.Schedule:
    """Return the function from step to learning rate.

    Args:
      name: "constant"; "step": × `decay_factor` every `decay_epochs`; "cosine": half a cosine from the end of the
        warm-up to zero at the last step; "plateau": constant here, the loop scales it (see `TrainState.lr_scale`).
      learning_rate: the highest one.
      steps_per_epoch: optimizer steps in an epoch.
      max_epochs: where the cosine ends.
      warmup_epochs: linear rise from learning_rate / 100 before any of them; fractions are allowed.
      decay_epochs: for "step".
      decay_factor: for "step".
    """
    warmup = round(warmup_epochs * steps_per_epoch)
    if name == "step":
        main = optax.exponential_decay(learning_rate, decay_epochs * steps_per_epoch, decay_factor, staircase=True)
    elif name == "cosine":
        main = optax.cosine_decay_schedule(learning_rate, max(1, max_epochs * steps_per_epoch - warmup))
    elif name in ("constant", "plateau"):
        main = optax.constant_schedule(learning_rate)
    else:
        raise ValueError(f"schedule {name!r} is not one of {', '.join(SCHEDULES)}.")
    if warmup == 0:
        return main
    return optax.join_schedules([optax.linear_schedule(learning_rate / 100, learning_rate, warmup), main], [warmup])


def make_optimizer(
    name: str,
    schedule: optax.Schedule,
    *,
    weight_decay: float,
    momentum: float,
    clip_norm: float,
    backbone_factor: float,
) -> optax.GradientTransformation:
    """Return the optimizer as one optax chain.

    Args:
      name: "adam" and "sgd" add weight_decay × parameter to the gradient (L2, as PyTorch's do); "adamw" decays
        decoupled from the gradient (Loshchilov and Hutter 2019) and leaves biases and norms alone.
      schedule: step -> learning rate.
      weight_decay: coefficient; 0 turns it off.
      momentum: of sgd.
      clip_norm: gradients are scaled down to this global norm; 0 turns it off.
      backbone_factor: the learning rate of everything outside the head is multiplied by it.
    """
    decay = optax.add_decayed_weights(weight_decay, mask=_is_kernel if name == "adamw" else None)
    if name == "adam":
        core = [decay, optax.scale_by_adam()]
    elif name == "adamw":
        core = [optax.scale_by_adam(), decay]
    elif name == "sgd":
        core = [decay, optax.trace(momentum)]
    else:
        raise ValueError(f"optimizer {name!r} is not one of {', '.join(OPTIMIZERS)}.")
    clip = [optax.clip_by_global_norm(clip_norm)] if clip_norm else []
    slow_backbone = [optax.masked(optax.scale(backbone_factor), _in_backbone)] if backbone_factor != 1 else []
    return optax.chain(*clip, *core, optax.scale_by_learning_rate(schedule), *slow_backbone)


def _is_kernel(params: Any) -> Any:
    return jax.tree.map(lambda p: p.ndim > 1, params)


def _in_backbone(params: Any) -> Any:
    return {part: jax.tree.map(lambda _, inside=(part == "backbone"): inside, tree) for part, tree in params.items()}
