"""The small CNN of the brain-MRI project, without augmentation.

Source: 25,767,443 parameters at 224 pixels; there 538/606 = 88.78 % (Wilson 86.0-91.1), best epoch 24 of 29,
1,387 s on one T4. Adam 1e-3, L2 1e-5, batch 32, learning rate × 0.2 every 4 epochs, at most 50, patience 5.
Expected: not measured yet.
Time: not measured yet.
Command: python -m medjax.main --config=configs/cnn_brain.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import resnet50_brain


def get_config() -> ConfigDict:
    config = resnet50_brain.get_config()
    config.name = "cnn_brain"
    config.model = ConfigDict({"name": "brain_cnn", "dropout": 0.5})
    config.weights = "none"
    config.augment = resnet50_brain.no_augmentation()
    config.max_epochs = 50
    config.schedule.name = "step"
    config.schedule.warmup_epochs = 0.0
    config.early_stopping.patience_epochs = 5
    return config
