"""JSON that is harmless for a terminal and still says exactly the same."""

import json
import re
from typing import Any

# What `json` leaves as it is and a terminal acts on or UTF-8 cannot hold: DEL and C1, invisible characters
# that reorder, separate or hide text, lone surrogates. C0 it escapes itself.
_UNSAFE = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def json_text(record: Any, *, indent: int | None = None) -> str:
    """A value as JSON text that ends with a newline; on one line without ``indent``.

    Two lone surrogates that stand next to each other and make a pair are one character to any reader of
    JSON (RFC 8259, section 7); everything else reads back exactly.
    """
    return _UNSAFE.sub(_escaped, json.dumps(record, ensure_ascii=False, indent=indent)) + "\n"


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
