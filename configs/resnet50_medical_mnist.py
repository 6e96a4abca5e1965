"""ResNet-50 on Medical MNIST, six classes, 64 pixels, one channel, from scratch.

Source: 23,514,054 parameters; there only the last layer of a random network was trained, Adam 1e-4, batch 512,
5 epochs: 10,226/11,776 = 86.84 %.
Expected: not measured yet.
Time: not measured yet.
Command: python -m medjax.main --config=configs/resnet50_medical_mnist.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import resnet50_brain


def get_config() -> ConfigDict:
    config = resnet50_brain.get_config()
    config.name = "resnet50_medical_mnist"
    config.data.name = "medical_mnist"
    config.data.image_size = 64
    config.data.channels = 1
    config.model.head_hidden = ()
    config.weights = "none"
    config.batch_size = 128
    config.max_epochs = 5
    config.schedule.warmup_epochs = 0.5
    config.phantom.max_epochs = 5
    return config
