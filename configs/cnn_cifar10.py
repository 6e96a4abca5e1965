"""The template CNN on CIFAR-10.

Source: 122,570 parameters; Keras style, sparse cross-entropy; no number is reported there.
Expected: not measured yet.
Time: not measured yet.
Command: python -m medjax.main --config=configs/cnn_cifar10.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import medical_cnn_mnist


def get_config() -> ConfigDict:
    config = medical_cnn_mnist.get_config()
    config.name = "cnn_cifar10"
    config.data.name = "cifar10"
    config.data.image_size = 32
    config.data.channels = 3
    config.model = ConfigDict({"name": "cifar_cnn"})
    config.augment.flip_horizontal = True
    config.max_epochs = 20
    config.phantom.image_size = 32
    return config
