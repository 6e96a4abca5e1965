"""ResNets against torchvision: the same random weights on both sides."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[parity]'")

from torchvision_import import import_torchvision  # noqa: E402

from medjax.models import create_model  # noqa: E402
from medjax.models.torchvision import from_state_dict, to_state_dict  # noqa: E402

pytestmark = pytest.mark.parity

CLASSES = 5
DEPTHS = (18, 34, 50, 101, 152)
# XLA's quick compilation: the mathematics is the same and these networks run only once.
QUICK = {"xla_backend_optimization_level": 0}


@pytest.fixture(scope="module")
def torchvision():
    # One thread: on images this small PyTorch's threads spend several times the computation on waiting for each other.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield import_torchvision()
    torch.set_num_threads(threads)


def random_network(torchvision, depth, channels=3):
    torch.manual_seed(depth)
    network = getattr(torchvision.models, f"resnet{depth}")(num_classes=CLASSES)
    if channels != 3:
        network.conv1 = torch.nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.1)
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network


def draw(seed, shape):
    """Returns images [B, H, W, C] and the weights [B, K] of the logits in the scalar loss."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), rng.normal(size=(shape[0], CLASSES))


def torch_run(network, images, weights, dtype):
    """Returns eval logits, train logits, running statistics and gradients of sum(train logits · weights)."""
    network = copy.deepcopy(network).to(dtype)
    x = torch.tensor(images).permute(0, 3, 1, 2).to(dtype)
    with torch.no_grad():
        eval_logits = network.eval()(x)
    train_logits = network.train()(x)
    (train_logits * torch.tensor(weights, dtype=dtype)).sum().backward()
    stats = {name: tensor for name, tensor in network.state_dict().items() if "running" in name}
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return jax.tree.map(lambda t: t.detach().double().numpy(), [eval_logits, train_logits, stats, gradients])


def medjax_runs(name, state, batches, dtype):
    """The same four of each batch from medjax, under torchvision's names."""
    model = create_model(name, num_classes=CLASSES, dtype=dtype)
    batches = [(jnp.asarray(images, dtype), jnp.asarray(weights, dtype)) for images, weights in batches]
    shapes = jax.eval_shape(model.init, jax.random.key(0), batches[0][0])
    variables = from_state_dict(state, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, dtype), shapes))

    def loss(params, batch_stats, images, weights):
        variables = {"params": params, "batch_stats": batch_stats}
        logits, updates = model.apply(variables, images, True, mutable=["batch_stats"])
        return (logits * weights).sum(), (logits, updates["batch_stats"])

    def run(variables, images, weights):
        gradients, (logits, stats) = jax.grad(loss, has_aux=True)(
            variables["params"], variables["batch_stats"], images, weights
        )
        return model.apply(variables, images), logits, {"params": gradients, "batch_stats": stats}

    run = jax.jit(run, compiler_options=QUICK)
    return [torch_names(*run(variables, *batch)) for batch in batches]


def torch_names(eval_logits, train_logits, tree):
    named = {name: array for name, array in to_state_dict(tree).items() if "num_batches" not in name}
    stats = {name: array for name, array in named.items() if "running" in name}
    gradients = {name: array for name, array in named.items() if name not in stats}
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), [eval_logits, train_logits, stats, gradients])


def relative(found, truth):
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


def errors(runs, truths):
    """Of the four parts, the median over the batches."""
    parts = [
        [relative(joined(p), joined(t)) for p, t in zip(*pair, strict=True)] for pair in zip(runs, truths, strict=True)
    ]
    return np.median(parts, axis=0)


def joined(part):
    return np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(part)])


def state_of(network):
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def compare_float64(name, network, batch):
    truth = torch_run(network, *batch, torch.float64)
    with jax.enable_x64(True):
        (found,) = medjax_runs(name, state_of(network), [batch], jnp.float64)
    # One tree.map over both also shows that the names are the same.
    assert max(jax.tree.leaves(jax.tree.map(relative, found, truth))) <= 1e-9


@pytest.mark.parametrize("depth", DEPTHS)
def test_logits_statistics_and_gradients_equal_torchvisions(torchvision, depth):
    compare_float64(f"resnet{depth}", random_network(torchvision, depth), draw(depth, (3, 64, 64, 3)))


@pytest.mark.parametrize("depth", DEPTHS)
def test_float32_is_no_further_from_the_truth_than_twice_pytorch(torchvision, depth):
    # Median of three batches: where a ReLU's argument is nearer to zero than float32 can tell, either may take the
    # other branch.
    network = random_network(torchvision, depth)
    batches = [draw(seed, (2, 64, 64, 3)) for seed in range(3)]
    truths = [torch_run(network, *batch, torch.float64) for batch in batches]
    peers = [torch_run(network, *batch, torch.float32) for batch in batches]
    ours = medjax_runs(f"resnet{depth}", state_of(network), batches, jnp.float32)
    assert all(ours <= 2 * theirs for ours, theirs in zip(errors(ours, truths), errors(peers, truths), strict=True))


@pytest.mark.parametrize("size", [(96, 96), (224, 224), (70, 45)])
def test_resnet_classifier_takes_any_size(torchvision, size):
    network = random_network(torchvision, 50).double().eval()
    images, _ = draw(0, (2, *size, 3))
    with torch.no_grad():
        truth = network(torch.tensor(images).permute(0, 3, 1, 2)).numpy()
    with jax.enable_x64(True):
        model = create_model("resnet_classifier", num_classes=CLASSES, dtype=jnp.float64)
        shapes = jax.eval_shape(model.init, jax.random.key(0), images)
        template = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, jnp.float64), shapes)
        found = jax.jit(model.apply, compiler_options=QUICK)(from_state_dict(state_of(network), template), images)
    assert relative(np.asarray(found), truth) <= 1e-9


def test_one_channel_equals_torchvision(torchvision):
    compare_float64("resnet18", random_network(torchvision, 18, channels=1), draw(1, (3, 64, 64, 1)))


def test_export_loads_strictly_and_gives_the_same_logits(torchvision):
    model = create_model("resnet18", num_classes=CLASSES)
    images = draw(2, (2, 64, 64, 3))[0].astype(np.float32)
    variables = jax.jit(model.init)(jax.random.key(0), images)
    network = torchvision.models.resnet18(num_classes=CLASSES)
    network.load_state_dict({name: torch.tensor(a) for name, a in to_state_dict(variables).items()}, strict=True)
    with torch.no_grad():
        truth = network.eval()(torch.tensor(images).permute(0, 3, 1, 2)).numpy()
    assert relative(np.asarray(jax.jit(model.apply)(variables, images)), truth) <= 1e-5
