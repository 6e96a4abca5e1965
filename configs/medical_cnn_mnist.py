"""The template CNN on MNIST.

Source: 421,642 parameters; Adam, cross-entropy, 5 epochs; no number is reported there.
Expected: not measured yet.
Time: not measured yet.
Command: python -m medjax.main --config=configs/medical_cnn_mnist.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import resnet50_brain


def get_config() -> ConfigDict:
    config = resnet50_brain.get_config()
    config.name = "medical_cnn_mnist"
    config.data.name = "mnist"
    config.data.image_size = 28
    config.data.channels = 1
    config.model = ConfigDict({"name": "medical_cnn"})
    config.weights = "none"
    config.augment = resnet50_brain.no_augmentation()
    config.batch_size = 128
    config.max_epochs = 5
    config.optimizer.weight_decay = 0.0
    config.schedule.warmup_epochs = 0.5
    config.phantom.image_size = 28
    config.phantom.max_epochs = 5
    return config
