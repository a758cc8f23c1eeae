"""Where the source of a paragraph that is still open can be cut, so that its first rows are certain."""

import re
from bisect import bisect_left
from collections.abc import Sequence

from chatcli.terminal.markdown.blocks import Leaf, inline
from chatcli.terminal.rows import Break, Piece, break_text
from chatcli.terminal.theme import PLAIN

_WIDE = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60"
_WORD = re.compile(rf"(?<=\s)\S|(?<=[{_WIDE}])(?=[{_WIDE}])")


def laid_out(leaf: Leaf, source: str, width: int) -> tuple[tuple[Piece, ...], list[Break]]:
    """The pieces of a paragraph or a heading, and where its rows break."""
    style = PLAIN
    if leaf.kind == "heading":
        style = "title" if leaf.token.tag == "h1" else "heading"
    pieces = inline(source, style)[0]
    return pieces, break_text("".join(text for text, _ in pieces), leaf.inner(width))


def cut_text(
    leaf: Leaf, pieces: Sequence[Piece], breaks: Sequence[Break], count: int, *, forced: bool
) -> tuple[str, str] | None:
    """Cut the source of a paragraph so that its first ``count`` rows are apart, each part as it looked.

    Delimiters that are open there are closed and opened again, if need be. Where that does not do, as inside
    a link, a part of the source is taken as it stands.
    """
    source, text = leaf.text, "".join(part for part, _ in pieces)
    shown = breaks[count].start
    soft = breaks[count - 1].soft
    slack = len(source) - len(text)
    window = range(shown, min(len(source), shown + slack + 1) + 1)
    places = [at for at in window if (soft and at < len(source)) or _WORD.match(source, at)]

    def head(at: int) -> str:
        return source[:at].rstrip()

    def seen(at: int) -> int:
        marks = inline(head(at))[1] or ""
        return len("".join(part for part, _ in inline(head(at) + marks[::-1])[0]).rstrip())

    wanted = len(text[:shown].rstrip())
    place = bisect_left(places, wanted, key=seen)
    at = places[place] if place < len(places) and seen(places[place]) == wanted else 0
    after = _WORD.search(source, at + 1)
    if at and not forced:
        if after is None or inline(head(after.start()))[1] != "":
            return None
        return head(at), source[at:]
    if at:
        marks = inline(head(at))[1] or ""
        return head(at) + marks[::-1], marks + source[at:]
    if not forced:
        return None
    at = len(source) * count // len(breaks)
    after = _WORD.search(source, at)
    at = after.start() if after else at
    return head(at), source[at:]
