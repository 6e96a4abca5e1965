"""Medical MNIST (MedNIST): six kinds of examination, told apart at 64×64 pixels. Easy; no diagnosis is asked."""

from medjax.datasets.class_folders import class_folder_dataset

DATASET = class_folder_dataset(
    name="medical_mnist",
    version="1.0.0",
    class_names=("AbdomenCT", "BreastMRI", "CXR", "ChestCT", "Hand", "HeadCT"),
    description=(
        "58,954 grey JPEG of 64×64 pixels, 10,000 of each kind of examination and 8,954 of BreastMRI, gathered from "
        "TCIA, the RSNA bone age challenge and the NIH chest X-ray set by B. J. Erickson, Mayo Clinic. No patient ids "
        "are published; neighbouring slices of one volume are among them."
    ),
    homepage="https://www.kaggle.com/datasets/andrewmvd/medical-mnist",
    license="CC BY-SA 4.0",
    citation=(
        "@misc{erickson_mednist, author={Erickson, Bradley J.}, title={MedNIST}, "
        "howpublished={Department of Radiology, Mayo Clinic}, note={CC BY-SA 4.0}}"
    ),
    kaggle="andrewmvd/medical-mnist",
)
