"""Brain tumour MRI in four classes, collected from three public sets: single slices, without patient ids."""

from medjax.datasets.class_folders import class_folder_dataset

DATASET = class_folder_dataset(
    name="brain_tumor_mri",
    version="1.0.0",
    class_names=("glioma", "meningioma", "notumor", "pituitary"),
    split_folders={"train": "Training", "test": "Testing"},
    description=(
        "7,023 brain MRI slices, JPEG, in the publisher's Training (5,712) and Testing (1,311) folders: glioma, "
        "meningioma, pituitary tumour and no tumour. Collected from the figshare, SARTAJ and Br35H sets; no patient "
        "ids are published, and images of Testing are copies of images of Training."
    ),
    homepage="https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset",
    license="CC0 1.0 as stated on Kaggle; the sets it was collected from have terms of their own",
    citation=(
        "@misc{nickparvar2021brain, author={Nickparvar, Masoud}, title={Brain Tumor MRI Dataset}, year={2021}, "
        "publisher={Kaggle}, doi={10.34740/kaggle/dsv/2645886}}"
    ),
    stand_in="phantom",
    kaggle="masoudnickparvar/brain-tumor-mri-dataset",
)
