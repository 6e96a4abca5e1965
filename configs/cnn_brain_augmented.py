"""The small CNN of the brain-MRI project with augmentation, freshly initialised.

Source: there the augmented run went on from the trained one at a learning rate of 6.4e-8, so it compared nothing
(531/606 = 87.62 %). This one differs from configs/cnn_brain.py in the augmentation alone.
Expected: not measured yet.
Time: not measured yet.
Command: python -m medjax.main --config=configs/cnn_brain_augmented.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import cnn_brain


def get_config() -> ConfigDict:
    config = cnn_brain.get_config()
    config.name = "cnn_brain_augmented"
    config.augment.flip_horizontal = True
    config.augment.rotation = 30.0
    config.augment.zoom = 0.1
    config.augment.shift = 0.06
    return config
