"""Imports torchvision on any build of torch.

The published torchvision wheels register two detection ops in a compiled library that a CPU build of torch cannot load.
torchvision.models needs their names only, so declaring the schemas is enough.
"""

import sys

import pytest
import torch


def import_torchvision():
    """Return torchvision, or skip the calling test where it is not installed."""
    reason = "torchvision is not installed: pip install --no-deps torchvision"
    try:
        return pytest.importorskip("torchvision", reason=reason, exc_type=ModuleNotFoundError)
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return pytest.importorskip("torchvision")


# At module level: the declarations end with the object.
_library = torch.library.Library("torchvision", "FRAGMENT")
