"""Valid files that the fuzzer begins from, and words of their formats."""

import gzip
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from medjax.evaluation.predictions import Predictions, write_csv
from medjax.models import safetensors
from medjax.pipeline import decode
from medjax.pipeline.table import ImageTable, content_hash
from tests.datasets.dicom_writing import dicom

JSON = (b"null", b"[]", b"{}", b"-1", b"1e999", b"NaN", b'""', b"9" * 30, b"true", b"[" * 20_000, b'"\\ud800"')
TEXT = (b"\n", b"\r", b'"', b",", b";", b"\t", b"\0", b"=1+1", b"'", b"\xff", b"nan", b"1e400", b"../", b"x" * 140_000)
PICKLE = (*(bytes([code]) for code in b"()t]}aesuRbQ.2"), b"h\0", b"q\0", b"\x85", b"\x85" * 300)
GREY = np.arange(64, dtype=np.uint8).reshape(8, 8)


def dicom_files() -> list[bytes]:
    """Every encoding and most elements that are read."""
    deep = GREY.astype(np.uint16)
    shown = {"RescaleSlope": 2, "RescaleIntercept": -1, "WindowCenter": 9, "WindowWidth": 4, "PixelPaddingValue": 3}
    lut = [{"LUTDescriptor": [4, 0, 8], "LUTData": ("US", [0, 1, 2, 3])}]
    group = [{"PixelMeasuresSequence": [{"PixelSpacing": [1, 2]}], "FrameVOILUTSequence": [{"WindowCenter": 5}]}]
    found = [dicom(deep, dtype=np.uint16, syntax=syntax, **shown) for syntax in ("explicit", "implicit", "big")]
    found += [
        dicom(deep, dtype=np.uint16, ModalityLUTSequence=lut, ImagePositionPatient=[1, 2, 3], ImageType=["A", "B"]),
        dicom(np.zeros((8, 8, 3)), dtype=np.uint8),
        dicom(deep, dtype=np.uint16, NumberOfFrames=1, PerFrameFunctionalGroupsSequence=group),
        dicom(GREY, dtype=np.uint8, NumberOfFrames=2, Rows=4),
    ]
    return found + [_encoded(np.zeros((64, 64)), syntax) for syntax in _COMPRESSED]


_COMPRESSED = (RLELossless, JPEG2000Lossless, JPEGLSLossless, DeflatedExplicitVRLittleEndian)


def _encoded(pixels: np.ndarray, syntax: pydicom.uid.UID) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(dicom(pixels, dtype=np.uint16)))
    if syntax.is_deflated:
        dataset.file_meta.TransferSyntaxUID = syntax
    else:
        dataset.compress(syntax)
    file = io.BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def pictures() -> list[bytes]:
    """Every format and mode that is read, and our own arrays."""
    found = [decode.to_npy(GREY), decode.to_npy(np.zeros((2, 3, 1), np.uint16))]
    grey, deep = Image.fromarray(GREY), Image.fromarray(GREY.astype(np.uint16))
    kinds = [(grey, "PNG"), (grey.convert("P"), "PNG"), (grey.convert("LA"), "PNG"), (deep, "PNG"), (deep, "TIFF")]
    kinds += [(grey.convert("RGB"), kind) for kind in ("JPEG", "BMP", "TIFF")]
    return found + [_saved(image, kind) for image, kind in kinds]


def codestreams() -> list[bytes]:
    """JPEG and JPEG 2000."""
    return [_saved(Image.fromarray(GREY), kind) for kind in ("JPEG", "JPEG2000")]


def _saved(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def archive(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A .zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return file.getvalue()


def cifar_batch() -> bytes:
    """A batch of one image as NumPy pickled it under Python 2."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85U\x01btR(K\x01K\x01M\0\x0c\x86cnumpy\ndtype\n"
        b"(U\x02u1K\0K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T\0\x0c\0\0" + bytes(3072) + b"tb"
    )
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels]K\x03au."


def idx_files() -> list[bytes]:
    """Labels of MNIST, bare and compressed."""
    bare = bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])
    return [bare, gzip.compress(bare, mtime=0)]


def weights(folder: Path) -> bytes:
    """A .safetensors file."""
    arrays = {"a": np.ones((2, 3), np.float32), "b": np.zeros(0, np.int8)}
    safetensors.write(folder / "w.safetensors", arrays, {"made": "here"})
    return (folder / "w.safetensors").read_bytes()


def predictions(folder: Path) -> bytes:
    """A prediction table with an escaped formula and a kept column."""
    probabilities = np.array([[0.75, 0.25], [0.5, 0.5]])
    made = Predictions(["=a", "b"], ["p", ""], np.array([0, -1]), probabilities, ("cat", "dog"), {"age": ["3", ""]})
    write_csv(folder / "made.csv", made)
    return (folder / "made.csv").read_bytes()


def metrics() -> bytes:
    """A JSON-lines file."""
    return b"".join(json.dumps({"step": s, "epoch": 1, "val_loss": 0.5, "x": None}).encode() + b"\n" for s in (1, 2))


def table() -> ImageTable:
    """Two images, one without a label."""
    images, labels, ids = np.zeros((2, 1, 1, 1), np.uint8), np.array([0, -1], np.int32), np.array(["a", "b"])
    return ImageTable(
        images=images,
        labels=labels,
        image_ids=ids,
        group_ids=np.array(["p", ""]),
        columns={"age": np.array([1.5, 2.0]), "site": np.array(["x", "y"])},
        class_names=("x", "y"),
        fingerprint="f",
        content_hash=content_hash(images, labels, ids),
        name="tiny",
        synthetic=False,
        skipped=(("c.png", "damaged"),),
    )
