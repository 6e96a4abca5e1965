import pytest

from medjax.models import filetype


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"PK\x03\x04...", filetype.TORCH_ZIP),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M", filetype.TORCH_LEGACY),
        (b"\x10\0\0\0\0\0\0\0{}", filetype.SAFETENSORS),
        (b"", "an empty file"),
        (b"\x80\x04\x95", "a pickle that torch.save did not write"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "Git LFS pointer"),
        (b"\n <!DOCTYPE html><html>", "web page"),
        (b"\xef\xbb\xbf<html>", "web page"),
        (b"<?xml version='1.0'?><Error>", "web page"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"tensors".ljust(257, b"\0") + b"ustar", "tar file"),
        (b"\xff\xd8\xff\xe0", "neither"),
    ],
)
def test_kind_of_a_file_is_told_from_its_first_bytes(head, kind):
    assert kind in filetype.sniff(head)
