import sys
import types
import zipfile
from pathlib import Path

import pytest

from medjax.datasets import DATASETS, find_dataset, find_source, how_to_get
from medjax.errors import UserError

NAME = "brain_cancer_mri"


def make_zip(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")
    return path


@pytest.mark.parametrize("file", [f"{NAME}.zip", "brain-cancer-mri-dataset.zip"])
def test_an_archive_in_the_data_folder_is_found(tmp_path: Path, file: str) -> None:
    archive = make_zip(tmp_path / file)
    assert find_source(NAME, data_dir=tmp_path) == archive


def test_a_folder_in_the_data_folder_is_found_unless_empty(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    assert find_source(NAME, data_dir=tmp_path) is None
    (tmp_path / NAME / "x").touch()
    assert find_source(NAME, data_dir=tmp_path) == tmp_path / NAME


def test_the_users_path_goes_first(tmp_path: Path) -> None:
    make_zip(tmp_path / f"{NAME}.zip")
    mine = make_zip(tmp_path / "mine.zip")
    assert find_source(NAME, path=str(mine), data_dir=tmp_path) == mine


def test_a_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file or folder: .*none; give the folder or the \.zip of https"):
        find_source(NAME, path=str(tmp_path / "none"), data_dir=tmp_path)


def test_a_file_that_is_no_zip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.rar").write_text("Rar!")
    with pytest.raises(UserError, match=r"is a file but not a complete \.zip"):
        find_source(NAME, path=str(tmp_path / "x.rar"), data_dir=tmp_path)


def test_synthetic_data_needs_and_takes_no_files(tmp_path: Path) -> None:
    assert find_source("phantom", data_dir=tmp_path) is None
    with pytest.raises(UserError, match="drop the path"):
        find_source("phantom", path=str(tmp_path))


def test_download_without_kagglehub_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(UserError, match="run `pip install kagglehub`"):
        find_source(NAME, data_dir=tmp_path, download=True)


def fake_kagglehub(monkeypatch: pytest.MonkeyPatch, download: object) -> None:
    module = types.ModuleType("kagglehub")
    module.dataset_download = download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", module)


def test_download_asks_kagglehub_for_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_kagglehub(monkeypatch, lambda handle: f"/somewhere/{handle}")
    found = find_source(NAME, data_dir=tmp_path, download=True)
    assert found == Path("/somewhere/orvile/brain-cancer-mri-dataset")


def test_what_is_on_disk_is_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_kagglehub(monkeypatch, None)
    archive = make_zip(tmp_path / f"{NAME}.zip")
    assert find_source(NAME, data_dir=tmp_path, download=True) == archive


def test_a_download_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: str) -> str:
        raise ConnectionError("no\nnetwork")

    fake_kagglehub(monkeypatch, fail)
    with pytest.raises(UserError, match=r"\(no network\); check the network") as caught:
        find_source(NAME, data_dir=tmp_path, download=True)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_suggests_the_near_one() -> None:
    with pytest.raises(UserError, match="did you mean 'brain_cancer_mri'"):
        find_dataset("brain_cancer")


def test_each_dataset_has_its_facts() -> None:
    for name, dataset in DATASETS.items():
        assert dataset.name == name
        assert dataset.license
        assert dataset.own or (dataset.homepage.startswith("https://") and len(dataset.class_names) > 1)
        assert len(set(dataset.class_names)) == len(dataset.class_names)


def test_the_labels_of_brain_cancer_mri_are_in_the_published_order() -> None:
    assert DATASETS[NAME].class_names == ("brain_glioma", "brain_menin", "brain_tumor")


@pytest.mark.parametrize("name", ["m.csv", "m.TSV", "m.parquet"])
def test_a_manifest_may_be_given_where_the_dataset_has_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert find_source("image_table", path=str(tmp_path / name)) == tmp_path / name
    with pytest.raises(UserError, match=r"is a file but not a complete \.zip; give the folder or the \.zip of your"):
        find_source("image_folder", path=str(tmp_path / name))


def test_a_tar_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").touch()
    with pytest.raises(UserError, match="unpack it first, or give the folder"):
        find_source("cifar10", path=str(tmp_path / "cifar-10-binary.tar.gz"))


def test_nobodys_own_images_are_searched_for_or_downloaded(tmp_path: Path) -> None:
    make_zip(tmp_path / "image_folder.zip")
    assert find_source("image_folder", data_dir=tmp_path, download=True) is None


def test_how_to_get_the_files_is_one_line() -> None:
    own = how_to_get(DATASETS["image_table"])
    assert own == (
        "image_table reads your own images: give the folder or .zip, .csv, .tsv, .parquet with --config.data.path=PATH"
    )
    assert "get it from https://yann.lecun.com/exdb/mnist/ (see data/README.md)" in how_to_get(DATASETS["mnist"])


def test_only_sets_of_brain_images_have_a_stand_in() -> None:
    assert {name for name, dataset in DATASETS.items() if dataset.stand_in} == {"brain_cancer_mri", "brain_tumor_mri"}
