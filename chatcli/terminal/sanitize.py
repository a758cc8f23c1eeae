"""Makes untrusted text harmless for a terminal.

A model, a transcript or a file may carry escape sequences (move the cursor, set the clipboard, hide text)
and invisible characters that reorder what is read. Rich and prompt_toolkit let most of them through, so
everything that did not come from this program passes here first. The map looks at one character at a time and
keeps no state: it cannot be defeated by where a stream was cut.
"""

import re

# Shown instead: C0 and DEL as ^X, C1 as <9b>, the rest as <U+XXXX>. Kept: \n, \t, ZWJ (emoji need it).
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\u2028\u2029"  # line and paragraph separators
    "\u206a-\u206f\ufff9-\ufffb\ufeff"  # deprecated format, annotation, BOM
    "\ud800-\udfff"  # lone surrogates cannot be encoded
    "\U000e0000-\U000e007f]"  # tags: invisible text
)


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20 or code == 0x7F:
        return "^" + chr(code ^ 0x40)
    if code < 0xA0:
        return f"<{code:02x}>"
    return f"<U+{code:04X}>"


def sanitize(text: str) -> str:
    """Return ``text`` with everything that could act on a terminal made visible instead.

    ``\\r\\n`` is shown as a plain newline when both arrive together; a lone ``\\r`` is ``^M``.
    """
    return _UNSAFE.sub(_shown, text.replace("\r\n", "\n"))


def sanitize_line(text: str) -> str:
    """``sanitize`` for text that must stay on one line, such as a title or a file name."""
    return sanitize(text).replace("\n", " ").replace("\t", " ")
