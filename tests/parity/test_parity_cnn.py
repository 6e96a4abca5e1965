"""The plain convolutional networks against PyTorch, on the same weights and images."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[parity]'")

from comparison import batch, flax_runs, float32_errors, relative_errors, torch_runs  # noqa: E402
from porting import to_flax  # noqa: E402
from torch_networks import BrainBackbone, CifarBackbone, Head, MedicalBackbone, Network  # noqa: E402

from medjax.models import cnn  # noqa: E402

pytestmark = pytest.mark.parity


class Case(NamedTuple):
    """The backbone in PyTorch, the head's widths, our network, and the shapes of an image and of the flattened map."""

    backbone: type
    widths: tuple[int, ...]
    create: Callable
    image: tuple[int, int, int]
    flattened_map: tuple[int, int, int]

    def network(self):
        torch.manual_seed(0)
        return Network(self.backbone(), Head(int(np.prod(self.flattened_map)), self.widths, 3))

    def flattened(self):
        return {"head.hidden0": self.flattened_map}


CASES = {
    "brain_cnn": Case(BrainBackbone, (512, 128), partial(cnn.brain_cnn, dropout=0.0), (64, 48, 3), (64, 8, 6)),
    "medical_cnn": Case(MedicalBackbone, (128,), cnn.medical_cnn, (28, 28, 1), (64, 7, 7)),
    "cifar_cnn": Case(CifarBackbone, (64,), cnn.cifar_cnn, (32, 32, 3), (64, 4, 4)),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request):
    return request.param


def test_float64_agrees_with_pytorch(case):
    network, batches = case.network(), [batch(0, 4, case.image, classes=3)]
    (truth,) = torch_runs(network, case.flattened(), batches, torch.float64)
    with jax.enable_x64(True):
        variables = to_flax(network, case.flattened())
        (ours,) = flax_runs(partial(case.create, num_classes=3), variables, batches, np.float64)
    # A bias before a batch norm moves nothing: its gradient is zero but for rounding.
    errors = dict(relative_errors(ours, truth, zero_gradients=("conv/bias",)))
    assert max(errors.values()) <= 1e-9, errors


def test_float32_is_no_further_from_the_truth_than_twice_pytorch(case):
    network, batches = case.network(), [batch(seed, 8, case.image, classes=3) for seed in range(5)]
    truths = torch_runs(network, case.flattened(), batches, torch.float64)
    theirs = float32_errors(torch_runs(network, case.flattened(), batches, torch.float32), truths)
    variables = to_flax(network, case.flattened())
    ours = float32_errors(flax_runs(partial(case.create, num_classes=3), variables, batches, np.float32), truths)
    assert all(ours[name] <= 2 * theirs[name] for name in theirs), (ours, theirs)


def test_dense_kernels_need_their_rows_reordered():
    case = CASES["medical_cnn"]
    network, batches = case.network(), [batch(0, 4, case.image, classes=3)]
    (truth,) = torch_runs(network, {}, batches, torch.float64)
    (unordered,) = flax_runs(partial(case.create, num_classes=3), to_flax(network), batches, np.float32)
    assert np.abs(unordered.eval_logits - truth.eval_logits).max() > 1e-3
