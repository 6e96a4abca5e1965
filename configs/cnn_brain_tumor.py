"""The small CNN of the brain-MRI project on the four-class brain tumour MRI set.

Source: the network and recipe of configs/cnn_brain.py.
Expected: not measured yet.
Time: not measured yet.
Command: python -m medjax.main --config=configs/cnn_brain_tumor.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import cnn_brain


def get_config() -> ConfigDict:
    config = cnn_brain.get_config()
    config.name = "cnn_brain_tumor"
    config.data.name = "brain_tumor_mri"
    return config
