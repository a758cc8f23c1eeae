"""Decodes pictures for a model. Only this module uses Pillow.

Pictures come from anywhere: only common formats are tried, nothing larger than ``MOST_PIXELS`` is decoded,
and every failure is a ``DataError``. llama.cpp's own decoder (stb_image) has no such limits, and knows
neither WebP nor the orientation that cameras record.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from chatcli.chat.pictures import MOST_BYTES
from chatcli.errors import ChatcliError, DataError
from chatcli.words import binary_size

#: The largest picture that is decoded.
MOST_PIXELS = 80_000_000
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")  # Pillow's names
#: Endings of files that are probably pictures.
SUFFIXES = frozenset({*(f".{kind.lower()}" for kind in _FORMATS), ".jpg", ".tif"})
_ORIENTATION = 0x0112  # EXIF tag
_SIDEWAYS = {5, 6, 7, 8}  # its values for pictures whose width is stored as their height


class PictureFacts(NamedTuple):
    """What is known of a picture before it is decoded: suffix of its format, and size the right way up."""

    suffix: str
    width: int
    height: int


class Pixels(NamedTuple):
    """A picture, the right way up, transparency on white; ``rgb`` has ``3 * width * height`` bytes."""

    width: int
    height: int
    rgb: bytes


def facts(data: bytes, name: str) -> PictureFacts:
    """What a picture is, from its first bytes. Errors call it ``name``.

    Raises:
        DataError: it is no picture, is in an unknown format, or is too large.
    """
    image = _opened(data, name)
    width, height = image.size
    with _damage_is_told(name):
        if image.getexif().get(_ORIENTATION) in _SIDEWAYS:
            width, height = height, width
    # MPO, which some cameras write, is a JPEG with more pictures behind it.
    suffix = ".jpg" if image.format in ("JPEG", "MPO") else f".{image.format.lower()}"
    return PictureFacts(suffix, width, height)


def pixels(file: bytes, name: str) -> Pixels:
    """Decode a picture, or the first frame of an animation. Raises ``DataError`` as ``facts`` does."""
    from PIL import Image, ImageOps

    image = _opened(file, name)
    with _damage_is_told(name):
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16 bits a pixel; convert would cut them off at 255
            upright = upright.convert("I").point(lambda value: value * (1 / 256)).convert("L")
        if upright.has_transparency_data:
            coloured = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
        rgb = upright.convert("RGB")
        data = rgb.tobytes()
    return Pixels(rgb.width, rgb.height, data)


def _opened(data: bytes, name: str) -> Any:
    """The picture as Pillow has it, with its header read. Errors as ``facts``."""
    from PIL import Image, UnidentifiedImageError

    if len(data) > MOST_BYTES:
        raise DataError(f"{name} has more than {binary_size(MOST_BYTES)}; make it smaller")
    Image.init()
    known = [kind for kind in _FORMATS if kind in Image.OPEN]  # a build of Pillow may lack one
    with _damage_is_told(name), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a large picture; the limit below is ours
        try:
            image = Image.open(io.BytesIO(data), formats=known)
        except UnidentifiedImageError:
            kinds = ", ".join(known)
            raise DataError(f"{name} is no picture of a known format ({kinds}); convert it first") from None
        except Image.DecompressionBombError:
            raise _too_large(name) from None
    if image.width * image.height > MOST_PIXELS:
        raise _too_large(name)
    return image


def _too_large(name: str) -> DataError:
    return DataError(f"{name} has more than {MOST_PIXELS // 10**6} million pixels; make it smaller")


@contextmanager
def _damage_is_told(name: str) -> Iterator[None]:
    """Turn the error of a decoder, which may be of any class, into a ``DataError``."""
    try:
        yield
    except ChatcliError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{name} is a damaged picture: {reason}") from None
