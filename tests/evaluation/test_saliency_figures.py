import io

import numpy as np
from PIL import Image

from medjax.evaluation.saliency_figures import explanation_figure, randomization_figure, to_png

IMAGE = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
HEAT = np.linspace(0, 2, 64).reshape(8, 8)


def texts(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def test_an_explanation_shows_image_map_and_overlay_with_a_scale_in_its_own_unit():
    figure = explanation_figure(IMAGE, HEAT, "gradcam, for glioma $x$", "weighted activation", demo=False)
    _, alone, both, scale = figure.axes
    assert scale.get_ylabel() == "weighted activation"
    assert alone.images[0].get_clim() == (0, 2)
    assert both.images[0].get_array().shape == (8, 8, 3)
    assert not any("DEMO" in text for text in texts(figure))
    with Image.open(io.BytesIO(to_png(figure))) as picture:
        assert picture.format == "PNG"
        assert not picture.info.get("Software")


def test_a_map_with_both_signs_has_its_zero_in_the_middle_of_the_colours():
    figure = explanation_figure(IMAGE, HEAT - 1.5, "t", "u", demo=False)
    assert figure.axes[1].images[0].get_clim() == (-1.5, 1.5)


def test_a_map_of_zeros_can_be_drawn_and_a_demo_says_so():
    first, second = (explanation_figure(IMAGE, np.zeros((8, 8)), "t", "u", demo=True) for _ in range(2))
    assert any(text.startswith("DEMO") for text in texts(first))
    assert any("0 everywhere" in text for text in texts(first))
    assert to_png(first) == to_png(second)


def test_the_cascade_is_drawn_with_gaps_where_no_map_is_left():
    stages = [
        {"layer": f"backbone/conv{i}", "similarities": [0.5, None if i else 0.1], "mean": None if i == 3 else 0.3}
        for i in range(9)
    ]
    figure = randomization_figure(np.random.default_rng(0).random((10, 4, 4)), stages, demo=True)
    assert len([axes for axes in figure.axes if axes.images]) == 6
    assert {"trained", "to conv8"} <= set(texts(figure))
    assert to_png(figure)
