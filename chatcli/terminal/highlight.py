"""Colours source code line by line as it arrives, with pygments' grammars.

A pygments lexer wants the whole source. Running it again for every line would cost more the longer the code
is, so the lexer's stack of states is kept between lines, and only what may still belong to an unfinished
comment or string is read again.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from chatcli.terminal.rows import Piece
from chatcli.terminal.theme import PLAIN, Style

_LONGEST_LINE = 2_000  # characters; some grammars take quadratic time on longer ones
_LONGEST_REREAD = 4_000  # characters that are read again at most

_STYLES: dict[str, Style] = {
    "Comment": "comment",
    "Keyword": "keyword",
    "Operator.Word": "keyword",
    "Literal.String": "string",
    "Literal.Number": "number",
    "Name.Function": "definition",
    "Name.Class": "definition",
    "Name.Tag": "definition",
    "Name.Builtin": "builtin",
    "Name.Decorator": "builtin",
    "Name.Attribute": "builtin",
    "Generic.Deleted": "deleted",
    "Generic.Inserted": "inserted",
    "Generic.Heading": "definition",
}


class Highlighter:
    """The colours of one code block.

    Args:
        language: as written after the fence; an unknown one gets no colours.
    """

    def __init__(self, language: str) -> None:
        from pygments.lexers import get_lexer_by_name
        from pygments.util import ClassNotFound

        self._lexer: Any = None
        with suppress(ClassNotFound):
            if language:
                self._lexer = get_lexer_by_name(language.lower(), stripnl=False, ensurenl=False)
        self._stack: tuple[str, ...] = ("root",)
        self._reread = ""
        self._known: list[str] = []  # the lines so far but the last, and how they look
        self._coloured: list[list[Piece]] = []

    def lines(self, lines: Sequence[str]) -> list[list[Piece]]:
        """Colour all lines of the block, the last of which may not be complete; those before come again."""
        if self._known != lines[: len(self._known)]:
            self._known, self._coloured, self._reread, self._stack = [], [], "", ("root",)
        for text in lines[len(self._known) : -1]:
            self._known.append(text)
            self._coloured.append(self._line(text))
        last = [self._line(text, complete=False) for text in lines[len(self._known) :]]
        return [*self._coloured, *last]

    def forget(self, count: int) -> None:
        """The first lines will not come again."""
        del self._known[:count], self._coloured[:count]

    def _line(self, text: str, *, complete: bool = True) -> list[Piece]:
        """Colour the next line, given without its newline; one that is not complete comes again."""
        if self._lexer is None or len(text) > _LONGEST_LINE:
            return [(text, PLAIN)]
        source = self._reread + text + "\n"
        try:
            tokens, stack = _tokens(self._lexer, source, self._stack)
        except Exception:  # a grammar of a third party on arbitrary text: no colours rather than no answer
            return [(text, PLAIN)]
        start, stop = len(self._reread), len(source) - 1
        pieces: list[Piece] = []
        at, last = 0, ""
        for kind, value in tokens:
            if part := value[max(0, start - at) : max(0, stop - at)]:
                pieces.append((part, _style(kind)))
            last = kind if value.strip() else last
            at += len(value)
        if "".join(part for part, _ in pieces) != text:
            return [(text, PLAIN)]
        if complete:
            # A grammar may match the beginning of a long comment as if it went to the end of the source.
            unfinished = stack is None or last.startswith(("Comment.Multiline", "Literal.String"))
            if unfinished and len(source) < _LONGEST_REREAD:
                self._reread = source
            else:
                self._reread, self._stack = "", stack or ("root",)
        return pieces


def _tokens(
    lexer: Any, source: str, stack: tuple[str, ...]
) -> tuple[list[tuple[str, str]], tuple[str, ...] | None]:
    """Kinds and texts of the tokens, and the lexer's states after them; None where those are hidden."""
    from pygments.lexer import ExtendedRegexLexer, LexerContext, RegexLexer

    if not isinstance(lexer, RegexLexer):
        return [(".".join(kind), value) for _, kind, value in lexer.get_tokens_unprocessed(source)], None
    context = LexerContext(source, 0, list(stack))
    # The extended lexer's loop runs any grammar of the plain one, and leaves its stack in the context.
    found = ExtendedRegexLexer.get_tokens_unprocessed(lexer, context=context)
    return [(".".join(kind), value) for _, kind, value in found], tuple(context.stack)


def _style(kind: str) -> Style:
    while kind and kind not in _STYLES:
        kind = kind.rpartition(".")[0]
    return _STYLES.get(kind, PLAIN)
