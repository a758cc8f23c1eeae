"""Pictures for tests: files that Pillow makes."""

import hashlib
import io
from pathlib import Path

from PIL import Image

from chatcli.chat.message import Picture

#: Formats that are read, by Pillow's name, and the suffix their files get; MPO is a JPEG to us.
FORMATS = (
    *(("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("GIF", ".gif"), ("BMP", ".bmp")),
    *(("TIFF", ".tiff"), ("AVIF", ".avif"), ("MPO", ".jpg")),
)


def picture_bytes(color: str = "red", size: tuple[int, int] = (30, 20), kind: str = "PNG") -> bytes:
    """The file of a picture of one colour."""
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, kind)
    return out.getvalue()


def picture(name: str = "cat.png", color: str = "red", kind: str = "PNG") -> Picture:
    """A picture that is attached."""
    data = picture_bytes(color, kind=kind)
    return Picture(hashlib.sha256(data).hexdigest(), name, lambda: data)


def picture_file(path: Path, color: str = "red", size: tuple[int, int] = (30, 20)) -> Path:
    """A picture on disk, 30 x 20 pixels unless another size is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture_bytes(color, size))
    return path


def bytes_of(shown: Picture) -> bytes:
    """What a model is given of it."""
    assert shown.read is not None
    return shown.read()
