"""Your own images, listed with their labels in a CSV or Parquet file.

Source: a CSV (comma, semicolon or tab; UTF-8) or Parquet file, one image a row; the paths in it start from its folder.
No column is read but those named below.
Expected: that depends on the images; nothing was measured.
Time: that depends on their number; nothing was measured.
Command: python -m medjax.main --config=configs/my_table.py --config.data.path=FILE.csv
"""

from ml_collections import ConfigDict

from configs import my_images


def get_config() -> ConfigDict:
    config = my_images.get_config()
    config.name = "my_table"
    config.data.name = "image_table"
    config.data.path = ""  # your .csv, .tsv or .parquet, or the folder or .zip that holds it

    own = config.data.options
    options = config.data.options = ConfigDict()
    options.image_column = "image"  # the image's path
    options.label_column = "label"  # its class; an empty cell is a missing label, not a class
    options.group_column = ""  # the patient; without it images of one patient may be in training and in test
    options.split_column = ""  # train, val or test, where somebody has decided
    options.keep_columns = ()  # further columns for the prediction tables: ("sex", "scanner"); nothing that names
    options.root = ""  # the folder the paths start from, below that of the file
    for name in ("positive_class", "ordered", "ids", "intensity", "window", "frame"):
        options[name] = own[name]  # as in my_images.py
    return config
