"""ResNet-50 on the four-class brain tumour MRI set.

Source: 7,023 images of Kaggle's masoudnickparvar set; 216 of its test images are copies of training images.
Expected: not measured yet.
Time: not measured yet.
Command: python -m medjax.main --config=configs/resnet50_brain_tumor.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import resnet50_brain


def get_config() -> ConfigDict:
    config = resnet50_brain.get_config()
    config.name = "resnet50_brain_tumor"
    config.data.name = "brain_tumor_mri"
    return config
