"""Names what a file is when it is not a GGUF: a web page, a pointer, an archive, another format."""

_ARCHIVES = (
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"(\xb5/\xfd", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
)
# Little-endian writings of 'ggml', 'ggmf', 'ggjt', and 'ggla', which was an adapter.
_LEGACY = (b"lmgg", b"fmgg", b"tjgg", b"algg")
_CONVERT = "convert it to GGUF with llama.cpp's convert_hf_to_gguf.py, or download a GGUF"
_AGAIN = "download it again"
_INCOMPLETE = "the download is incomplete"

#: What a file is, and what to do instead; both empty: it begins like a GGUF.
Foreign = tuple[str, str]
_NOTHING: Foreign = ("", "")


def what_it_is(head: bytes, size: int) -> Foreign:
    """Why a file is not a GGUF, in words.

    Args:
        head: its first bytes, some hundreds.
        size: its length in bytes.
    """
    if size == 0:
        return "the file is empty", _AGAIN
    if head.startswith(b"GGUF"):
        return _NOTHING
    if len(head) < 8 and b"GGUF".startswith(head[:4]):
        return ends_inside(size)
    if not any(head):
        return "it begins with zeros", "the download was not finished"
    text = _text_file(head)
    return text if text != _NOTHING else _binary_file(head)


def ends_inside(size: int) -> Foreign:
    """What a file is that has no whole header."""
    return f"the file ends inside its header, at byte {size}", _INCOMPLETE


def _text_file(head: bytes) -> Foreign:
    if head.startswith(b"version https://git-lfs"):
        return "it is a git-LFS pointer, not the model itself", "run `git lfs pull`, or download the file"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<script")):
        return "it is a saved web page, not a model", "use the page's download link"
    if any(byte < 32 and byte not in b"\t\r\n" for byte in head):
        return _NOTHING
    first = head.decode("utf-8", "replace").strip().splitlines()
    if first and all(c.isprintable() or c == "\t" for c in first[0]) and "\ufffd" not in first[0]:
        shown = first[0] if len(first[0]) <= 40 else first[0][:37] + "..."
        return f"it is a text file, not a model; it begins: {shown}", ""
    return _NOTHING


def _binary_file(head: bytes) -> Foreign:
    if head.startswith(b"FUGG"):
        return "it is a byte-swapped GGUF", _AGAIN
    if head.startswith(b"PK\x03\x04"):
        return "it is a zip archive or a PyTorch checkpoint", _CONVERT
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 30:
        return "it holds safetensors weights", _CONVERT
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "it is a Python pickle", _CONVERT
    if head.startswith(_LEGACY):
        return "it is in GGML, the format before GGUF, which llama.cpp no longer reads", "download a GGUF"
    for magic, name in _ARCHIVES:
        if head.startswith(magic):
            return f"it is {name}", "unpack it first"
    return f"it is not a GGUF file: it begins with {head[:4].hex(' ')}", ""
