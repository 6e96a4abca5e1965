import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medjax.errors import UserError
from medjax.inference.feature_maps import change_of_score, check_layer, default_layer, feature_maps
from medjax.models import create_model

SMALL = {
    "unet_classifier": {"widths": (2, 4)},
    "multilevel_unet": {"widths": (2, 4)},
    "spatial_cnn": {"widths": (2, 4)},
    "spiking_cnn": {"steps": 3},
}
DEFAULTS = {  # at 64×64
    "brain_cnn": "conv3",
    "medical_cnn": "conv2",
    "cifar_cnn": "conv3",
    "resnet18": "layer3_1",
    "resnet50": "layer3_5",
    "unet_classifier": "merge1",
    "multilevel_unet": "bottleneck",
    "spatial_cnn": "left",
    "spiking_cnn": "spikes",
}


def maps_of(name, size=64):
    model = create_model(name, num_classes=3, **SMALL.get(name, {}))
    x = jax.ShapeDtypeStruct((2, size, size, 1), jnp.float32)
    return feature_maps(model, jax.eval_shape(model.init, jax.random.key(0), x), x)


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_network_has_maps_and_a_default(name):
    assert default_layer(maps_of(name)) == f"backbone/{DEFAULTS[name]}"


def test_a_resnet_at_224_pixels_is_explained_at_its_last_stage():
    maps = maps_of("resnet18", 224)
    assert default_layer(maps) == "backbone/layer4_1"
    assert maps["backbone/layer4_1"] == (2, 7, 7, 512)


def test_maps_come_in_the_order_of_the_calls_with_their_shapes():
    assert maps_of("unet_classifier") == {
        "backbone/down1/first": (2, 64, 64, 2),
        "backbone/down1/second": (2, 64, 64, 2),
        "backbone/down1": (2, 64, 64, 2),
        "backbone/down2/first": (2, 32, 32, 4),
        "backbone/down2/second": (2, 32, 32, 4),
        "backbone/down2": (2, 32, 32, 4),
        "backbone/bottleneck/first": (2, 16, 16, 8),
        "backbone/bottleneck/second": (2, 16, 16, 8),
        "backbone/bottleneck": (2, 16, 16, 8),
        "backbone/up2": (2, 32, 32, 4),
        "backbone/merge2/first": (2, 32, 32, 4),
        "backbone/merge2/second": (2, 32, 32, 4),
        "backbone/merge2": (2, 32, 32, 4),
        "backbone/up1": (2, 64, 64, 2),
        "backbone/merge1/first": (2, 64, 64, 2),
        "backbone/merge1/second": (2, 64, 64, 2),
        "backbone/merge1": (2, 64, 64, 2),
    }


def test_what_runs_inside_a_scan_has_no_map_but_its_collected_spikes_have():
    assert maps_of("spiking_cnn") == {"backbone/conv1": (2, 60, 60, 12), "backbone/spikes": (2, 3, 13, 13, 64)}
    assert "backbone/down/conv" not in maps_of("spatial_cnn")


def test_where_no_map_is_large_enough_the_last_of_the_largest_is_taken():
    assert default_layer({"a": (1, 2, 9, 1), "b": (1, 3, 5, 1), "c": (1, 3, 3, 1), "d": (1, 2, 2, 1)}) == "c"


def test_an_unknown_layer_is_an_error_that_names_the_stages():
    with pytest.raises(UserError, match=r"'layer4' has no feature map; choose from backbone/conv1, backbone/conv2\.$"):
        check_layer(maps_of("medical_cnn"), "layer4")
    with pytest.raises(UserError, match=r"backbone/layer4_1, or one inside of them, such as backbone/layer1_0/conv1\."):
        check_layer(maps_of("resnet18"), "layer4")
    check_layer(maps_of("resnet18"), "backbone/layer1_0/conv1")


def test_the_change_of_a_score_is_its_derivative():
    model = create_model("cifar_cnn", num_classes=2)
    x = jax.random.normal(jax.random.key(0), (1, 18, 18, 1))
    variables = model.init(jax.random.key(1), x)
    score = lambda output: output[0, 1]  # noqa: E731
    found, gradient = change_of_score(model, variables, x, "backbone/conv3", score)
    assert found.shape == gradient.shape == (1, 1, 1, 64)
    # the map is flattened and enters hidden0, ReLU, fc: by hand
    head = jax.tree.map(np.asarray, variables["params"]["head"])
    flat = np.maximum(np.asarray(found), 0).ravel()
    active = flat @ head["hidden0"]["kernel"] + head["hidden0"]["bias"] > 0
    by_hand = (np.asarray(found).ravel() > 0) * (head["hidden0"]["kernel"] @ (active * head["fc"]["kernel"][:, 1]))
    np.testing.assert_allclose(gradient.ravel(), by_hand, rtol=1e-5, atol=1e-6)
