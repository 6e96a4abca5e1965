import subprocess
import sys
from pathlib import Path

from medjax.datasets import DATASETS
from medjax.datasets.builder import make_builder, prepare, read
from medjax.datasets.description import Example


def test_a_builder_carries_the_facts_of_its_dataset(tmp_path: Path) -> None:
    dataset = DATASETS["brain_cancer_mri"]
    builder = make_builder(dataset, {"train": [Example("x", b"1", 2)]}, tmp_path)
    prepare(builder)
    assert (builder.name, str(builder.version)) == ("brain_cancer_mri", "1.0.0")
    assert builder.info.features["label"].names == list(dataset.class_names)
    assert builder.info.homepage == dataset.homepage
    assert "mk56jw9rns" in builder.info.citation
    assert next(builder.data_path.glob("LICENSE")).read_text() == dataset.license
    assert list(builder.data_path.glob("*array_record*"))


def test_the_order_and_the_bytes_are_kept(tmp_path: Path) -> None:
    rows = [Example(f"z{100 - i}", bytes([i]) * 3, i % 3) for i in range(50)]
    builder = make_builder(DATASETS["brain_cancer_mri"], {"train": rows}, tmp_path)
    prepare(builder)
    stored = read(builder)["train"]
    assert [(row["image_id"].decode(), row["image"], row["label"]) for row in stored] == [row[:3] for row in rows]


def test_datasets_are_known_without_importing_tfds() -> None:
    code = "import sys, medjax.datasets; print({'tensorflow_datasets', 'tensorflow', 'jax'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_building_imports_no_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from medjax.datasets import DATASETS, builder\n"
        "from medjax.datasets.description import Example\n"
        "b = builder.make_builder(DATASETS['phantom'], {'train': [Example('x', b'1', 2)]}, Path(sys.argv[1]))\n"
        "builder.prepare(b); builder.read(b)['train'][0]; print({'tensorflow', 'torch'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr
