"""The U-Net classifier on crops of the RSNA 2024 lumbar spine MRI, three degrees of stenosis.

Source: the network of a public lumbar-spine project (31,037,828 parameters at 3 channels, 4 classes), which gives
no result on this data.
Expected: not measured yet.
Time: not measured yet.
Command: python -m medjax.main --config=configs/unet_lumbar.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import resnet50_brain


def get_config() -> ConfigDict:
    config = resnet50_brain.get_config()
    config.name = "unet_lumbar"
    config.data.name = "rsna_lumbar"
    config.data.image_size = 96
    config.data.channels = 3  # neighbouring slices, odd
    config.data.options.slices = config.data.get_ref("channels")
    config.data.options.crop_mm = 64.0  # side of a crop in the patient, mm
    config.data.options.crop_pixels = config.data.get_ref("image_size")
    config.data.options.conditions = ("spinal_canal_stenosis", "neural_foraminal_narrowing", "subarticular_stenosis")
    config.data.options.imager_spacing = False  # take the detector's spacing where a file has no PixelSpacing
    config.data.input_columns = ("condition",)  # the network is told which of the conditions it grades
    config.model = ConfigDict({"name": "unet_classifier"})
    config.weights = "none"
    config.augment.flip_horizontal = False  # right-sided crops are mirrored when they are made
    config.optimizer.learning_rate = 3e-4
    return config
