"""The parsers that the project wrote, with the errors that each documents."""

import contextlib
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from medjax.datasets import cifar10, codestream, dicom, dicom_header, image_folder, image_table, inert_pickle, mnist
from medjax.datasets.description import Dataset
from medjax.datasets.png import to_png
from medjax.datasets.rsna_tables import find_root, read_targets
from medjax.datasets.source import ReadError, Source, open_source
from medjax.errors import UserError
from medjax.evaluation.predictions import read_csv
from medjax.json_file import read_json
from medjax.jsonl import read_rows
from medjax.models import pth, safetensors
from medjax.models.unpickle import Unpickler
from medjax.pipeline import decode, duplicate_file, split_file
from medjax.pipeline.duplicates import find_duplicates
from medjax.pipeline.table import IMAGES_FILE, META_FILE, read_table, write_meta
from tests.datasets import test_rsna_tables
from tests.fuzz import seeds
from tests.fuzz.mutation import Target
from tests.models import test_pth

Make = Callable[[Path], Target]


def _dicom_header(_: Path) -> Target:
    def parse(data: bytes) -> None:
        dicom_header.is_dicom(data)
        dataset, _ = dicom_header.parse(data, pixels=False)
        dicom_header.read_header(dataset, 2)

    return Target(parse, seeds.dicom_files(), (ReadError,))


def _dicom_pixels(_: Path) -> Target:
    def parse(data: bytes) -> None:
        for picture in dicom.read_frames(data):
            assert picture.stored.size

    return Target(parse, seeds.dicom_files(), (ReadError,))


def _codestream(_: Path) -> Target:
    return Target(codestream.coded_size, seeds.codestreams(), (), examples=20_000)


def _picture(_: Path) -> Target:
    def parse(data: bytes) -> None:
        decode.facts(data)
        decode.bit_depth(data)
        decode.decode(data, size=4, channels=1, fit="squash")

    return Target(parse, seeds.pictures(), (decode.BadImageError,))


def _pth(_: Path) -> Target:
    content = [test_pth.mapping(w=test_pth.tensor(legacy=legacy)) for legacy in (False, True)]
    files = [test_pth.zip_file(content[0]), test_pth.legacy_file(content[1])]
    return Target(pth.read, files, (UserError,), seeds.PICKLE)


def _unpickler(_: Path) -> Target:
    plain = {"a": [1, 300, 70000, -5, 2**40, 1.5, None, True], "b": ("é", b"x")}
    made = [pickle.dumps(plain, protocol) for protocol in (3, 5)]
    made.append(b"\x80\x02" + test_pth.mapping(w=test_pth.tensor()) + b".")
    return Target(lambda data: Unpickler(data).load(), made, (pickle.UnpicklingError,), seeds.PICKLE)


def _safetensors(folder: Path) -> Target:
    return Target(safetensors.read, [seeds.weights(folder)], (UserError,), seeds.JSON, examples=8000)


def _inert_pickle(_: Path) -> Target:
    made = [pickle.dumps({"a": [1, 300, 2**40], "b": ("x", (1.5, None, True))}, 2), b"\x80\x02cm\nf\n)RK\x07b."]
    return Target(inert_pickle.read_pickle, made, (ValueError,), seeds.PICKLE)


def _cifar10(_: Path) -> Target:
    def parse(data: bytes) -> None:
        with contextlib.suppress(ValueError):
            cifar10.parse_binary(data)
        cifar10.parse_python(data)

    return Target(parse, [seeds.cifar_batch()], (ValueError,), seeds.PICKLE, examples=2500)


def _idx(folder: Path) -> Target:
    def parse(path: Path) -> None:
        with open_source(path.parent) as source:
            mnist._read(source, path.name, 1)

    return Target(_from_file(folder / "labels", parse), seeds.idx_files(), (UserError,))


def _archive(folder: Path) -> Target:
    def parse(path: Path) -> None:
        with open_source(path) as source:
            for name in source.files:
                with contextlib.suppress(ReadError):
                    source.read(name)
            _read_examples(image_folder.configure(source), source)

    files = {"set/a/1.png": to_png(seeds.GREY), "set/b/2.png": b"no picture", "set/b/.hidden": b""}
    return Target(_from_file(folder / "set.zip", parse), [seeds.archive(files)], (UserError,), examples=600)


def _file_names(folder: Path) -> Target:
    """The layout of a folder: an archive of files that are named by the lines of the input."""
    read = _archive(folder).parse

    def parse(data: bytes) -> None:
        names = dict.fromkeys(data.decode("utf-8", "replace").replace("\0", "").split("\n"))
        read(seeds.archive({name[:200]: b"x" for name in names if name}, zipfile.ZIP_STORED))

    lines = [b"a/1.png\nb/2.png", b"set/train/a/1.png\nset/train/b/2.png\nset/Test/a/3.tif"]
    return Target(
        parse, lines, (UserError,), (b"/", b"..", b"\n", b"val", b"training", b"\\", b".", b"\xc3\xa9", b"C:")
    )


def _manifest(folder: Path) -> Target:
    def parse(path: Path) -> None:
        with open_source(path) as source:
            _read_examples(image_table.configure(source, group_column="who", keep_columns=("site",)), source)

    (folder / "1.png").write_bytes(to_png(seeds.GREY))
    made = [b'image,label,who,site\n1.png,cat,p,"a, b"\n2.png,dog,,\n']
    made.append(b"site;who;label;image\r\nx;p;cat;1.png\r\ny;q;dog;2.png\r\n")
    return Target(_from_file(folder / "manifest.csv", parse), made, (UserError,), seeds.TEXT)


def _challenge_tables(folder: Path) -> Target:
    labels = test_rsna_tables.table([test_rsna_tables.labels(), test_rsna_tables.labels("9")])
    (folder / test_rsna_tables.LABELS_FILE).write_text(labels)

    def parse(path: Path) -> None:
        with open_source(folder) as source:
            read_targets(source, find_root(source))

    made = [test_rsna_tables.table([test_rsna_tables.COORDINATE]).encode()]
    return Target(_from_file(folder / test_rsna_tables.COORDINATES_FILE, parse), made, (UserError,), seeds.TEXT)


def _predictions(folder: Path) -> Target:
    return Target(_from_file(folder / "p.csv", read_csv), [seeds.predictions(folder)], (UserError,), seeds.TEXT)


def _splits(folder: Path) -> Target:
    table, file = seeds.table(), folder / "splits.json"
    split_file.write_splits(file, {"train": np.array([0]), "test": np.array([1])}, table, how={"kind": "clean"})
    parse = _from_file(file, lambda path: split_file.read_splits(path, table))
    return Target(parse, [file.read_bytes()], (UserError,), seeds.JSON)


def _metrics(folder: Path) -> Target:
    return Target(_from_file(folder / "metrics.jsonl", read_rows), [seeds.metrics()], (UserError,), seeds.JSON)


def _run_json(folder: Path) -> Target:
    return Target(_from_file(folder / "config.json", read_json), [b'{"a": [1, "x", null]}'], (UserError,), seeds.JSON)


def _image_table(folder: Path) -> Target:
    table = seeds.table()
    np.save(folder / IMAGES_FILE, table.images)
    write_meta(folder, table)
    parse = _from_file(folder / META_FILE, lambda path: read_table(path.parent))
    return Target(parse, [(folder / META_FILE).read_bytes()], (ValueError, OSError), seeds.JSON)


def _duplicates(folder: Path) -> Target:
    table = seeds.table()
    made = duplicate_file._as_bytes(find_duplicates(table.images), table)
    parse = _from_file(folder / "duplicates.npz", lambda path: duplicate_file._read(path, table))
    return Target(parse, [made], ())


def _read_examples(dataset: Dataset, source: Source) -> None:
    for split in dataset.splits(source).values():
        for example in split.examples:
            assert example.image or example.read_error or example.left_out


def _from_file(file: Path, read: Callable[[Path], Any]) -> Callable[[bytes], Any]:
    def parse(data: bytes) -> Any:
        file.write_bytes(data)
        return read(file)

    return parse


PARSERS: dict[str, Make] = {
    name[1:]: make
    for name, make in list(globals().items())
    if name.startswith("_") and getattr(make, "__annotations__", {}).get("return") is Target
}
