import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from medjax.datasets.description import Dataset, Example, Split
from medjax.datasets.source import FolderSource, Source, open_source
from medjax.errors import UserError
from medjax.pipeline.prepared import prepare_examples

ROWS = {
    "train": [
        Example("ü/1", b"\0any bytes", 1, "p1", columns={"x": 0.1, "level": "L1"}),
        Example("b", b"", -1, read_error="gone", columns={"x": 1 / 3, "level": ""}),
    ],
    "test": [Example("c", b"3", 0, columns={"x": 2.0, "level": "L2"})],
}


def splits(source: Source | None) -> Mapping[str, Split]:
    return {name: Split(len(rows), iter(rows)) for name, rows in ROWS.items()}


DATASET = Dataset("several", "1.0.0", ("a", "b"), "d", "https://example.org", "MIT", "c", splits, synthetic=True)


def test_every_field_comes_back_exactly_and_the_split_becomes_a_column(tmp_path: Path) -> None:
    examples = prepare_examples(DATASET, None, tmp_path / "p", progress=False)
    expected = [row._replace(columns={**row.columns, "official_split": s}) for s, rows in ROWS.items() for row in rows]
    assert sorted(examples, key=lambda e: e.image_id) == sorted(expected, key=lambda e: e.image_id)


def test_one_split_needs_no_column(tmp_path: Path) -> None:
    single = dataclasses.replace(DATASET, splits=lambda source: {"train": Split(1, iter(ROWS["test"]))})
    assert list(prepare_examples(single, None, tmp_path / "p", progress=False)) == ROWS["test"]


def test_what_is_prepared_is_not_drawn_again(tmp_path: Path) -> None:
    first = list(prepare_examples(DATASET, None, tmp_path / "p", progress=False))
    never = dataclasses.replace(DATASET, splits=lambda source: pytest.fail("drawn again"))
    assert list(prepare_examples(never, None, tmp_path / "p", progress=False)) == first


def test_a_preparation_that_was_cut_is_begun_again(tmp_path: Path) -> None:
    def cut(source: Source | None) -> Mapping[str, Split]:
        return {"train": Split(2, (1 / 0 for _ in range(2)))}  # type: ignore[arg-type]

    with pytest.raises(ZeroDivisionError):
        prepare_examples(dataclasses.replace(DATASET, splits=cut), None, tmp_path / "p", progress=False)
    assert len(prepare_examples(DATASET, None, tmp_path / "p", progress=False)) == 3


def test_a_source_that_changes_meanwhile_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    source: FolderSource = open_source(tmp_path / "s")  # type: ignore[assignment]
    (tmp_path / "s" / "new.png").touch()
    with pytest.raises(UserError, match="changed while it was read; run again"):
        prepare_examples(DATASET, source, tmp_path / "p", progress=False)
    assert not (tmp_path / "p").exists()


def test_nothing_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare_examples(DATASET, None, tmp_path / "p", progress=False)
    assert capsys.readouterr() == ("", "")
