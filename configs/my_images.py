"""Your own images, one folder a class: the few fields to set, on top of the ResNet-50 of configs/resnet50_brain.py.

Source: a folder or .zip as FOLDER/class/image.png or FOLDER/{train,val,test}/class/image.png; PNG, JPEG, BMP, TIFF or
DICOM. A CSV or Parquet file that names images and labels instead: configs/my_table.py.
Expected: that depends on the images; nothing was measured.
Time: that depends on their number; nothing was measured.
Command: python -m medjax.main --config=configs/my_images.py --config.data.path=FOLDER
"""

from ml_collections import ConfigDict

from configs import resnet50_brain


def get_config() -> ConfigDict:
    config = resnet50_brain.get_config()
    config.name = "my_images"  # of the folder under runs/

    config.data.name = "image_folder"
    config.data.path = ""  # your folder or .zip
    config.data.image_size = 224  # pixels; small lesions need more
    config.data.channels = 3  # 3 for the pretrained network, of grey images too; 1 only with config.weights = "none"
    config.data.fit = "pad"  # "pad" keeps shape and borders, "crop" keeps the middle, "squash" stretches

    options = config.data.options = ConfigDict()
    # Which images are of one patient? A patient must not be in training and in test, or the result flatters.
    # "" nobody knows, "subfolder" FOLDER/class/PATIENT/image, "pattern" the file name says, "patient_id" DICOM says
    options.group_from = ""
    options.group_pattern = ""  # of "pattern", brackets around the patient: "(P[0-9]+)_slice" in P017_slice3.png
    options.positive_class = ""  # the folder of the disease; sensitivity is about it
    options.ordered = ()  # degrees, lowest first: ("normal", "mild", "severe"); () where there is no order
    options.ids = "hashed"  # images and patients under pseudonyms; "names" shows file names in tables and reports
    options.intensity = "auto"  # of DICOM: how its values become brightness, one way for all files
    options.window = ()  # of DICOM: center and width, (40.0, 400.0); () leaves it to `intensity`
    options.frame = 0  # of DICOM with several frames: the one to use, the first is 1; 0 names none

    # Mirrored images in training: False where left and right differ (a heart, a liver, the side of a finding).
    config.augment.flip_horizontal = False
    return config
