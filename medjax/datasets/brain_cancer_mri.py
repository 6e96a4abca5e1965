"""Brain cancer MRI of Bangladesh: single slices in three classes of tumour, without patient ids."""

from medjax.datasets.class_folders import class_folder_dataset

DATASET = class_folder_dataset(
    name="brain_cancer_mri",
    version="1.0.0",
    class_names=("brain_glioma", "brain_menin", "brain_tumor"),
    description=(
        "6,056 brain MRI slices, JPEG of 512×512 pixels, from hospitals in Bangladesh: glioma (2,004), "
        "meningioma (2,004) and other brain tumour (2,048). No patient ids are published, so slices of one patient "
        "may lie on both sides of a split."
    ),
    homepage="https://www.kaggle.com/datasets/orvile/brain-cancer-mri-dataset",
    license="CC BY 4.0",
    citation=(
        "@misc{rahman2024brain, author={Rahman, Md Mizanur}, title={Brain Cancer - MRI dataset}, year={2024}, "
        "publisher={Mendeley Data}, version={1}, doi={10.17632/mk56jw9rns.1}}"
    ),
    stand_in="phantom",
    kaggle="orvile/brain-cancer-mri-dataset",
)
