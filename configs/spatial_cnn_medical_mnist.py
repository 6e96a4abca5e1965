"""A spatial CNN (message passing slice by slice in four directions) on Medical MNIST.

Source: Pan et al., Spatial As Deep: Spatial CNN for Traffic Scene Understanding, AAAI 2018, section 3.
Expected: not measured yet.
Time: not measured yet.
Command: python -m medjax.main --config=configs/spatial_cnn_medical_mnist.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import resnet50_medical_mnist


def get_config() -> ConfigDict:
    config = resnet50_medical_mnist.get_config()
    config.name = "spatial_cnn_medical_mnist"
    config.model = ConfigDict({"name": "spatial_cnn"})
    return config
