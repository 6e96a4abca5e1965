"""A spatial CNN on the four-class brain tumour MRI set, 64 pixels, the publisher's test set without its leaks.

Source: one recipe for three networks, so that `python -m medjax.compare` can tell them apart.
Expected: test accuracy, three seeds: 1,003, 1,008 and 992 of 1,311 (mean 0.764, 95 % interval 0.73-0.79);
no patients known.
Time: 7 min 58 s of training on one CPU core.
Command: python -m medjax.main --config=configs/spatial_cnn_brain_tumor_64.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import resnet18_brain_tumor_64


def get_config() -> ConfigDict:
    config = resnet18_brain_tumor_64.get_config()
    config.name = "spatial_cnn_brain_tumor_64"
    config.model = ConfigDict({"name": "spatial_cnn"})
    return config
