"""JSON text that is safe to print on a terminal."""

import json
import re
from typing import Any

# What `json` does not escape although a terminal acts on it or UTF-8 cannot encode it: DEL and C1, invisible
# characters that reorder, separate or hide text, lone surrogates.
_UNSAFE = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def json_text(record: Any, *, indent: int | None = None) -> str:
    """A value as JSON text with a final newline; on one line unless ``indent`` is given.

    It reads back exactly, except that two adjacent lone surrogates that form a pair become one character
    (RFC 8259, section 7).
    """
    return _UNSAFE.sub(_escaped, json.dumps(record, ensure_ascii=False, indent=indent)) + "\n"


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
