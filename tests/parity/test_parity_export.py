"""A ResNet trained here and opened in torchvision predicts the same."""

import csv
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[parity]'")

from torchvision_import import import_torchvision  # noqa: E402

from medjax.inference.export import export_weights  # noqa: E402
from medjax.models import safetensors  # noqa: E402
from medjax.pipeline import cache  # noqa: E402
from tests.configs import tiny  # noqa: E402

pytestmark = pytest.mark.parity


def test_an_exported_run_predicts_the_same_in_torchvision(run_tiny, tmp_path):
    torchvision = import_torchvision()
    workdir = tmp_path / "run"
    network = {"name": "resnet18", "head_hidden": (8,), "dropout": 0.0}
    run_tiny(workdir, model=tiny.ConfigDict(network), data__channels=3, phantom__image_size=32, phantom__max_epochs=1)
    export_weights(workdir, tmp_path / "w.safetensors")
    tensors = safetensors.read((tmp_path / "w.safetensors").read_bytes())
    model = torchvision.models.resnet18()
    model.fc = torch.nn.Sequential(
        torch.nn.Linear(512, 8), torch.nn.ReLU(), torch.nn.Dropout(0.0), torch.nn.Linear(8, 3)
    )
    model.load_state_dict({name: torch.tensor(array) for name, array in tensors.items()})
    table = cache.load_table(
        "phantom",
        source=None,
        image_size=32,
        channels=3,
        fit="squash",
        on_bad_image="stop",
        cache_dir=tmp_path / "cache",
        progress=False,
    )
    with open(workdir / "predictions_test.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    row_of = {image_id: row for row, image_id in enumerate(table.image_ids.tolist())}
    images = table.images[[row_of[row["image_id"]] for row in rows]]
    how = json.loads((workdir / "preprocessing.json").read_text())
    x = (images / 255 - np.array(how["mean"])) / np.array(how["std"])
    with torch.no_grad():
        logits = model.eval()(torch.tensor(x.transpose(0, 3, 1, 2), dtype=torch.float32))
    expected = np.array([[float(row[f"prob_{name}"]) for name in table.class_names] for row in rows])
    np.testing.assert_allclose(torch.softmax(logits.double(), 1), expected, atol=1e-4)
