import subprocess
import sys
from pathlib import Path

from medjax.datasets.pseudonyms import Pseudonyms, load_key


def which(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "medjax.which", *arguments], capture_output=True, text=True)


def test_the_files_of_known_ids_are_printed_and_unknown_ids_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/1.png").touch()
    image_id = Pseudonyms(load_key()).of("image", "cat/1.png")
    found = which(f"--path={tmp_path}", f"--ids={image_id}")
    assert (found.returncode, found.stdout) == (0, f"{image_id}  cat/1.png\n")
    partly = which(f"--path={tmp_path}", f"--ids={image_id},image-00")
    assert (partly.returncode, partly.stdout) == (2, f"{image_id}  cat/1.png\n")
    assert "has the id image-00; the images were read from elsewhere" in partly.stderr


def test_path_and_ids_are_needed() -> None:
    asked = which()
    assert asked.returncode == 2
    assert asked.stderr == "medjax: give --path=FOLDER_OR_ZIP and --ids=ID,ID,…\n"
