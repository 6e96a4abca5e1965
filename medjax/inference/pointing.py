"""Whether the peak of a saliency map lies in the lesion, where the lesion is known: the pointing game.

After Zhang et al., "Top-down neural attention by excitation backprop", ECCV 2016, §4.1, without their tolerance of 15
pixels around the object: the peak is inside of the mask or it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medjax.evaluation.intervals import wilson


def peaks(maps: np.ndarray) -> np.ndarray:
    """Return the centre of each map's highest pixel as (down, right), shares of the image's sides.

    Args:
      maps: float [N, h, w]; h and w may be smaller than the image's.

    Returns:
      float64 [N, 2]; the first in rows of equally high pixels; NaN where no pixel is higher than another.
    """
    count, height, width = maps.shape
    flat = np.asarray(maps).reshape(count, -1)
    rows, columns = np.divmod(flat.argmax(axis=1), width)
    found = np.stack([(rows + 0.5) / height, (columns + 0.5) / width], axis=1)
    found[flat.max(axis=1) <= flat.min(axis=1)] = np.nan
    return found


def hit_rate(found: np.ndarray, masks: Sequence[np.ndarray]) -> dict[str, Any]:
    """Count the peaks that lie in the lesion of their own image, beside what chance would give.

    Args:
      found: float64 [N, 2], of `peaks`; an image without a peak is a miss.
      masks: N of bool [h, w], where the lesion is; of the whole image, at any size. Empty masks do not count.

    Returns:
      "images" with a lesion; "hits" among them; "hit_rate" and its 95 % "interval" (Wilson); "without_peak";
      "area_share", the lesions' mean share of the image, the hit rate of a place drawn at random; "other_images", the
      hit rate of the same peaks laid over every other image instead of their own, which is higher where lesions and
      maps both favour a region. "other_images" is None for a single image.

    Raises:
      ValueError: no mask has a lesion.
    """
    kept = [i for i, mask in enumerate(masks) if mask.any()]
    if not kept:
        raise ValueError("no image has a lesion")
    inside = np.array([[_inside(found[i], masks[j]) for j in kept] for i in kept])
    count, hits = len(kept), int(np.trace(inside))
    return {
        "images": count,
        "hits": hits,
        "hit_rate": hits / count,
        "interval": list(wilson(hits, count)),
        "without_peak": int(np.isnan(found[kept]).any(axis=1).sum()),
        "area_share": float(np.mean([masks[i].mean() for i in kept])),
        "other_images": float((inside.sum() - hits) / (count * (count - 1))) if count > 1 else None,
    }


def _inside(peak: np.ndarray, mask: np.ndarray) -> bool:
    if np.isnan(peak).any():
        return False
    row, column = (peak * mask.shape).astype(int)
    return bool(mask[row, column])
