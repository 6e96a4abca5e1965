import concurrent.futures
import io
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medjax import datasets
from medjax.datasets.class_folders import class_folder_dataset
from medjax.datasets.source import FolderSource
from medjax.errors import UserError
from medjax.pipeline import cache, partial, table_making
from medjax.pipeline.storage import locked
from medjax.pipeline.table import ImageTable

CLASSES = ("ant", "bee")


@pytest.fixture(autouse=True)
def tiny_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"version": "1.0.0", "description": "", "homepage": "https://example.org", "license": "", "citation": ""}
    dataset = class_folder_dataset(name="tiny", class_names=CLASSES, **facts)
    monkeypatch.setitem(datasets.DATASETS, "tiny", dataset)


def png(value: int, mode: str = "L", size: tuple[int, int] = (4, 4)) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, value).save(file, "PNG")
    return file.getvalue()


def make_source(root: Path, files: dict[str, bytes] | None = None) -> Path:
    """Two ants (10, 20) and a bee (30), and `files` beside them."""
    standard = {"ant/1.png": png(10), "ant/2.png": png(20), "bee/1.png": png(30)}
    for name, data in (standard | (files or {})).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def load(source: Path | None, cache_dir: Path, **options: object) -> ImageTable:
    defaults = {"image_size": 2, "channels": 1, "fit": "squash", "on_bad_image": "stop", "progress": False}
    return cache.load_table("tiny", source=source, cache_dir=cache_dir, **(defaults | options))  # type: ignore[arg-type]


def values(table: ImageTable) -> list[int]:
    return table.images[:, 0, 0, 0].tolist()


def test_a_table_holds_every_image_in_the_order_of_the_classes(tmp_path: Path) -> None:
    table = load(make_source(tmp_path / "s"), tmp_path / "c")
    assert table.images.shape == (3, 2, 2, 1)
    assert table.images.dtype == np.uint8
    assert values(table) == [10, 20, 30]
    assert table.labels.tolist() == [0, 0, 1]
    assert table.image_ids.tolist() == ["ant/1.png", "ant/2.png", "bee/1.png"]
    assert table.group_ids.tolist() == ["", "", ""]
    assert table.class_names == CLASSES
    assert (table.name, table.synthetic, table.skipped) == ("tiny", False, ())
    assert {name: values.tolist() for name, values in table.columns.items()} == {
        "source_height": [4, 4, 4],
        "source_width": [4, 4, 4],
        "source_mode": ["L", "L", "L"],
    }


def test_a_zip_gives_the_same_content_as_the_folder(tmp_path: Path) -> None:
    folder = make_source(tmp_path / "s")
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, Path("deep/er") / file.relative_to(folder))
    zipped, plain = load(tmp_path / "s.zip", tmp_path / "c"), load(folder, tmp_path / "c")
    assert zipped.content_hash == plain.content_hash


def test_a_finished_table_is_opened_without_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_source(tmp_path / "s")
    first = load(source, tmp_path / "c")
    monkeypatch.setattr(cache, "make_table", None)
    assert load(source, tmp_path / "c").content_hash == first.content_hash


def test_opening_a_finished_table_imports_no_tfds(tmp_path: Path) -> None:
    source = make_source(tmp_path / "s", {f"brain_{name}/1.png": png(1) for name in ("glioma", "menin", "tumor")})
    options = "image_size=8, channels=1, fit='squash', on_bad_image='stop', progress=False"
    paths = f"source=Path({str(source)!r}), cache_dir=Path({str(tmp_path / 'c')!r})"
    call = f"load_table('brain_cancer_mri', {paths}, {options})"
    code = f"import sys; from pathlib import Path; from medjax.pipeline.cache import load_table; {call}; "
    code += "print('tensorflow_datasets' in sys.modules)"
    run = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert [result.stdout.strip() for result in run] == ["True", "False"]


@pytest.mark.parametrize("change", [{"image_size": 3}, {"channels": 3}, {"fit": "pad"}])
def test_another_option_makes_another_table(tmp_path: Path, change: dict[str, object]) -> None:
    source = make_source(tmp_path / "s")
    first, other = load(source, tmp_path / "c"), load(source, tmp_path / "c", **change)
    assert first.fingerprint != other.fingerprint
    assert load(source, tmp_path / "c").fingerprint == first.fingerprint


def test_a_changed_source_makes_a_new_table(tmp_path: Path) -> None:
    source = make_source(tmp_path / "s")
    load(source, tmp_path / "c")
    make_source(source, {"bee/1.png": png(99)})
    assert values(load(source, tmp_path / "c")) == [10, 20, 99]


def test_all_16_bit_images_make_a_16_bit_table(tmp_path: Path) -> None:
    deep = {f"{name}.png": png(257 * 9, "I;16") for name in ("ant/1", "ant/2", "bee/1")}
    table = load(make_source(tmp_path / "s", deep), tmp_path / "c")
    assert table.images.dtype == np.uint16
    assert values(table) == [2313, 2313, 2313]


def test_one_8_bit_image_makes_an_8_bit_table(tmp_path: Path) -> None:
    deep = {f"{name}.png": png(257 * 9, "I;16") for name in ("ant/1", "ant/2")}
    assert values(load(make_source(tmp_path / "s", deep), tmp_path / "c")) == [9, 9, 30]


BAD = {"ant/0.png": b"", "bee/2.png": png(1)[:40], "bee/3.png": b"no picture"}


def test_bad_images_stop_by_default_and_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(make_source(tmp_path / "s", BAD), tmp_path / "c")
    message = str(caught.value)
    assert message.startswith("3 of 6 images of tiny cannot be decoded: ant/0.png (empty file (0 bytes)), bee/2.png (")
    assert "bee/3.png (not an image in a known format)" in message
    assert "--config.data.on_bad_image=skip" in message
    assert "\n" not in message


def test_bad_images_can_be_skipped_and_are_recorded(tmp_path: Path) -> None:
    source = make_source(tmp_path / "s", BAD)
    table = load(source, tmp_path / "c", on_bad_image="skip")
    assert values(table) == [10, 20, 30]
    assert [name for name, _ in table.skipped] == list(BAD)
    assert load(source, tmp_path / "c", on_bad_image="skip").skipped == table.skipped


def test_a_table_with_skipped_images_still_stops_a_later_run(tmp_path: Path) -> None:
    source = make_source(tmp_path / "s", BAD)
    load(source, tmp_path / "c", on_bad_image="skip")
    with pytest.raises(UserError, match="3 of 6"):
        load(source, tmp_path / "c")


def test_more_than_ten_bad_images_are_counted(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"12 of 15 .*bad09.png \(.*\) and 2 more; repair"):
        load(make_source(tmp_path / "s", {f"ant/bad{i:02}.png": b"" for i in range(12)}), tmp_path / "c")


def test_no_readable_image_at_all_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    none = {"ant/1.png": b"", "ant/2.png": b"", "bee/1.png": b""}
    with pytest.raises(UserError, match="none of the 3 images of tiny can be used"):
        load(make_source(tmp_path / "s", none), tmp_path / "c", on_bad_image="skip")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fit": "stretch"}, "fit is 'stretch'; choose one of squash, crop, pad"),
        ({"on_bad_image": "ignore"}, "on_bad_image is 'ignore'; choose one of stop, skip"),
        ({"channels": 0}, "channels is 0; choose 1"),
        ({"image_size": 0}, "image_size is 0 pixels; choose 1 to 8192"),
    ],
)
def test_impossible_options_are_named(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        load(make_source(tmp_path / "s"), tmp_path / "c", **options)
    assert message in str(caught.value)


def test_a_missing_source_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tiny is not on disk: get it from https"):
        load(None, tmp_path / "c")


def test_a_wrong_source_leaves_nothing_to_trust(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    with pytest.raises(UserError, match="class folders ant, bee"):
        load(tmp_path / "s", tmp_path / "c")
    assert values(load(make_source(tmp_path / "s"), tmp_path / "c")) == [10, 20, 30]


class StopError(Exception):
    pass


def stop_after(chunks: int, append: Callable[..., None]) -> Callable[..., None]:
    done = []

    def replacement(*args: object) -> None:
        if len(done) == chunks:
            raise StopError
        done.append(None)
        append(*args)

    return replacement


def test_an_interrupted_preparation_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_source(tmp_path / "s", {"bee/0.png": b""})
    whole = load(source, tmp_path / "whole", on_bad_image="skip")
    monkeypatch.setattr(table_making, "_CHUNK_IMAGES", 1)
    with monkeypatch.context() as patch:
        patch.setattr(partial.PartialTable, "append", stop_after(3, partial.PartialTable.append))
        with pytest.raises(StopError):
            load(source, tmp_path / "c", on_bad_image="skip")
    decoded = []
    decode_row = table_making._decode_row
    monkeypatch.setattr(table_making, "_decode_row", lambda e, m, i: decoded.append(i) or decode_row(e, m, i))
    table = load(source, tmp_path / "c", on_bad_image="skip")
    assert decoded == [3]
    assert (table.content_hash, table.skipped) == (whole.content_hash, whole.skipped)


def test_a_damaged_table_is_made_anew(tmp_path: Path) -> None:
    source = make_source(tmp_path / "s")
    load(source, tmp_path / "c")
    (images,) = (tmp_path / "c").glob("*/images.npy")
    images.write_bytes(images.read_bytes()[:-2])
    assert values(load(source, tmp_path / "c")) == [10, 20, 30]


def test_the_source_is_read_once_for_tables_of_several_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_source(tmp_path / "s")
    load(source, tmp_path / "c")
    monkeypatch.setattr(FolderSource, "read", None)
    assert load(source, tmp_path / "c", image_size=3).images.shape == (3, 3, 3, 1)


def test_a_damaged_tfds_folder_is_made_anew(tmp_path: Path) -> None:
    source = make_source(tmp_path / "s")
    load(source, tmp_path / "c")
    (records,) = (tmp_path / "c").glob("tfds/*/tiny/1.0.0/*array_record*")
    records.unlink()
    assert load(source, tmp_path / "c", image_size=3).images.shape == (3, 3, 3, 1)


def test_an_unwritable_place_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*file/c: .*; choose a folder that can be written"):
        load(make_source(tmp_path / "s"), tmp_path / "file" / "c")


def noise(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (64, 64), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def _load_with_file_limit(source: Path, cache_dir: Path, limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    load(source, cache_dir, image_size=128)


@pytest.mark.parametrize("limit", [65536, 200_000], ids=["while tfds writes", "while the table is written"])
def test_a_full_disk_is_one_clear_error_and_leaves_no_table(tmp_path: Path, limit: int) -> None:
    source = make_source(tmp_path / "s", {f"ant/n{i}.png": noise(i) for i in range(30)})
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); import test_cache as t; from medjax import datasets\n"
        "datasets.DATASETS['tiny'] = t.class_folder_dataset(name='tiny', class_names=t.CLASSES, version='1.0.0', "
        "description='', homepage='', license='', citation='')\n"
        "try: t._load_with_file_limit(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), int(sys.argv[4]))\n"
        "except t.UserError as error: print(error)"
    )
    arguments = [str(Path(__file__).parent), str(source), str(tmp_path / "c"), str(limit)]
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert result.stdout.startswith("cannot write "), result.stderr
    assert "free some space or choose another folder" in result.stdout
    assert not list((tmp_path / "c").glob("*/table.json"))
    assert load(source, tmp_path / "c", image_size=128).images.shape == (33, 128, 128, 1)


def _load_in_process(source: Path, cache_dir: Path, queue: "multiprocessing.Queue[str]") -> None:
    facts = {"version": "1.0.0", "description": "", "homepage": "", "license": "", "citation": ""}
    datasets.DATASETS["tiny"] = class_folder_dataset(name="tiny", class_names=CLASSES, **facts)
    queue.put(load(source, cache_dir, image_size=64).content_hash)


def test_two_processes_prepare_one_table(tmp_path: Path) -> None:
    source = make_source(tmp_path / "s", {f"ant/n{i}.png": noise(i) for i in range(100)})
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=_load_in_process, args=(source, tmp_path / "c", queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    hashes = {queue.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
    assert hashes == {load(source, tmp_path / "other", image_size=64).content_hash}
    assert not list((tmp_path / "c").glob("*.partial"))


def test_a_process_waits_for_the_one_that_prepares(tmp_path: Path) -> None:
    source = make_source(tmp_path / "s")
    folder = tmp_path / "c" / f"tiny-{load(source, tmp_path / 'c').fingerprint[:16]}"
    shutil.rmtree(folder)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with locked(folder.with_name(folder.name + ".lock")):
            waiting = pool.submit(load, source, tmp_path / "c")
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            assert not folder.exists()
        assert values(waiting.result(timeout=60)) == [10, 20, 30]


def test_the_metadata_says_where_the_images_come_from(tmp_path: Path) -> None:
    load(make_source(tmp_path / "s"), tmp_path / "c")
    (meta,) = (tmp_path / "c").glob("*/table.json")
    assert json.loads(meta.read_text())["homepage"] == "https://example.org"


@pytest.mark.real_data
def test_the_brain_cancer_archive_becomes_a_table(tmp_path: Path) -> None:
    source = Path(os.environ["MEDJAX_TEST_DATA"]) / "brain_cancer_mri.zip"
    options = {"image_size": 64, "channels": 3, "fit": "squash", "on_bad_image": "stop", "progress": False}
    table = cache.load_table("brain_cancer_mri", source=source, cache_dir=tmp_path, **options)  # type: ignore[arg-type]
    assert table.images.shape == (900, 64, 64, 3)
    assert np.bincount(table.labels).tolist() == [300, 300, 300]
    assert table.image_ids[300] == "brain_menin/brain_menin_0001.jpg"
    start = time.perf_counter()
    cache.load_table("brain_cancer_mri", source=source, cache_dir=tmp_path, **options)  # type: ignore[arg-type]
    assert time.perf_counter() - start < 1
