"""How things look: the one mapping from the names of styles to rich's style definitions."""

from functools import lru_cache

#: A style: words of rich's definitions ("bold", "cyan") and names of ``THEME``, apart by spaces. Empty: none.
Style = str
PLAIN: Style = ""
BOLD: Style = "bold"
DIM: Style = "dim"
RED: Style = "red"

# Only attributes and those of the terminal's own sixteen colours that are legible on light and on dark.
THEME = {
    "title": "bold underline",
    "heading": "bold",
    "code": "cyan",
    "strong": "bold",
    "em": "italic",
    "s": "strike",
    "link": "underline",
    "target": "dim",
    "html": "dim",
    "frame": "dim",
    "bar.done": "green",
    "bar.part": "cyan",
    "comment": "dim",
    "keyword": "magenta",
    "string": "green",
    "number": "cyan",
    "definition": "blue",
    "builtin": "cyan",
    "deleted": "red",
    "inserted": "green",
}
# SGR parameters (ECMA-48, 8.3.117): a row is painted without loading rich.
_SGR = {"bold": 1, "dim": 2, "italic": 3, "underline": 4, "strike": 9}
_COLOURS = {"red": 31, "green": 32, "blue": 34, "magenta": 35, "cyan": 36}


def definition(style: Style) -> str:
    """A style in rich's words only, each once."""
    words = [word for name in style.split() for word in THEME.get(name, name).split()]
    return " ".join(dict.fromkeys(words))


@lru_cache(maxsize=512)
def sgr(style: Style, *, colored: bool) -> str:
    """The escape sequence that begins a style, or an empty string; without ``colored`` attributes only."""
    known = _SGR | _COLOURS if colored else _SGR
    codes = [str(known[word]) for word in definition(style).split() if word in known]
    return f"\x1b[{';'.join(codes)}m" if codes else ""
