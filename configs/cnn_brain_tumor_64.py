"""The small CNN of the brain-MRI project on the four-class brain tumour set, 64 pixels, the publisher's test set.

Source: one recipe for three networks, so that `python -m medjax.compare` can tell them apart.
Expected: test accuracy, three seeds: 1,016, 965 and 960 of 1,311 (mean 0.748, 95 % interval 0.70-0.79);
no patients known.
Time: 1 min 53 s of training on one CPU core.
Command: python -m medjax.main --config=configs/cnn_brain_tumor_64.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import resnet18_brain_tumor_64


def get_config() -> ConfigDict:
    config = resnet18_brain_tumor_64.get_config()
    config.name = "cnn_brain_tumor_64"
    config.model = ConfigDict({"name": "brain_cnn", "dropout": 0.5})
    return config
