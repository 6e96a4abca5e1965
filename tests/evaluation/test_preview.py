import numpy as np
import pytest
from PIL import Image

from medjax.errors import UserError
from medjax.evaluation import preview
from medjax.evaluation.preview import write_preview
from medjax.pipeline.augment import Augmentation

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), np.uint8)
NAMES = ("gli$oma", "none")


@pytest.fixture
def shown(monkeypatch):
    """What is drawn: (image as given, black, white)."""
    seen = []
    draw = preview._show

    def watch(axes, image, low, high):
        seen.append((image, low, high))
        draw(axes, image, low, high)

    monkeypatch.setattr(preview, "_show", watch)
    return seen


def test_each_row_is_an_image_and_then_its_views(shown, tmp_path):
    write_preview(tmp_path / "new" / "grid.png", IMAGES, NAMES, Augmentation(flip_horizontal=True), seed=0, views=3)
    with Image.open(tmp_path / "new" / "grid.png") as picture:
        assert picture.format == "PNG"
    assert len(shown) == 8
    for row in range(2):
        original, *views = (image for image, _, _ in shown[4 * row : 4 * row + 4])
        np.testing.assert_allclose(original, IMAGES[row] / 255, atol=1e-6)
        for view in views:
            assert np.array_equal(view, original) or np.array_equal(view, original[:, ::-1])


def test_the_same_seed_gives_the_same_file(tmp_path):
    files = [tmp_path / f"{i}.png" for i in range(3)]
    for file, seed in zip(files, (0, 0, 1), strict=True):
        write_preview(file, IMAGES, NAMES, Augmentation(noise=0.5), seed=seed, views=1)
    first, same, other = (file.read_bytes() for file in files)
    assert first == same != other


def test_the_range_of_16_bits_is_that_of_the_original_for_its_views_too(shown, tmp_path):
    deep = IMAGES.astype(np.uint16) + 1000
    write_preview(tmp_path / "a.png", deep, NAMES, Augmentation(brightness=0.1), seed=0, views=2)
    for row in range(2):
        limits = {(low, high) for _, low, high in shown[3 * row : 3 * row + 3]}
        low, high = limits.pop()
        assert not limits
        np.testing.assert_allclose((low, high), (deep[row].min() / 65535, deep[row].max() / 65535), rtol=1e-6)


def test_shares_of_a_blend_are_named():
    assert preview._blend(0.75, ("a", "b"), 1) == "75 % b\n+ 25 % a"


def test_the_title_names_what_is_on_and_nothing_else():
    assert preview._title(Augmentation(), 5) == "Augmentation: none"
    title = preview._title(Augmentation(flip_horizontal=True, crop=0.8), 5)
    assert title == "Augmentation: flip horizontal, crop 0.8"


def test_blending_and_the_demo_mark_are_drawn(tmp_path):
    plain, demo = tmp_path / "plain.png", tmp_path / "demo.png"
    for file, mark in ((plain, False), (demo, True)):
        stack = np.repeat(IMAGES, 5, axis=-1)
        write_preview(file, stack, NAMES, Augmentation(mixup=1.0), seed=0, views=1, demo=mark)
    vermilion = [(np.asarray(Image.open(file).convert("RGB")) == (213, 94, 0)).all(-1).sum() for file in (plain, demo)]
    assert vermilion[0] == 0 < vermilion[1]


def test_a_file_that_cannot_be_written_is_one_error(tmp_path):
    (tmp_path / "there").write_text("")
    with pytest.raises(UserError, match="there"):
        write_preview(tmp_path / "there" / "a.png", IMAGES, NAMES, Augmentation(), seed=0, views=1)
