import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from medjax.datasets.phantom_drawing import draw
from medjax.pipeline import candidates, confirmation, copy_groups, spectra
from medjax.pipeline.duplicates import Duplicates, find_duplicates


def phantom(number: int, label: int = 0) -> np.ndarray:
    """A picture, uint8 [64, 64]."""
    return np.asarray(Image.fromarray(draw(label, number)[0]).resize((64, 64), Image.Resampling.BILINEAR))


def resized(image: np.ndarray, side: int) -> np.ndarray:
    small = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small.resize(image.shape[::-1], Image.Resampling.BILINEAR))


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def find(*images: np.ndarray) -> Duplicates:
    return find_duplicates(np.stack(images)[..., None])


def pairs(found: Duplicates) -> list[tuple[int, int]]:
    return list(zip(found.i.tolist(), found.j.tolist(), strict=True))


OTHERS = [phantom(number, label) for label in range(3) for number in range(1, 5)]


def test_different_pictures_are_no_copies() -> None:
    found = find(*OTHERS)
    assert pairs(found) == []
    assert found.groups.tolist() == found.exact.tolist() == list(range(12))


def test_exact_copies_name_the_first() -> None:
    found = find(OTHERS[0], OTHERS[1], OTHERS[0], OTHERS[1], OTHERS[0])
    assert found.exact.tolist() == found.groups.tolist() == [0, 1, 0, 1, 0]
    assert pairs(found) == []


@pytest.mark.parametrize("orientation", range(8))
def test_a_turned_copy_is_found_with_its_orientation(orientation: int) -> None:
    found = find(*OTHERS, spectra.turn_image(OTHERS[5], orientation))
    if orientation == 0:
        assert found.exact.tolist() == [*range(12), 5]
        return
    assert pairs(found) == [(5, 12)]
    (turn,) = found.orientation.tolist()
    back = spectra.turn_image(spectra.turn_image(OTHERS[5], orientation), turn)
    assert (back == OTHERS[5]).all()
    assert found.correlation[0] > 0.999
    assert found.groups.tolist() == [*range(12), 5]


@pytest.mark.parametrize(
    "copy",
    [
        lambda x: resized(x, 45),
        lambda x: jpeg(x, 60),
        lambda x: np.clip(x * 1.1, 0, 255).astype(np.uint8),
        lambda x: (x * 0.9).astype(np.uint8),
        lambda x: 255 - np.rint(255 * (1 - x / 255.0) ** 0.9).astype(np.uint8),
    ],
    ids=["70 % of the size", "JPEG of quality 60", "brighter", "darker", "gamma"],
)
def test_a_changed_copy_is_found(copy) -> None:
    found = find(*OTHERS, *(copy(image) for image in OTHERS))
    assert pairs(found) == [(k, k + 12) for k in range(12)]


def test_a_speckled_picture_is_found_after_jpeg() -> None:
    speckle = np.random.default_rng(0).integers(0, 40, (64, 64))
    image = (OTHERS[0] // 2 + speckle).astype(np.uint8)
    found = find(image, jpeg(image, 60))
    assert found.correlation[0] < confirmation.LEAST_CORRELATION  # only the second rule says so
    assert pairs(found) == [(0, 1)]


def test_an_inserted_lesion_of_another_picture_is_no_copy() -> None:
    assert pairs(find(OTHERS[0], np.maximum(OTHERS[0], OTHERS[1]))) == []


def test_flat_pictures_are_only_exact_copies() -> None:
    found = find(*(np.full((64, 64), value, np.uint8) for value in (0, 0, 7, 200)))
    assert found.exact.tolist() == [0, 0, 2, 3]
    assert pairs(found) == []


def test_a_near_copy_of_an_exact_copy_is_named_by_the_first() -> None:
    found = find(OTHERS[0], OTHERS[0], np.fliplr(OTHERS[0]), np.fliplr(OTHERS[0]))
    assert pairs(found) == [(0, 2)]
    assert found.groups.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_of_table_is_searched(dtype: type, channels: int) -> None:
    grey = np.stack([*OTHERS[:3], np.rot90(OTHERS[1])]).astype(dtype) * (257 if dtype == np.uint16 else 1)
    assert pairs(find_duplicates(np.repeat(grey[..., None], channels, axis=-1))) == [(1, 3)]


@pytest.mark.parametrize("side", [1, 2, 3, 5])
def test_tiny_images_do_no_harm(side: int) -> None:
    images = np.arange(3 * side * side, dtype=np.uint8).reshape(3, side, side, 1)
    assert len(find_duplicates(images).groups) == 3


def chain(steps: int) -> list[np.ndarray]:
    """Pictures of which each is much like the next, and the last nothing like the first."""
    rng = np.random.default_rng(0)
    waves = [np.asarray(Image.fromarray(rng.random((32, 32), np.float32)).resize((64, 64))) for _ in range(2)]
    shares = np.linspace(0, np.pi / 2, steps)
    mixed = [np.cos(s) * (waves[0] - 0.5) + np.sin(s) * (waves[1] - 0.5) for s in shares]
    return [np.rint(127 + 127 * picture / 0.8).clip(0, 255).astype(np.uint8) for picture in mixed]


def test_a_chain_does_not_become_one_group() -> None:
    found = find(*chain(12))
    assert {(k, k + 1) for k in range(11)} <= set(pairs(found))
    sizes = np.unique(found.groups, return_counts=True)[1]
    assert len(sizes) > 1
    assert sizes.max() < 12
    assert found.refused.any()
    for group in np.unique(found.groups):
        members = np.flatnonzero(found.groups == group)
        assert (np.diff(members) == 1).all()  # what is together is near


def test_without_the_hub_rule_the_chain_would_be_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_groups, "LEAST_WITH_HUB", -1)
    assert set(find(*chain(12)).groups.tolist()) == {0}


def test_the_same_images_give_the_same_answer() -> None:
    images = [*OTHERS, *(resized(image, 45) for image in OTHERS), *chain(6)]
    first, second = dataclasses.asdict(find(*images)), dataclasses.asdict(find(*images))
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], name)


def test_small_blocks_give_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [*OTHERS, *(np.rot90(image) for image in OTHERS)]
    whole = find(*images)
    monkeypatch.setattr(candidates, "_ROWS", 3)
    monkeypatch.setattr(candidates, "_COLUMNS", 5)
    monkeypatch.setattr(confirmation, "_PAIRS", 2)
    monkeypatch.setattr(copy_groups, "_MEMBERS", 1)
    parts = find(*images)
    assert pairs(parts) == pairs(whole) == [(k, k + 12) for k in range(12)]
    assert parts.groups.tolist() == whole.groups.tolist()
    assert parts.orientation.tolist() == whole.orientation.tolist()


def test_what_lies_beyond_the_hub_is_grouped_among_itself() -> None:
    groups = find(*chain(16)).groups
    sizes = np.unique(groups, return_counts=True)[1]
    assert np.count_nonzero(sizes > 1) >= 2


def test_a_pair_alike_in_several_orientations_is_one_link() -> None:
    symmetric = np.maximum(OTHERS[0], np.fliplr(OTHERS[0]))
    found = find(symmetric, resized(symmetric, 50))
    assert pairs(found) == [(0, 1)]
    assert found.orientation.tolist() == [0]
