"""The ResNet classifier of any image size on crops of the RSNA 2024 lumbar spine MRI.

Source: the residual classifier of a public lumbar-spine project, which gives no result on this data.
Expected: not measured yet.
Time: not measured yet.
Command: python -m medjax.main --config=configs/resnet_lumbar.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import unet_lumbar


def get_config() -> ConfigDict:
    config = unet_lumbar.get_config()
    config.name = "resnet_lumbar"
    config.model = ConfigDict({"name": "resnet_classifier"})
    return config
