"""Pictures for tests: small, real, with bytes that can be read."""

import hashlib
import io

from PIL import Image

from chatcli.chat.message import Picture


def picture(name: str = "cat.png", kind: str = "PNG", color: str = "red") -> Picture:
    """A picture of one colour.

    Args:
        kind: Pillow's name of a format.
    """
    out = io.BytesIO()
    Image.new("RGB", (4, 3), color).save(out, kind)
    data = out.getvalue()
    return Picture(hashlib.sha256(data).hexdigest(), name, lambda: data)
