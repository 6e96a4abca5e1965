import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from medjax.errors import UserError
from medjax.models import create_model
from medjax.models.torchvision import fit_channels, from_state_dict, imagenet_normalization, to_state_dict


def template(name="resnet18", channels=3, fill=0.0, **kwargs):
    model = create_model(name, **{"num_classes": 4, **kwargs})
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, channels)))
    return jax.tree.map(lambda leaf: np.full(leaf.shape, fill, leaf.dtype), shapes)


def state(seed=0, **kwargs):
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=array.shape).astype(np.float32)
        for name, array in to_state_dict(template(**kwargs)).items()
        if "num_batches" not in name
    }


@pytest.fixture(scope="module")
def weights():
    return state()


def test_names_and_shapes_are_torchvisions():
    shapes = {name: array.shape for name, array in to_state_dict(template("resnet50")).items()}
    assert len(shapes) == 320
    expected = {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.running_mean": (64,),
        "bn1.num_batches_tracked": (),
        "layer1.0.conv2.weight": (64, 64, 3, 3),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer1.0.downsample.1.running_var": (256,),
        "layer3.5.bn3.bias": (1024,),
        "layer4.2.conv1.weight": (512, 2048, 1, 1),
        "fc.weight": (4, 2048),
        "fc.bias": (4,),
    }
    assert {name: shapes[name] for name in expected} == expected


def test_there_and_back_changes_nothing(weights):
    back = to_state_dict(from_state_dict(weights, template()))
    for name, array in weights.items():
        assert np.array_equal(back[name], array)
        assert back[name].flags.c_contiguous


def test_every_value_lands_where_it_belongs(weights):
    loaded = from_state_dict(weights, template())
    backbone, stats = loaded["params"]["backbone"], loaded["batch_stats"]["backbone"]
    block, block_stats = backbone["layer2_0"], stats["layer2_0"]
    pairs = [
        (backbone["stem"]["conv"]["kernel"], weights["conv1.weight"].transpose(2, 3, 1, 0)),
        (backbone["stem"]["norm"]["scale"], weights["bn1.weight"]),
        (block["conv2"]["norm"]["bias"], weights["layer2.0.bn2.bias"]),
        (block["downsample"]["conv"]["kernel"], weights["layer2.0.downsample.0.weight"].transpose(2, 3, 1, 0)),
        (block_stats["downsample"]["norm"]["mean"], weights["layer2.0.downsample.1.running_mean"]),
        (block_stats["conv1"]["norm"]["var"], weights["layer2.0.bn1.running_var"]),
        (loaded["params"]["head"]["fc"]["kernel"], weights["fc.weight"].T),
        (loaded["params"]["head"]["fc"]["bias"], weights["fc.bias"]),
    ]
    for found, expected in pairs:
        assert np.array_equal(found, expected)


def test_hidden_head_has_the_names_of_a_torch_sequential():
    names = [name for name in to_state_dict(template(head_hidden=(8, 6))) if name.startswith("fc.")]
    assert sorted(names) == ["fc.0.bias", "fc.0.weight", "fc.3.bias", "fc.3.weight", "fc.6.bias", "fc.6.weight"]


def test_hidden_head_is_read_back():
    weights = state(head_hidden=(8,))
    loaded = from_state_dict(weights, template(head_hidden=(8,)))
    assert np.array_equal(loaded["params"]["head"]["hidden0"]["kernel"], weights["fc.0.weight"].T)
    assert np.array_equal(loaded["params"]["head"]["fc"]["kernel"], weights["fc.3.weight"].T)


@pytest.mark.parametrize("other", [{"num_classes": 7}, {"head_hidden": (8,)}])
def test_head_of_another_shape_starts_afresh(weights, other):
    loaded = from_state_dict(weights, template(fill=9.0, **other))
    assert all(np.all(leaf == 9) for leaf in jax.tree.leaves(loaded["params"]["head"]))
    assert np.array_equal(loaded["params"]["backbone"]["stem"]["norm"]["scale"], weights["bn1.weight"])


def test_state_without_head_is_taken(weights):
    backbone = {name: array for name, array in weights.items() if not name.startswith("fc.")}
    loaded = from_state_dict(backbone, template(fill=9.0))
    assert np.all(loaded["params"]["head"]["fc"]["kernel"] == 9)


def test_prefixes_and_counters_are_dropped(weights):
    wrapped = {f"module._orig_mod.{name}": array for name, array in weights.items()}
    wrapped["module._orig_mod.bn1.num_batches_tracked"] = np.array(5)
    loaded = from_state_dict(wrapped, template())
    assert np.array_equal(loaded["params"]["backbone"]["stem"]["norm"]["scale"], weights["bn1.weight"])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_any_float_becomes_float32(weights, dtype):
    loaded = from_state_dict({name: array.astype(dtype) for name, array in weights.items()}, template())
    assert {leaf.dtype for leaf in jax.tree.leaves(loaded)} == {np.dtype(np.float32)}
    scale = loaded["params"]["backbone"]["stem"]["norm"]["scale"]
    assert np.array_equal(scale, weights["bn1.weight"].astype(dtype).astype(np.float32))


def test_missing_extra_and_misshaped_names_are_given(weights):
    wrong = dict(weights)
    for name in ("bn1.weight", "layer1.0.bn1.bias", "layer1.0.bn1.weight", "layer4.1.bn2.bias"):
        del wrong[name]
    wrong["layer9.weight"] = np.zeros(3)
    wrong["layer3.0.conv1.weight"] = np.zeros((256, 128, 5, 5))
    with pytest.raises(UserError) as error:
        from_state_dict(wrong, template())
    message = str(error.value)
    assert "4 missing: " in message
    assert "bn1.weight" in message
    assert "…" in message
    assert "1 extra: layer9.weight" in message
    assert "1 of another shape: layer3.0.conv1.weight (256, 128, 5, 5)" in message
    assert "\n" not in message


def test_weights_of_another_depth_are_refused(weights):
    with pytest.raises(UserError, match=r"missing.*same ResNet depth"):
        from_state_dict(weights, template("resnet34"))


def test_other_networks_are_refused(weights):
    with pytest.raises(UserError, match="for ResNets only"):
        from_state_dict(weights, template("brain_cnn"))


def test_an_expanded_tensor_of_a_wrong_shape_is_not_copied(weights):
    huge = np.broadcast_to(np.float32(0), (10**9, 10**9))
    with pytest.raises(UserError, match="another shape"):
        from_state_dict(weights | {"bn1.weight": huge}, template())


def test_one_channel_sums_the_first_kernel_over_rgb(weights):
    loaded = from_state_dict(weights, template(channels=1))
    kernel = loaded["params"]["backbone"]["stem"]["conv"]["kernel"]
    assert kernel.shape == (7, 7, 1, 64)
    np.testing.assert_allclose(kernel[2, 5, 0, 3], weights["conv1.weight"][3, :, 2, 5].sum(), rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 3, 4, 5, 6])
def test_grey_in_every_channel_gives_the_output_of_rgb_where_channels_repeat(channels):
    kernel = np.arange(2 * 2 * 3 * 2, dtype=np.float32).reshape(2, 2, 3, 2)
    fitted = fit_channels(kernel, channels)
    assert fitted.shape == (2, 2, channels, 2)
    if channels % 3 == 0 or channels == 1:
        np.testing.assert_allclose(fitted.sum(axis=2), kernel.sum(axis=2))


def test_four_channels_repeat_red_and_scale():
    # timm's rule: R, G, B, R, each times 3/4.
    fitted = fit_channels(np.array([[[[4.0], [8.0], [12.0]]]]), 4)
    assert fitted.ravel().tolist() == [3, 6, 9, 3]


def test_planes_begin_without_influence_behind_the_image_channels(weights):
    kernel = from_state_dict(weights, template(channels=5), planes=2)["params"]["backbone"]["stem"]["conv"]["kernel"]
    np.testing.assert_array_equal(kernel[:, :, :3], weights["conv1.weight"].transpose(2, 3, 1, 0))
    assert not kernel[:, :, 3:].any()
    grey = from_state_dict(weights, template(channels=3), planes=2)["params"]["backbone"]["stem"]["conv"]["kernel"]
    np.testing.assert_allclose(grey[:, :, 0], weights["conv1.weight"].sum(axis=1).transpose(1, 2, 0), rtol=1e-5)
    assert not grey[:, :, 1:].any()
    ours = {**weights, "conv1.weight": np.ones((64, 5, 7, 7), np.float32)}
    kept = from_state_dict(ours, template(channels=5), planes=2)["params"]["backbone"]["stem"]["conv"]["kernel"]
    assert (kept == 1).all()


def test_half_precision_kernels_are_summed_in_float32():
    kernel = np.array([[[[2048.0], [1.0], [1.0]]]], np.float16)
    assert fit_channels(kernel, 1).item() == 2050


def test_one_channel_weights_are_not_fitted_to_three(weights):
    grey = weights | {"conv1.weight": weights["conv1.weight"][:, :1]}
    with pytest.raises(UserError, match=r"another shape: conv1\.weight"):
        from_state_dict(grey, template())


def test_normalization_travels_with_the_weights():
    assert imagenet_normalization(3) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    mean, std = imagenet_normalization(1)
    assert mean == pytest.approx([0.449])
    assert std == pytest.approx([0.226])
