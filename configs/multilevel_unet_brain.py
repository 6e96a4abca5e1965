"""The multilevel U-Net encoder on brain-cancer MRI.

Source: 21,406,660 parameters at 4 classes; there 379/400 = 94.75 % on four-class endoscopy, Adam 1e-4, batch 32.
Expected: not measured yet.
Time: not measured yet.
Command: python -m medjax.main --config=configs/multilevel_unet_brain.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import resnet50_brain


def get_config() -> ConfigDict:
    config = resnet50_brain.get_config()
    config.name = "multilevel_unet_brain"
    config.model = ConfigDict({"name": "multilevel_unet", "dropout": 0.5})
    config.weights = "none"
    config.optimizer.learning_rate = 1e-4
    return config
