"""ResNet-18 on the four-class brain tumour MRI set, 64 pixels, the publisher's test set without its leaks.

Source: one recipe for three networks, so that `python -m medjax.compare` can tell them apart.
Expected: test accuracy, three seeds: 1,173, 1,161 and 1,173 of 1,311 (mean 0.892, 95 % interval 0.873-0.911);
no patients known.
Time: 17 min 28 s of training on one CPU core.
Command: python -m medjax.main --config=configs/resnet18_brain_tumor_64.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import resnet50_brain_tumor


def get_config() -> ConfigDict:
    config = resnet50_brain_tumor.get_config()
    config.name = "resnet18_brain_tumor_64"
    config.data.image_size = 64
    config.data.channels = 1
    config.split.kind = "official_dedup"
    config.split.calib = 0.1
    config.model.name = "resnet18"
    config.model.head_hidden = ()
    config.model.dropout = 0.0
    config.weights = "none"
    config.max_epochs = 20
    return config
