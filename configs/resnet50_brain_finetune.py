"""ResNet-50 on brain-cancer MRI, every layer trained, the backbone ten times slower than the head.

Source: none; a common recipe for fine-tuning.
Expected: not measured yet.
Time: not measured yet.
Command: python -m medjax.main --config=configs/resnet50_brain_finetune.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict

from configs import resnet50_brain


def get_config() -> ConfigDict:
    config = resnet50_brain.get_config()
    config.name = "resnet50_brain_finetune"
    config.trainable = "all"
    config.optimizer.name = "adamw"
    config.optimizer.learning_rate = 3e-4
    config.optimizer.weight_decay = 0.05
    config.optimizer.backbone_factor = 0.1
    config.optimizer.clip_norm = 1.0
    return config
