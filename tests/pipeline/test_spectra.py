import numpy as np
import pytest
import scipy.fft

from medjax.pipeline import spectra


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_a_spectrum_is_the_cosine_transform_weighted_as_the_gradient() -> None:
    images = noise(2, 16, 16, 1)
    dct = scipy.fft.dctn(images[..., 0].astype(np.float64), axes=(1, 2), norm="ortho")
    np.testing.assert_allclose(spectra.spectra(images), dct * np.sqrt(spectra.eigenvalues(16)), atol=1e-3)


def test_the_dot_product_of_spectra_is_that_of_the_gradients() -> None:
    a, b = noise(2, 16, 16, 1).astype(np.float64)[..., 0]
    gradients = sum((np.diff(a, axis=axis) * np.diff(b, axis=axis)).sum() for axis in (0, 1))
    first, second = spectra.spectra(noise(2, 16, 16, 1))
    np.testing.assert_allclose((first * second).sum(), gradients, rtol=1e-4)


@pytest.mark.parametrize("orientation", range(8))
def test_a_turned_spectrum_is_that_of_the_turned_picture(orientation: int) -> None:
    image = noise(12, 12, 1)
    turned = spectra.turn_image(image, orientation)
    expected = spectra.spectra(turned[None])[0]
    np.testing.assert_allclose(spectra.turn(spectra.spectra(image[None])[0], orientation), expected, atol=1e-3)


def test_the_orientations_have_the_names_of_what_they_do() -> None:
    image = np.array([[1, 2], [3, 4]])
    made = {name: spectra.turn_image(image, k).tolist() for k, name in enumerate(spectra.ORIENTATIONS)}
    assert made == {
        "as it is": [[1, 2], [3, 4]],
        "mirrored left to right": [[2, 1], [4, 3]],
        "mirrored top to bottom": [[3, 4], [1, 2]],
        "turned by 180°": [[4, 3], [2, 1]],
        "transposed": [[1, 3], [2, 4]],
        "turned by 90° clockwise": [[3, 1], [4, 2]],
        "turned by 90° anticlockwise": [[2, 4], [1, 3]],
        "transposed and turned by 180°": [[4, 2], [3, 1]],
    }


def test_large_images_are_averaged_over_areas() -> None:
    small = noise(1, 64, 64, 1)
    large = small.repeat(3, axis=1).repeat(3, axis=2)
    np.testing.assert_allclose(spectra.spectra(large), spectra.spectra(small), atol=0.01)


def test_a_16_bit_image_counts_in_8_bit_grey_levels() -> None:
    image = noise(1, 8, 8, 1)
    deep = image.astype(np.uint16) * 257
    np.testing.assert_allclose(spectra.spectra(deep), spectra.spectra(image), atol=1e-3)


def test_channels_are_averaged() -> None:
    colour = noise(1, 8, 8, 3) // 3 * 3
    grey = (colour.sum(axis=-1, keepdims=True) // 3).astype(np.uint8)
    np.testing.assert_allclose(spectra.spectra(colour), spectra.spectra(grey), atol=1e-3)


def test_brightness_leaves_no_trace() -> None:
    assert np.abs(spectra.spectra(np.full((1, 8, 8, 1), 200, np.uint8))).max() < 1e-3


def test_smoothing_keeps_the_mean_and_damps_what_the_smaller_size_cannot_hold() -> None:
    damped = spectra.smoothing(64, 0.7)
    assert damped[0, 0] == pytest.approx(1)
    assert damped[0, 10] > 0.9
    assert damped[0, 60] < 0.05
    assert (damped == damped.T).all()


def test_stored_spectra_are_those_of_every_image(monkeypatch: pytest.MonkeyPatch) -> None:
    images = noise(5, 8, 8, 1)
    monkeypatch.setattr(spectra, "_CHUNK_BYTES", 4 * 2 * 64)
    assert [start for start, _ in spectra.chunks(images)] == [0, 2, 4]
    np.testing.assert_allclose(spectra.store(images), spectra.spectra(images), rtol=1e-3, atol=1e-3)
