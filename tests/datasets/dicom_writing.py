"""DICOM files made in a test: pixels and the elements that matter, as bytes."""

import io
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

SYNTAXES = {"explicit": ExplicitVRLittleEndian, "implicit": ImplicitVRLittleEndian, "big": ExplicitVRBigEndian}
SOP_CLASSES = {"MR": "1.2.840.10008.5.1.4.1.1.4", "CT": "1.2.840.10008.5.1.4.1.1.2", "CR": "1.2.840.10008.5.1.4.1.1.1"}
SECRET = "Doe^Jane"


def dicom(pixels: Any = None, *, syntax: str = "explicit", modality: str = "MR", **elements: Any) -> bytes:
    """Return a file. pixels: integers [H, W], or [H, W, 3]; elements by keyword, a sequence as a list of dicts."""
    dataset = Dataset()
    dataset.PatientName, dataset.PatientID = SECRET, "ID-4711"
    dataset.Modality = modality
    dataset.SOPClassUID = SOP_CLASSES.get(modality, "1.2.840.10008.5.1.4.1.1.7")
    dataset.SOPInstanceUID = "1.2.3.4"
    order = ">" if syntax == "big" else "<"
    if pixels is not None:
        pixels = np.asarray(pixels, elements.pop("dtype", np.int16))
        bits = 8 * pixels.itemsize
        dataset.Rows, dataset.Columns = pixels.shape[:2]
        dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
        dataset.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
        if pixels.ndim == 3:
            dataset.PlanarConfiguration = 0
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
        dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
        data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        dataset.PixelData = data + b"\0" * (len(data) % 2)
        dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
    for keyword, value in elements.items():
        set_element(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "1.2.3")
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def set_element(dataset: Dataset, keyword: str, value: Any) -> None:
    """Set an element; None removes it, a list of dicts becomes a sequence, (VR, value) names the VR."""
    if value is None:
        dataset.pop(keyword, None)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        items = []
        for item in value:
            items.append(Dataset())
            for key, inner in item.items():
                set_element(items[-1], key, inner)
        setattr(dataset, keyword, items)
    elif isinstance(value, tuple):
        dataset.add_new(keyword, *value)
    else:
        setattr(dataset, keyword, value)
