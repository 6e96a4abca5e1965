"""Runs one network in PyTorch and in Flax on the same weights and images, and measures how far they are apart."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from flax.traverse_util import flatten_dict
from porting import FlattenedMaps, to_flax
from torch.nn.functional import cross_entropy

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Run:
    """What one network computed; every array in float64, under the names of Flax's layout."""

    eval_logits: np.ndarray
    train_logits: np.ndarray
    batch_stats: Arrays
    gradients: Arrays


def batch(seed: int, size: int, shape: tuple[int, int, int], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images [size, H, W, C] from the normal distribution, and labels [size]."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(size, *shape)), rng.integers(0, classes, size)


def torch_runs(network: torch.nn.Module, flattened: FlattenedMaps, batches: list[tuple], dtype: Any) -> list[Run]:
    """Pass each batch forward in evaluation and training and backward, every time from a copy of `network`."""
    return [_torch_run(copy.deepcopy(network).to(dtype), flattened, *each, dtype) for each in batches]


def _torch_run(network, flattened, images, labels, dtype) -> Run:
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).to(dtype)
    eval_logits = network.eval()(x).detach().numpy()
    train_logits = network.train()(x)
    cross_entropy(train_logits, torch.from_numpy(labels)).backward()
    stats = to_flax(network, flattened).get("batch_stats", {})
    gradients = to_flax(network, flattened, lambda parameter: parameter.grad)["params"]
    return Run(_wide(eval_logits), _wide(train_logits.detach().numpy()), _flat(stats), _flat(gradients))


def flax_runs(create: Callable[..., Any], variables: Mapping[str, Any], batches: list[tuple], dtype: Any) -> list[Run]:
    """Do the same with the Flax network that create(dtype=...) makes, every time from `variables`."""
    model = create(dtype=dtype)
    variables = jax.tree.map(lambda array: jnp.asarray(array, dtype), dict(variables))
    params = variables.pop("params")

    def loss(params, images, labels):
        logits, updated = model.apply({"params": params, **variables}, images, train=True, mutable=["batch_stats"])
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), (logits, updated)

    evaluate, train = jax.jit(model.apply), jax.jit(jax.grad(loss, has_aux=True))
    runs = []
    for images, labels in batches:
        eval_logits = evaluate({"params": params, **variables}, jnp.asarray(images, dtype))
        gradients, (logits, updated) = train(params, jnp.asarray(images, dtype), labels)
        runs.append(Run(_wide(eval_logits), _wide(logits), _flat(updated.get("batch_stats", {})), _flat(gradients)))
    return runs


def relative_errors(ours: Run, truth: Run, zero_gradients: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    """Yield the largest error of each array, relative to its largest value; of `zero_gradients` the absolute one."""
    yield "eval logits", _relative(ours.eval_logits, truth.eval_logits)
    yield "train logits", _relative(ours.train_logits, truth.train_logits)
    for mine, theirs in ((ours.batch_stats, truth.batch_stats), (ours.gradients, truth.gradients)):
        assert mine.keys() == theirs.keys()
        for name, array in theirs.items():
            zero = name.endswith(zero_gradients) if zero_gradients else False
            yield name, np.abs(mine[name] - array).max() if zero else _relative(mine[name], array)


def float32_errors(runs: list[Run], truths: list[Run]) -> dict[str, float]:
    """Return the error of the logits, the statistics and all gradients, in the Euclidean norm relative to the truth's.

    The median over the batches: where two values that a max-pool compares, or a ReLU's argument and zero, are nearer
    than float32 can tell apart, the gradient may take the other branch, in either framework.
    """
    errors = [_norm_errors(run, truth) for run, truth in zip(runs, truths, strict=True)]
    return {name: float(np.median([error[name] for error in errors])) for name in errors[0]}


def _norm_errors(run: Run, truth: Run) -> dict[str, float]:
    pairs = {
        "eval logits": (run.eval_logits, truth.eval_logits),
        "train logits": (run.train_logits, truth.train_logits),
        "batch_stats": (_joined(run.batch_stats), _joined(truth.batch_stats)),
        "gradients": (_joined(run.gradients), _joined(truth.gradients)),
    }
    return {name: np.linalg.norm(a - b) / np.linalg.norm(b) for name, (a, b) in pairs.items() if b.size}


def _relative(ours: np.ndarray, truth: np.ndarray) -> float:
    assert ours.shape == truth.shape
    return float(np.abs(ours - truth).max() / np.abs(truth).max())


def _joined(arrays: Arrays) -> np.ndarray:
    return np.concatenate([arrays[name].ravel() for name in sorted(arrays)]) if arrays else np.zeros(0)


def _flat(tree: Mapping[str, Any]) -> Arrays:
    return {name: _wide(array) for name, array in flatten_dict(tree, sep="/").items()}


def _wide(array: Any) -> np.ndarray:
    return np.asarray(array, np.float64)
