from medjax.datasets.codestream import coded_size

SOF = b"\x00\x0b\x08" + (300).to_bytes(2) + (500).to_bytes(2) + b"\x01\x01\x11\x00"


def test_a_jpeg_says_its_size_after_any_number_of_segments() -> None:
    stream = b"\xff\xd8" + b"\xff\xe0\x00\x04ab" + b"\xff\xff\xfe\x00\x02" + b"\xff\xc1" + SOF
    assert coded_size(stream) == (300, 500)


def test_a_table_is_not_taken_for_a_frame() -> None:
    assert coded_size(b"\xff\xd8" + b"\xff\xc4\x00\x09\x00\x01\x01\x01\x01\x00\x00" + b"\xff\xf7" + SOF) == (300, 500)


def test_a_jpeg_2000_says_its_size_less_its_offset() -> None:
    size = b"".join(number.to_bytes(4) for number in (510, 320, 10, 20))
    assert coded_size(b"\xff\x4f\xff\x51\x00\x2f\x00\x00" + size) == (300, 500)
    assert coded_size(b"\x00\x00\x00\x0cjP  " + b"\xff\x4f\xff\x51\x00\x2f\x00\x00" + size) == (300, 500)


def test_what_is_cut_short_has_no_size_and_what_is_neither_is_not_judged() -> None:
    assert coded_size(b"\xff\xd8\xff\xe0\xff\xff") == (0, 0)
    assert coded_size(b"") is None
    assert coded_size(b"\x01\x00\x00\x00" * 16) is None
