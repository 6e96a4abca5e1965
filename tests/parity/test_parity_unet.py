"""U-Net and its encoder against PyTorch, on the same weights and images."""

from functools import partial

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[parity]'")

from comparison import batch, flax_runs, float32_errors, relative_errors, torch_runs  # noqa: E402
from porting import to_flax  # noqa: E402
from torch_networks import Head, Network, UNetBackbone  # noqa: E402

from medjax.models import unet  # noqa: E402

pytestmark = pytest.mark.parity


def whole():
    torch.manual_seed(0)
    return Network(UNetBackbone(multilevel=False), Head(64, (), 4)), unet.unet_classifier


def multilevel():
    torch.manual_seed(1)
    network = Network(UNetBackbone(multilevel=True), Head(1984, (1024, 512), 4))
    return network, partial(unet.multilevel_unet, dropout=0.0)


@pytest.mark.parametrize(
    ("make", "image"), [(whole, (32, 48, 3)), (multilevel, (33, 40, 3))], ids=["whole", "multilevel"]
)
def test_float64_agrees_with_pytorch(make, image):
    network, create = make()
    batches = [batch(0, 3, image, classes=4)]
    (truth,) = torch_runs(network, {}, batches, torch.float64)
    with jax.enable_x64(True):
        (ours,) = flax_runs(create, to_flax(network), batches, np.float64)
    errors = dict(relative_errors(ours, truth))
    assert max(errors.values()) <= 1e-9, errors


@pytest.mark.parametrize("make", [whole, multilevel])
def test_float32_is_no_further_from_the_truth_than_twice_pytorch(make):
    network, create = make()
    batches = [batch(seed, 4, (16, 16, 3), classes=4) for seed in range(5)]
    truths = torch_runs(network, {}, batches, torch.float64)
    theirs = float32_errors(torch_runs(network, {}, batches, torch.float32), truths)
    ours = float32_errors(flax_runs(create, to_flax(network), batches, np.float32), truths)
    assert all(ours[name] <= 2 * theirs[name] for name in theirs), (ours, theirs)
