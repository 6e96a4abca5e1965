import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from medjax.pipeline.decode import BadImageError, bit_depth, decode, facts, to_npy


def encode(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def solid(mode: str, color: object, size: tuple[int, int] = (4, 4)) -> Image.Image:
    return Image.new(mode, size, color)  # type: ignore[arg-type]


def pixel(data: bytes, channels: int = 3, dtype: type = np.uint8) -> list[int]:
    return decode(data, size=2, channels=channels, fit="squash", dtype=dtype)[0, 0].tolist()


def palette_image() -> Image.Image:
    image = solid("P", 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    return image


@pytest.mark.parametrize(
    ("data", "rgb"),
    [
        (encode(solid("L", 90)), [90, 90, 90]),
        (encode(solid("RGB", (10, 200, 30))), [10, 200, 30]),
        (encode(palette_image()), [10, 200, 30]),
        (encode(solid("1", 1)), [255, 255, 255]),
        (encode(solid("RGBA", (100, 200, 50, 255))), [100, 200, 50]),
        (encode(solid("RGBA", (100, 200, 50, 51))), [20, 40, 10]),  # a fifth of each on black
        (encode(solid("LA", (200, 51))), [40, 40, 40]),
        (encode(palette_image(), transparency=1), [0, 0, 0]),
        (encode(solid("L", 90), transparency=90), [0, 0, 0]),
        (encode(solid("I;16", 257 * 90)), [90, 90, 90]),
        (encode(solid("I;16", 257 * 90 + 128)), [90, 90, 90]),  # rounds down: 90.498
        (encode(solid("I;16", 257 * 90 + 129)), [91, 91, 91]),  # rounds up: 90.502
        (encode(solid("CMYK", (255, 0, 0, 0)), "TIFF"), [0, 255, 255]),
        (encode(solid("L", 90), "BMP"), [90, 90, 90]),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_every_mode_gives_its_color(data: bytes, rgb: list[int]) -> None:
    assert pixel(data) == rgb


def test_a_cmyk_jpeg_is_not_inverted() -> None:
    red, green, blue = pixel(encode(solid("CMYK", (0, 255, 255, 0), (16, 16)), "JPEG", quality=100))
    assert red > 250
    assert green < 5
    assert blue < 5


def test_grey_of_a_color_follows_itu_r_601() -> None:
    assert pixel(encode(solid("RGB", (100, 150, 50))), channels=1) == [round(0.299 * 100 + 0.587 * 150 + 0.114 * 50)]


def test_16_bits_are_kept_for_a_16_bit_table() -> None:
    assert pixel(encode(solid("I;16", 54321)), channels=1, dtype=np.uint16) == [54321]
    assert decode(encode(solid("I;16", 1)), size=2, channels=3, fit="squash", dtype=np.uint16).dtype == np.uint16


def test_16_bit_images_are_resized_in_full_depth() -> None:
    image = Image.fromarray(np.array([[1000, 1003]], dtype=np.uint16))
    assert decode(encode(image), size=1, channels=1, fit="squash", dtype=np.uint16).tolist() == [[[1002]]]


def test_resizing_is_anti_aliased() -> None:
    stripes = Image.fromarray(np.tile(np.array([0, 200], dtype=np.uint8), (64, 32)))
    small = decode(encode(stripes), size=8, channels=1, fit="squash")
    assert np.abs(small[:, 1:-1].astype(int) - 100).max() <= 1


def quarters() -> bytes:
    """4 wide, 2 high: columns 0, 100, 200, 250."""
    return encode(Image.fromarray(np.tile(np.array([0, 100, 200, 250], dtype=np.uint8), (2, 1))))


def test_crop_takes_the_central_square() -> None:
    assert decode(quarters(), size=2, channels=1, fit="crop")[..., 0].tolist() == [[100, 200], [100, 200]]


def test_pad_keeps_everything_between_black_bars() -> None:
    padded = decode(quarters(), size=4, channels=1, fit="pad")[..., 0]
    assert padded.tolist() == [[0] * 4, [0, 100, 200, 250], [0, 100, 200, 250], [0] * 4]


def test_squash_changes_the_aspect_ratio() -> None:
    squashed = decode(quarters(), size=4, channels=1, fit="squash")[..., 0]
    assert squashed.tolist() == [[0, 100, 200, 250]] * 4


def test_an_unknown_fit_is_an_error_of_the_program() -> None:
    with pytest.raises(ValueError, match="squash, crop, pad"):
        decode(quarters(), size=4, channels=1, fit="stretch")


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image = Image.fromarray(np.repeat([[0], [200]], 2, axis=1).astype(np.uint8))
    data = encode(image, exif=exif)
    assert decode(data, size=2, channels=1, fit="squash")[..., 0].tolist() == [[200, 200], [0, 0]]


def jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    return encode(Image.fromarray(noise), "JPEG")


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and holds no pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b""))


def frames() -> bytes:
    return encode(solid("L", 1), "TIFF", save_all=True, append_images=[solid("L", 2)])


def test_the_frames_of_a_tiff_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(_: object) -> int:
        raise AssertionError("the time that takes grows with the square of their number")

    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "n_frames", property(count))
    with pytest.raises(BadImageError, match="holds several frames"):
        pixel(frames())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"\0" * 1000, "not an image"),
        (b"GIF? no, a text", "not an image"),
        (jpeg()[:500], "truncated"),
        (encode(solid("RGB", 1, (64, 64)), compress_level=0)[:500], "truncated"),
        (png_header(8000, 9000), "8000×9000 pixels, more than the 67,108,864 allowed"),
        (frames(), "holds several frames"),
        (encode(solid("F", 0.5), "TIFF"), "floating-point"),
        (encode(solid("I", 70000), "TIFF"), "values from 70000 to 70000 do not fit 16 bits"),
    ],
    ids=["empty", "zeros", "text", "jpeg cut", "png cut", "bomb", "frames", "float", "32 bits"],
)
def test_what_cannot_be_used_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(BadImageError, match=reason) as caught:
        decode(data, size=4, channels=3, fit="squash")
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 60_000], ids=["Pillow warns", "Pillow refuses"])
def test_decompression_bombs_are_refused_before_they_unfold(side: int) -> None:
    with pytest.raises(BadImageError, match=r"more (pixels )?than the 67,108,864"):
        decode(png_header(side, side), size=4, channels=3, fit="squash")


def test_any_damage_is_a_bad_image_and_no_other_error() -> None:
    rng = np.random.default_rng(0)
    for whole in (jpeg(), encode(palette_image()), frames(), encode(solid("RGB", 1, (9, 9)), "BMP")):
        for _ in range(60):
            data = bytearray(whole)
            for position in rng.integers(0, len(data), 4):
                data[position] = int(rng.integers(0, 256))
            with contextlib.suppress(BadImageError):
                assert decode(bytes(data), size=4, channels=1, fit="pad").shape == (4, 4, 1)


@pytest.mark.parametrize(
    ("data", "depth"),
    [
        (encode(solid("I;16", 5)), 16),
        (encode(solid("I;16", 5), "TIFF"), 16),
        (encode(solid("RGB", 5)), 8),
        (jpeg(), 8),
        (b"text", None),
        (b"", None),
    ],
)
def test_bit_depth_is_read_from_the_header(data: bytes, depth: int | None) -> None:
    assert bit_depth(data) == depth


def test_pixels_of_a_reader_of_ours_come_through_unchanged() -> None:
    stack = np.arange(2 * 2 * 5, dtype=np.uint16).reshape(2, 2, 5) * 1000
    result = decode(to_npy(stack), size=2, channels=5, fit="squash", dtype=np.uint16)
    np.testing.assert_array_equal(result, stack)
    assert bit_depth(to_npy(stack)) == 16


def test_a_grey_array_fills_three_channels_and_sixteen_bits_become_eight() -> None:
    result = decode(to_npy(np.full((2, 2), 65535, np.uint16)), size=1, channels=3, fit="squash")
    assert result.tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize(
    ("pixels", "channels", "reason"),
    [
        (np.zeros((2, 2, 4), np.uint8), 3, "holds 4 channels, and 3 are asked for"),
        (np.zeros((2, 2), np.float32), 1, "a .npy of float32"),
        (np.zeros((0, 2), np.uint8), 1, "a .npy of uint8"),
    ],
)
def test_an_array_that_does_not_fit_is_refused(pixels, channels, reason) -> None:
    with pytest.raises(BadImageError, match=reason):
        decode(to_npy(pixels), size=2, channels=channels, fit="squash")


def npy(header: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode("latin-1") + data


WELL = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2)}\n"


@pytest.mark.parametrize(
    "data",
    [
        npy(WELL.replace("2, 2", f"{2**40}, {2**20}")),  # a size that no memory has
        npy(WELL, bytes(3)),
        npy(WELL, bytes(5)),
        npy(WELL.replace("False", "True"), bytes(4)),
        npy(WELL.replace("|u1", "|O"), bytes(32)),
        npy(WELL.replace("2, 2", "-2, -2"), bytes(4)),
        npy("{'descr': \"\"\"'|u1'}\n"),  # no Python
        npy("(" * 5000),
        npy(WELL, bytes(4)).replace(b"\1\0", b"\2\0", 1),
        b"\x93NUMPY",
    ],
)
def test_a_file_that_begins_like_an_array_of_ours_is_no_array(data: bytes) -> None:
    with pytest.raises(BadImageError, match=r"\.npy"):
        decode(data, size=2, channels=1, fit="squash")
    assert facts(data)["source_height"] == 0
    assert bit_depth(data) is None


def test_such_an_array_is_read_where_it_is_whole() -> None:
    assert decode(npy(WELL, bytes(4)), size=2, channels=1, fit="squash").tolist() == np.zeros((2, 2, 1)).tolist()


@pytest.mark.parametrize("kind", ["PPM", "EPS", "TGA", "WEBP", "ICO"])
def test_formats_that_are_not_named_are_not_tried(kind: str) -> None:
    with pytest.raises(BadImageError, match="not an image in a known format"):
        decode(encode(solid("RGB", 1, (16, 16)), kind), size=4, channels=1, fit="squash")
