"""Nothing in medjax can run what a file holds: no pickle is loaded, no text is executed, no program is made of one."""

import ast
from pathlib import Path

import numpy as np
import pytest

import medjax
from medjax.pipeline import duplicate_file
from medjax.pipeline.table import read_table, write_meta
from tests.fuzz import seeds

FILES = sorted(Path(medjax.__file__).parent.rglob("*.py"))


def dangerous(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("pickle", "dill", "cloudpickle", "joblib", "shelve"):
            found += [name.name for name in node.names if not name.name.endswith("Error")]
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in ("eval", "exec") or name.startswith(("pickle.load", "pickle.Unpickler", "marshal.", "shelve.")):
            found.append(name)
        if name == "np.load" and "allow_pickle=False" not in ast.unparse(node):
            found.append(name)
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_module_can_run_what_a_file_holds(file: Path) -> None:
    assert dangerous(ast.parse(file.read_text())) == []


@pytest.mark.parametrize(
    "code",
    ["pickle.load(file)", "pickle.loads(b'')", "np.load(file)", "eval(text)", "from pickle import loads"],
)
def test_what_could_is_noticed(code: str) -> None:
    assert dangerous(ast.parse(code))


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_a_cache_with_a_pickle_in_it_is_damaged_and_is_not_run(tmp_path: Path) -> None:
    marker, table = tmp_path / "ran", seeds.table()
    objects = np.array([Touch(marker)] * 2, dtype=object)
    write_meta(tmp_path, table)
    np.save(tmp_path / "images.npy", objects, allow_pickle=True)
    with pytest.raises(ValueError, match=r"allow_pickle|Python objects"):
        read_table(tmp_path)
    content = {"version": duplicate_file.VERSION, "content_hash": table.content_hash, "groups": objects}
    np.savez(tmp_path / "duplicates.npz", **content)
    assert duplicate_file._read(tmp_path / "duplicates.npz", table) is None
    assert not marker.exists()
    np.load(tmp_path / "images.npy", allow_pickle=True)
    assert marker.exists()  # it would have been
