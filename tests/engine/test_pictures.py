"""Pictures: what is taken, what they are turned into, and what is refused."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chatcli.engine.pictures import MOST_PIXELS, facts, pixels
from chatcli.errors import DataError
from tests.pictures import FORMATS


def _file(image: Image.Image, kind: str, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


@pytest.mark.parametrize(("kind", "suffix"), FORMATS)
def test_common_formats_are_read(kind: str, suffix: str) -> None:
    """Size and colour come out, whatever the format."""
    data = _file(Image.new("RGB", (30, 20), (200, 10, 10)), kind)
    assert facts(data, "a") == (suffix, 30, 20)
    width, height, rgb = pixels(data, "a")
    assert (width, height, len(rgb)) == (30, 20, 1800)
    assert all(abs(got - wanted) < 12 for got, wanted in zip(rgb[:3], (200, 10, 10), strict=True))


def test_a_photo_is_turned_the_right_way_up() -> None:
    """A camera held upright stores the picture lying and notes it; models shall see it as people do."""
    image = Image.new("RGB", (40, 20), "white")
    image.paste((255, 0, 0), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    data = _file(image, "PNG", exif=exif)
    assert facts(data, "a")[1:] == (20, 40)
    turned = pixels(data, "a")
    assert (turned.width, turned.height) == (20, 40)
    assert turned.rgb[:3] == b"\xff\x00\x00"
    assert turned.rgb[-3:] == b"\xff\xff\xff"


def test_transparency_is_white_and_sixteen_bits_are_scaled() -> None:
    """A drawing on nothing is a drawing on paper; a scan with 16 bits a pixel is no white page."""
    assert pixels(_file(Image.new("RGBA", (2, 1), (0, 0, 0, 0)), "PNG"), "a").rgb == b"\xff" * 6
    palette = Image.new("P", (1, 1), 0)
    assert pixels(_file(palette, "GIF", transparency=0), "a").rgb == b"\xff" * 3
    assert pixels(_file(Image.new("I;16", (1, 1), 0x8000), "PNG"), "a").rgb == b"\x80" * 3


@pytest.mark.parametrize(
    "data", [b"", b"GGUF", b"%PDF-1.4", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]
)
def test_what_is_no_picture_is_one_line(data: bytes) -> None:
    """The reason names the file."""
    with pytest.raises(DataError, match=r"^cat\.png .*\Z"):
        facts(data, "cat.png")


def test_a_picture_that_ends_early_is_damaged() -> None:
    """Half a file is said to be half a file, not shown to a model in grey."""
    data = _file(Image.effect_noise((64, 64), 90), "PNG")
    with pytest.raises(DataError, match="cat is a damaged picture"):
        pixels(data[: len(data) // 2], "cat")


def test_a_bomb_is_refused_from_its_header() -> None:
    """A small file that says it has a huge picture is refused before anything is unpacked."""
    side = int(MOST_PIXELS**0.5) + 10
    bomb = bytearray(_file(Image.new("1", (8, 8)), "BMP"))
    bomb[18:26] = side.to_bytes(4, "little") * 2
    for size in (side, 2**20):
        bomb[18:26] = size.to_bytes(4, "little") * 2
        with pytest.raises(DataError, match="80 million pixels"):
            facts(bytes(bomb), "bomb")


@given(st.data())
@settings(deadline=None)  # a changed size may be a large one
def test_damage_anywhere_is_a_picture_or_one_line(data: st.DataObject) -> None:
    """Any bytes changed anywhere: pixels of the size that was told, or a ``DataError``."""
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]))
    file = bytearray(_file(Image.linear_gradient("L").resize((16, 16)), kind))
    for at in data.draw(st.lists(st.integers(0, len(file) - 1), min_size=1, max_size=8)):
        file[at] = data.draw(st.integers(0, 255))
    try:
        got = pixels(bytes(file), "a")
    except DataError:
        pass
    else:
        assert len(got.rgb) == 3 * got.width * got.height
