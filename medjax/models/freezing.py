"""Which parameters of a model are trained."""

from __future__ import annotations

from collections.abc import Callable

from medjax.errors import UserError
from medjax.models.classifier import Classifier


def trained_rule(model: Classifier, trainable: str) -> Callable[[tuple[str, ...]], bool]:
    """Return the rule from a parameter's path to whether it is trained.

    Args:
      model: a `Classifier`. "from:STAGE" needs a backbone with a tuple `STAGES` of name prefixes, in order of depth.
      trainable: "all", "head" or "from:STAGE" (that stage, those after it and the head).

    Raises:
      UserError: the value, or the stage, does not exist.
    """
    if trainable == "all":
        return lambda path: True
    if trainable == "head":
        return lambda path: path[0] == "head"
    first = _stages(model, trainable).index(trainable.removeprefix("from:"))
    return lambda path: path[0] == "head" or _depth(model, path[1]) >= first


def freeze(model: Classifier, trainable: str) -> Classifier:
    """Return the model whose frozen stages run in inference mode, so that their batch statistics never move."""
    if not trainable.startswith("from:"):
        return model
    _stages(model, trainable)
    return model.clone(backbone=model.backbone.clone(train_from=trainable.removeprefix("from:")))


def _stages(model: Classifier, trainable: str) -> tuple[str, ...]:
    stages = getattr(model.backbone, "STAGES", ())
    if not trainable.startswith("from:") or trainable.removeprefix("from:") not in stages:
        allowed = ["auto", "all", "head", *(f"from:{stage}" for stage in stages)]
        raise UserError(f"config.trainable is {trainable!r}; this network allows {', '.join(allowed)}.")
    return stages


def _depth(model: Classifier, name: str) -> int:
    return next((i for i, stage in enumerate(model.backbone.STAGES) if name.startswith(stage)), 0)
