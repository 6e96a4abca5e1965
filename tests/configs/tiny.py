"""A network and images so small that a whole run takes seconds; the synthetic phantom, three epochs."""

from ml_collections import ConfigDict

from configs import resnet50_brain


def get_config() -> ConfigDict:
    config = resnet50_brain.get_config()
    config.name = "tiny"
    config.data.name = "phantom"
    config.data.channels = 1
    config.phantom.image_size = 16
    config.phantom.max_epochs = 3
    config.model = ConfigDict({"name": "medical_cnn"})
    config.batch_size = 128
    config.schedule.warmup_epochs = 0.0
    return config
