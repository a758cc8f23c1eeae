"""Decodes pictures for a model to look at. The one door to Pillow.

Pictures come from anywhere: only common formats are tried, nothing larger than ``MOST_PIXELS`` is unpacked,
and whatever a decoder stumbles on is one ``DataError``. llama.cpp's own decoder (stb_image) has no such
bounds, and knows neither WebP nor the orientation that cameras note.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from chatcli.chat.pictures import MOST_BYTES
from chatcli.errors import ChatcliError, DataError
from chatcli.words import binary_size

#: The most that is unpacked.
MOST_PIXELS = 80_000_000
# Formats by Pillow's name, and the ending files of it get.
_SUFFIXES = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tiff",
    "AVIF": ".avif",
}
#: Endings of files that are probably pictures.
SUFFIXES = frozenset({*_SUFFIXES.values(), ".jpeg", ".tif"})
# A JPEG with more pictures behind the first, as some cameras write it.
_SEVERAL = "MPO"
_ORIENTATION = 0x0112  # EXIF tag
_SIDEWAYS = {5, 6, 7, 8}  # its values for pictures whose width is stored as their height


class PictureFacts(NamedTuple):
    """What is known of a picture without unpacking it.

    Attributes:
        suffix: the ending of files of its format, with the dot.
        width, height: in pixels, the right way up.
    """

    suffix: str
    width: int
    height: int


class Pixels(NamedTuple):
    """A picture, the right way up, transparency on white.

    Attributes:
        rgb: ``3 * width * height`` bytes, row by row.
    """

    width: int
    height: int
    rgb: bytes


def facts(data: bytes, name: str) -> PictureFacts:
    """What a picture is, from its first bytes.

    Args:
        data: the file.
        name: what to call it in an error.

    Raises:
        DataError: it is no picture, none of a format that is known, or too large.
    """
    image = _opened(data, name)
    width, height = image.size
    with _damage_is_told(name):
        if image.getexif().get(_ORIENTATION) in _SIDEWAYS:
            width, height = height, width
    kind = "JPEG" if image.format == _SEVERAL else image.format
    return PictureFacts(_SUFFIXES[kind], width, height)


def pixels(file: bytes, name: str) -> Pixels:
    """A picture unpacked; of a moving one the first frame.

    Raises:
        DataError: as ``facts``, or it is damaged.
    """
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
    """The picture as Pillow has it, its header read.

    Raises:
        DataError: as ``facts``.
    """
    from PIL import Image, UnidentifiedImageError

    if len(data) > MOST_BYTES:
        raise DataError(f"{name} has more than {binary_size(MOST_BYTES)}; make it smaller")
    Image.init()
    known = [kind for kind in _SUFFIXES if kind in Image.OPEN]  # a build of Pillow may lack one
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
    """Decoders raise whatever they stumble on: that is a ``DataError``."""
    try:
        yield
    except ChatcliError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{name} is a damaged picture: {reason}") from None
