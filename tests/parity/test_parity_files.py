"""Weights files as torch.save and the reference implementation of safetensors write them."""

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[parity]'")

from torchvision_import import import_torchvision  # noqa: E402

from medjax.errors import UserError  # noqa: E402
from medjax.models.safetensors import write  # noqa: E402
from medjax.models.weights import read_state_dict  # noqa: E402

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("zip_format", [True, False])
def test_state_dict_of_a_resnet_is_read(tmp_path, zip_format):
    state = import_torchvision().models.resnet18().state_dict()
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=zip_format)
    found = read_state_dict(tmp_path / "w.pth")
    assert list(found) == list(state)
    assert all(np.array_equal(found[name], tensor.numpy()) for name, tensor in state.items())


@pytest.mark.parametrize("zip_format", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int64", "bool"])
def test_dtypes_of_torch_save_are_read(tmp_path, zip_format, dtype):
    tensor = torch.tensor([[1.5, -2.0, 0.0], [3.0, 0.25, 7.0]]).to(getattr(torch, dtype))
    torch.save({"w": tensor}, tmp_path / "w.pth", _use_new_zipfile_serialization=zip_format)
    found = read_state_dict(tmp_path / "w.pth")["w"]
    assert found.dtype == np.dtype(getattr(ml_dtypes, dtype, None) or dtype)
    assert np.array_equal(found.astype(np.float64), tensor.double().numpy())


@pytest.mark.parametrize("zip_format", [True, False])
def test_views_of_one_storage_parameters_and_wrappers_are_read(tmp_path, zip_format):
    base = torch.arange(24.0).reshape(2, 3, 4)
    content = {"a": base.permute(2, 0, 1), "b": base[1, 1:, ::2], "c": torch.nn.Parameter(base), "d": torch.zeros(0, 3)}
    wrapped = {"epoch": 3, "state_dict": content, "loss": 0.5, "sizes": [torch.Size([2, 3]), None, True, 2**40]}
    torch.save(wrapped, tmp_path / "w.pth", _use_new_zipfile_serialization=zip_format)
    found = read_state_dict(tmp_path / "w.pth")
    assert list(found) == ["a", "b", "c", "d"]
    for name, tensor in content.items():
        assert np.array_equal(found[name], tensor.detach().numpy())
        assert found[name].shape == tuple(tensor.shape)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_is_read(tmp_path, protocol):
    content = {f"layer{i}.weight": torch.full((3,), float(i)) for i in range(300)}
    torch.save(content, tmp_path / "w.pth", pickle_protocol=protocol)
    assert read_state_dict(tmp_path / "w.pth")["layer299.weight"].tolist() == [299.0] * 3


def test_whole_model_is_refused_by_name(tmp_path):
    torch.save(import_torchvision().models.resnet18(), tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"'torchvision\.models\.resnet\.ResNet'.*state_dict"):
        read_state_dict(tmp_path / "w.pth")


def test_safetensors_are_exchanged_with_the_reference_implementation(tmp_path):
    reference = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.array(7, np.int64),
        "c": np.zeros((0, 2), np.float16),
    }
    write(tmp_path / "ours.safetensors", arrays)
    reference.save_file(arrays, tmp_path / "theirs.safetensors")
    for file, load in (("ours.safetensors", reference.load_file), ("theirs.safetensors", read_state_dict)):
        found = load(tmp_path / file)
        assert sorted(found) == ["a", "b", "c"]
        assert all(
            np.array_equal(found[name], array) and found[name].dtype == array.dtype for name, array in arrays.items()
        )
