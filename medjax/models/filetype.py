"""Tells what a weights file holds from its first bytes, whatever it is called."""

TORCH_ZIP = "a PyTorch zip file"
TORCH_LEGACY = "a PyTorch file of the legacy format"
SAFETENSORS = "a safetensors file"
HEAD_BYTES = 512

# torch.save begins the legacy format with the pickled integer 0x1950a86a20f9469cfc6c (torch/serialization.py).
LEGACY_MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa850192e")

_SIGNATURES = (
    (b"PK\x03\x04", TORCH_ZIP),
    (b"version https://git-lfs", "a Git LFS pointer, not the weights (run `git lfs pull`)"),
    (b"\x1f\x8b", "a gzip file (unpack it first)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array file"),
)


def sniff(head: bytes) -> str:
    """Name the kind of a file.

    Args:
        head: the first HEAD_BYTES bytes of the file, fewer when the file is shorter.

    Returns:
        TORCH_ZIP, TORCH_LEGACY, SAFETENSORS or words for an error message.
    """
    if not head:
        return "an empty file"
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[0] == 0x80:
        # Protocol 4 puts a frame header between the protocol byte and the magic number.
        return TORCH_LEGACY if LEGACY_MAGIC in head[:32] else "a pickle that torch.save did not write"
    if head[8:9] == b"{":
        return SAFETENSORS
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "a web page (the download answered with an error page)"
    if head[257:262] == b"ustar":
        return "a tar file (PyTorch 0.1 wrote these; load and save it again with a newer PyTorch)"
    return "neither a PyTorch nor a safetensors file"
