"""Slices of a synthetic head with one lesion, in NumPy. No picture or statistic of a patient went into it.

The look is that of a contrast-enhanced T1 slice: bright scalp, dark bone and fluid, folded grey cortex around white
matter. Each class differs from the others in site, shape and texture, and any single one of these may mislead.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image
from scipy import ndimage

SIZE = 128
CLASS_NAMES = ("infiltrating", "extra_axial", "ring_enhancing")

_BRAIN = 0.84  # radius of the brain's surface, where that of the scalp is 1
_SITE_SWAP = 0.12  # share of lesions that lie where another class usually does
_AXIS = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE * 2 - 1  # float32 throughout: twice as fast


@dataclasses.dataclass(frozen=True)
class _Head:
    """Coordinates of one head; all arrays float [SIZE, SIZE].

    Attributes:
      right, down: position in the head's own axes, in halves of the image's side.
      radius: 0 in the centre, 1 on the scalp.
      angle: around the centre, radians.
      semi_axes: of the scalp's ellipse.
    """

    right: np.ndarray
    down: np.ndarray
    radius: np.ndarray
    angle: np.ndarray
    semi_axes: tuple[float, float]


def draw(label: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw one head with one lesion; the same arguments give the same picture.

    Args:
      label: index into CLASS_NAMES.
      seed: of everything that varies.

    Returns:
      The image, uint8 [128, 128], and the lesion's mask, bool [128, 128].
    """
    rng = np.random.Generator(np.random.PCG64([seed, label]))
    head = _pose(rng)
    tissue = _anatomy(head, rng)
    tissue, mask = _add_lesion(tissue, head, label, rng)
    return _scan(tissue, rng), mask


def _pose(rng: np.random.Generator) -> _Head:
    turn = rng.normal(0, np.deg2rad(8))
    x = _AXIS[None, :] - rng.uniform(-0.08, 0.08)
    y = _AXIS[:, None] - rng.uniform(-0.06, 0.06)
    right, down = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    height = rng.uniform(0.78, 0.92)
    semi_axes = (height * rng.uniform(0.76, 0.88), height)
    u, v = right / semi_axes[0], down / semi_axes[1]
    angle = np.arctan2(v, u)
    bulge = sum(rng.normal(0, 0.009) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4))
    return _Head(right, down, _length(u, v) * (1 + bulge), angle, semi_axes)


def _anatomy(head: _Head, rng: np.random.Generator) -> np.ndarray:
    """Return the signal of a healthy head, about 0 to 1."""
    white, grey, fluid = rng.uniform(0.54, 0.6), rng.uniform(0.38, 0.44), rng.uniform(0.1, 0.18)
    depth = _BRAIN - head.radius
    # Folds: dark furrows of fluid run inwards at an uneven pitch, and the white matter follows them.
    wave = np.cos(rng.integers(15, 22) * head.angle + 2.5 * _noise(rng, 9) + rng.uniform(0, 6))
    furrow = _step(wave - 0.55, 0.12) * _step(0.13 + 0.05 * _noise(rng, 9) - depth, 0.02)
    core = _step(depth - 0.085 - 0.05 * wave - 0.02 * _noise(rng, 14), 0.02)
    signal = grey + (white - grey) * core + 0.02 * _noise(rng, 24) + 0.015 * _noise(rng, 48)
    signal = _mix(signal, fluid, furrow)
    for side in (-1, 1):  # deep grey nuclei, then the ventricles
        nucleus = _ellipse(head, side * rng.uniform(0.18, 0.23), rng.uniform(0.0, 0.1), 0.07, 0.14, side * 0.3)
        signal = _mix(signal, (grey + white) / 2 - 0.03, nucleus)
        wide, long = rng.uniform(0.03, 0.065), rng.uniform(0.15, 0.24)
        horn = _ellipse(head, side * rng.uniform(0.07, 0.1), rng.uniform(-0.1, 0.02), wide, long, side * -0.25)
        back = _ellipse(head, side * rng.uniform(0.13, 0.17), rng.uniform(0.2, 0.28), wide, long * 0.6, side * 0.45)
        signal = _mix(signal, fluid, np.maximum(horn, back))
    fissure = _step(0.012 - np.abs(head.right + 0.01 * _noise(rng, 5)), 0.006) * _step(np.abs(head.down) - 0.3, 0.03)
    signal = _mix(signal, rng.uniform(0.25, 0.6), fissure)
    signal = _mix(signal, fluid, _step(head.radius - _BRAIN, 0.008))
    signal = _mix(signal, 0.05, _step(head.radius - 0.865, 0.008))  # bone
    marrow = rng.uniform(0.1, 0.3) * _step(0.012 - np.abs(head.radius - 0.895), 0.006)
    signal = signal + marrow
    signal = _mix(signal, rng.uniform(0.45, 0.65) + 0.07 * _noise(rng, 12), _step(head.radius - 0.93, 0.01))  # scalp
    return _mix(signal, 0.0, _step(head.radius - 1.0, 0.01))


def _add_lesion(tissue: np.ndarray, head: _Head, label: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the tissue with a lesion in it, and the lesion's mask."""
    size = rng.uniform(0.2, 0.34)
    site = label if rng.random() > _SITE_SWAP else int(rng.integers(len(CLASS_NAMES)))
    # Deep in the white matter, on the surface, or between the two at the edge of grey and white.
    place = (rng.uniform(0.2, 0.45), 0.8 - 0.5 * size, rng.uniform(0.4, 0.6))[site]
    around = rng.uniform(0, 2 * np.pi)
    dx = head.right - head.semi_axes[0] * place * np.cos(around)
    dy = head.down - head.semi_axes[1] * place * np.sin(around)
    stretch, tilt = rng.uniform(1.0, 1.35), rng.uniform(0, np.pi)
    along, across = dx * np.cos(tilt) + dy * np.sin(tilt), dy * np.cos(tilt) - dx * np.sin(tilt)
    ragged = rng.uniform(*((0.16, 0.34), (0.02, 0.1), (0.05, 0.16))[label])
    edge = _length(along / stretch, across * stretch) / size + ragged * (_noise(rng, 10) + 0.6 * _noise(rng, 20))
    sharp = rng.uniform(*((0.12, 0.28), (0.03, 0.08), (0.04, 0.1))[label])
    inside = _step(1 - edge, sharp) * _step(_BRAIN + 0.01 - head.radius, 0.01)
    # Swelling: a dim halo around the lesion, in any class.
    halo = _step(1 + rng.uniform(0.2, 0.7) - edge, 0.2) * _step(_BRAIN - 0.03 - head.radius, 0.02)
    tissue = _mix(tissue, tissue - rng.uniform(0.03, 0.14), halo)
    return _mix(tissue, _lesion_signal(edge, label, rng), inside), inside > 0.5


def _lesion_signal(edge: np.ndarray, label: int, rng: np.random.Generator) -> np.ndarray:
    """Return the signal inside a lesion; `edge` is 0 in its centre and 1 on its border."""
    if label == 0:  # patchy, dim and bright together
        patches = 0.16 * _noise(rng, 16) + 0.12 * _noise(rng, 32)
        return rng.uniform(0.22, 0.4) + rng.uniform(0.8, 1.2) * patches
    if label == 1:  # even and bright
        return rng.uniform(0.8, 1.0) + rng.uniform(0.02, 0.05) * _noise(rng, 24)
    rim, core = rng.uniform(0.75, 1.0), rng.uniform(0.08, 0.3)
    width = rng.uniform(0.28, 0.45)
    filled = _step(1 - width - edge + 0.1 * _noise(rng, 14), 0.08)
    return _mix(rim + 0.05 * _noise(rng, 24), core + 0.04 * _noise(rng, 16), filled)


def _scan(tissue: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the picture a scanner would make: blur, uneven coil, noise, window."""
    x, y = _AXIS[None, :], _AXIS[:, None]
    slope = rng.normal(0, 0.07, size=5).tolist()
    bias = 1 + slope[0] * x + slope[1] * y + slope[2] * x * y + slope[3] * (x**2 - 0.3) + slope[4] * (y**2 - 0.3)
    signal = ndimage.gaussian_filter(tissue, rng.uniform(0.3, 0.8)) * np.clip(bias, 0.5, 1.5)
    noise = rng.uniform(0.01, 0.03)
    signal = _length(
        signal + noise * rng.standard_normal(signal.shape, dtype=np.float32),
        noise * rng.standard_normal(signal.shape, dtype=np.float32),
    )
    signal = (signal * rng.uniform(0.85, 1.05)) ** rng.uniform(0.9, 1.15)
    return (np.clip(signal, 0, 1) * 255).astype(np.uint8)


def _noise(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Return smooth noise of unit variance, roughly, with so many random cells along a side; float [SIZE, SIZE]."""
    coarse = Image.fromarray(rng.standard_normal((cells, cells), dtype=np.float32))
    return np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC)) * 1.3


def _step(signed: np.ndarray, width: float) -> np.ndarray:
    """Return a smooth step from 0 (negative) to 1 (positive) of about the given width."""
    return np.clip(0.5 + signed / (2 * width), 0, 1)


def _mix(under: np.ndarray, over: np.ndarray | float, share: np.ndarray) -> np.ndarray:
    return under + (over - under) * share


def _length(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sqrt(x * x + y * y)  # np.hypot guards against overflow, at four times the price


def _ellipse(head: _Head, x: float, y: float, wide: float, long: float, tilt: float) -> np.ndarray:
    """Return 1 inside an ellipse given in the head's axes, 0 outside, with a soft border."""
    dx, dy = head.right - x, head.down - y
    across, along = dx * np.cos(tilt) + dy * np.sin(tilt), dy * np.cos(tilt) - dx * np.sin(tilt)
    return _step(1 - _length(across / wide, along / long), 0.12)
