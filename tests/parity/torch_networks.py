"""The reference projects' networks in PyTorch, written from their specification; submodules carry our names."""

import torch
from torch import nn
from torch.nn import functional


class Network(nn.Module):
    """A backbone and a head, as medjax.models.classifier.Classifier."""

    def __init__(self, backbone: nn.Module, head: nn.Module):
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x):
        return self.head(self.backbone(x))


class ConvNorm(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(*args, **kwargs)
        self.norm = nn.BatchNorm2d(self.conv.out_channels)

    def forward(self, x):
        return functional.relu(self.norm(self.conv(x)))


class BrainBackbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = ConvNorm(3, 16, 2, padding=1), ConvNorm(16, 32, 2, padding=1)
        self.conv3 = ConvNorm(32, 64, 2, padding=1)

    def forward(self, x):
        for conv in (self.conv1, self.conv2, self.conv3):
            x = functional.max_pool2d(conv(x), 2)
        return x.flatten(1)


class MedicalBackbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = functional.max_pool2d(functional.relu(conv(x)), 2)
        return x.flatten(1)


class CifarBackbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(3, 32, 3), nn.Conv2d(32, 64, 3), nn.Conv2d(64, 64, 3)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        return functional.relu(self.conv3(x)).flatten(1)


class Head(nn.Module):
    """Dense layers with ReLU between; dropout is left out, since parity is measured without it."""

    def __init__(self, features: int, hidden: tuple[int, ...], classes: int):
        super().__init__()
        for i, width in enumerate(hidden):
            self.add_module(f"hidden{i}", nn.Linear(features, width))
            features = width
        self.fc = nn.Linear(features, classes)

    def forward(self, x):
        *hidden, last = self.children()
        for layer in hidden:
            x = functional.relu(layer(x))
        return last(x)


class DoubleConv(nn.Module):
    def __init__(self, channels: int, width: int):
        super().__init__()
        self.first = ConvNorm(channels, width, 3, padding=1, bias=False)
        self.second = ConvNorm(width, width, 3, padding=1, bias=False)

    def forward(self, x):
        return self.second(self.first(x))


class UNetBackbone(nn.Module):
    def __init__(self, multilevel: bool, channels: int = 3, widths: tuple[int, ...] = (64, 128, 256, 512)):
        super().__init__()
        self.multilevel, self.depth = multilevel, len(widths)
        for level, width in enumerate(widths, 1):
            self.add_module(f"down{level}", DoubleConv(channels, width))
            channels = width
        self.bottleneck = DoubleConv(channels, 2 * channels)
        if not multilevel:
            for level, width in enumerate(widths, 1):
                self.add_module(f"up{level}", nn.ConvTranspose2d(2 * width, width, 2, stride=2))
                self.add_module(f"merge{level}", DoubleConv(2 * width, width))

    def forward(self, x):
        maps = []
        for level in range(1, self.depth + 1):
            maps.append(self.get_submodule(f"down{level}")(x))
            x = functional.max_pool2d(maps[-1], 2)
        x = self.bottleneck(x)
        if self.multilevel:
            return torch.cat([level.mean((2, 3)) for level in (*maps, x)], 1)
        for level in range(self.depth, 0, -1):
            up = self.get_submodule(f"up{level}")(x)
            x = self.get_submodule(f"merge{level}")(torch.cat((maps[level - 1], up), 1))
        return x.mean((2, 3))


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, excess, slope):
        ctx.save_for_backward(excess)
        ctx.slope = slope
        return (excess > 0).to(excess.dtype)

    @staticmethod
    def backward(ctx, grad):
        (excess,) = ctx.saved_tensors
        return grad / (1 + ctx.slope * excess.abs()) ** 2, None


class SpikingNetwork(nn.Module):
    """Spikes of its three layers at every step: [T, B, 12, h, w], [T, B, 64, h', w'] and [T, B, classes]."""

    def __init__(self, size: int, classes: int, steps: int, beta: float, threshold: float, slope: float):
        super().__init__()
        self.side = ((size - 4) // 2 - 4) // 2
        self.backbone = nn.ModuleDict({"conv1": nn.Conv2d(1, 12, 5), "conv2": nn.Conv2d(12, 64, 5)})
        self.head = nn.ModuleDict({"fc": nn.Linear(64 * self.side**2, classes)})
        self.steps, self.beta, self.threshold, self.slope = steps, beta, threshold, slope

    def _fire(self, membrane, current):
        reset = self.threshold * (membrane > self.threshold).to(current.dtype).detach()
        membrane = self.beta * membrane + current - reset
        return membrane, _Spike.apply(membrane - self.threshold, self.slope)

    def forward(self, x):
        potentials, layers = [torch.zeros((), dtype=x.dtype)] * 3, ([], [], [])
        for _ in range(self.steps):
            spikes = x
            for i, current in enumerate((self._first, self._second, self._third)):
                potentials[i], spikes = self._fire(potentials[i], current(spikes))
                layers[i].append(spikes)
        return [torch.stack(spikes) for spikes in layers]

    def _first(self, x):
        return functional.max_pool2d(self.backbone["conv1"](x), 2)

    def _second(self, spikes):
        return functional.max_pool2d(self.backbone["conv2"](spikes), 2)

    def _third(self, spikes):
        return self.head["fc"](spikes.flatten(1))
