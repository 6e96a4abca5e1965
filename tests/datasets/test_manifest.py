import io
import zipfile
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from medjax.datasets import manifest
from medjax.datasets.manifest import find_manifest, read_columns
from medjax.datasets.source import open_source
from medjax.errors import UserError


def read(folder: Path, data: bytes | str, columns: list[str], name: str = "m.csv") -> dict[str, list[str]]:
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_columns(open_source(folder / name), name, columns)


def parquet_bytes(**columns: list) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_usual_csv_is_read(tmp_path: Path, sign: str, encoding: str, end: str) -> None:
    rows = [["path", "größe", "label"], ["a,;b.png", "1", " cat "], ["b.png", "", "dög"]]
    text = end.join(sign.join(f'"{cell}"' if sign in cell else cell for cell in row) for row in rows) + end
    assert read(tmp_path, text.encode(encoding), ["path", "label"]) == {
        "path": ["a,;b.png", "b.png"],
        "label": ["cat", "dög"],
    }


def test_only_the_named_columns_are_kept(tmp_path: Path) -> None:
    assert read(tmp_path, "name,path\nJane Doe,1.png\n", ["path"]) == {"path": ["1.png"]}
    data = parquet_bytes(name=["Jane Doe"], path=["1.png"])
    assert read(tmp_path, data, ["path"], "m.parquet") == {"path": ["1.png"]}


def test_quoted_cells_may_hold_lines_and_blank_rows_do_not_count(tmp_path: Path) -> None:
    assert read(tmp_path, 'path,note\n1.png,"two\nlines"\n\n , \n2.png,x\n', ["path"]) == {"path": ["1.png", "2.png"]}


def test_parquet_becomes_text(tmp_path: Path) -> None:
    data = parquet_bytes(i=[1, 2], t=["a ", None], f=[0.5, float("nan")], b=[True, False])
    assert read(tmp_path, data, ["i", "t", "f", "b"], "m.parquet") == {
        "i": ["1", "2"],
        "t": ["a", ""],
        "f": ["0.5", ""],
        "b": ["True", "False"],
    }


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("m.csv", "path,label\n", "has no rows"),
        ("m.csv", "", "has no column 'path'; one is needed; its columns are "),
        ("m.csv", "file,label\n1,2\n", "has no column 'path'; one is needed; its columns are 'file', 'label'"),
        ("m.csv", "path,label,path\n1,2,3\n", "has 2 columns 'path'"),
        ("m.csv", "path,label\n1,2\n1\n", "has 1 cells in line 3 and 2 columns"),
        ("m.csv", "path,label\n1,2,3\n", "has 3 cells in line 2 and 2 columns"),
        ("m.csv", "path,label\n" + "x" * 200_000 + ",1\n", "is no CSV in line 2: field larger"),
        ("m.csv", "path,label\nä,1\n".encode("latin-1"), "is not UTF-8"),
        ("m.csv", "path,label\n1,2\n".encode("utf-16"), "is not UTF-8"),
        ("m.parquet", b"PAR1 not", "is no Parquet"),
        ("m.parquet", parquet_bytes(path=["1"], label=[["a", "b"]]), "holds lists in the column 'label'"),
        ("m.parquet", parquet_bytes(path=["1"], other=["a"]), "has no column 'label'"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, name: str, data: bytes | str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path, data, ["path", "label"], name)
    assert "\n" not in str(caught.value)


def test_the_one_manifest_of_a_folder_or_zip_is_found(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "m.csv").write_text("x")
    (tmp_path / "deep/other.csv").write_text("x")
    assert find_manifest(open_source(tmp_path)) == "m.csv"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("set/m.PARQUET", b"x")
    with open_source(tmp_path / "a.zip") as source:
        assert find_manifest(source) == "set/m.PARQUET"


def test_the_manifest_that_was_given_is_taken_among_others(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x")
    assert find_manifest(open_source(tmp_path / "b.csv")) == "b.csv"
    with pytest.raises(UserError, match=r"several manifests, 'a\.csv', 'b\.csv'; give the path of the one"):
        find_manifest(open_source(tmp_path))


def test_a_folder_without_a_manifest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no manifest \(\.csv, \.tsv, \.parquet\)"):
        find_manifest(open_source(tmp_path))


def test_a_parquet_that_stands_for_too_many_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = parquet_bytes(path=["1"] * 5)
    monkeypatch.setattr(manifest, "_MAX_ROWS", 4)
    with pytest.raises(UserError, match="has 5 rows; at most 4 are read"):
        read(tmp_path, data, ["path"], "m.parquet")
