"""The size that a compressed picture says it has, read without decoding it."""

from __future__ import annotations

_JPEG_2000 = b"\xff\x4f\xff\x51"
# Start-of-frame markers of JPEG (C0 to CF without DHT, JPG and DAC) and of JPEG-LS (F7).
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length


def coded_size(stream: bytes) -> tuple[int, int] | None:
    """Return height and width (pixels) of a JPEG, JPEG-LS or JPEG 2000 stream; None where it is none of these.

    A JPEG whose height comes only after its data counts as 0 rows.
    """
    start = stream.find(_JPEG_2000, 0, 4096)  # behind the boxes of a .jp2, which some writers leave around it
    if start >= 0:
        right, bottom, left, top = (int.from_bytes(stream[start + i : start + i + 4]) for i in (8, 12, 16, 20))
        return bottom - top, right - left
    if stream[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker in _FRAMES:
            return int.from_bytes(stream[at + 5 : at + 7]), int.from_bytes(stream[at + 7 : at + 9])
        at += 1 if marker == 0xFF else 2 if marker in _ALONE else 2 + int.from_bytes(stream[at + 2 : at + 4])
    return 0, 0
