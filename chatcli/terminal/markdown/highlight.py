"""Colours source code line by line as it arrives, with pygments' grammars.

A pygments lexer wants the whole source. Running it again for every line would cost more the longer the code
is, so the lexer's stack of states is kept between lines, and only what may still belong to an unfinished
comment or string is read again.
"""

from typing import Any

from chatcli.terminal.rows import BLUE, CYAN, DIM, GREEN, MAGENTA, PLAIN, RED, Piece, Style

_LONGEST_LINE = 2_000  # characters; some grammars take quadratic time on longer ones
_LONGEST_REREAD = 4_000  # characters that are read again at most

_STYLES: dict[str, Style] = {
    "Comment": DIM,
    "Keyword": MAGENTA,
    "Operator.Word": MAGENTA,
    "Literal.String": GREEN,
    "Literal.Number": CYAN,
    "Name.Function": BLUE,
    "Name.Class": BLUE,
    "Name.Tag": BLUE,
    "Name.Builtin": CYAN,
    "Name.Decorator": CYAN,
    "Name.Attribute": CYAN,
    "Generic.Deleted": RED,
    "Generic.Inserted": GREEN,
    "Generic.Heading": BLUE,
}


class Highlighter:
    """The colours of one code block.

    Args:
        language: as written after the fence; an unknown one gets no colours.
    """

    def __init__(self, language: str) -> None:
        self._lexer = _lexer(language)
        self._stack: tuple[str, ...] = ("root",)
        self._reread = ""

    def line(self, text: str) -> list[Piece]:
        """Colour the next complete line, given without its newline."""
        pieces, stack, last = self._lex(text)
        source = self._reread + text + "\n"
        # A grammar may match the beginning of a long comment as if it went to the end of the source.
        unfinished = stack is None or (last.startswith(("Comment.Multiline", "Literal.String")))
        if unfinished and len(source) < _LONGEST_REREAD:
            self._reread = source
        else:
            self._reread = ""
            self._stack = stack or ("root",)
        return pieces

    def preview(self, text: str) -> list[Piece]:
        """Colour a line that is not complete yet."""
        return self._lex(text)[0]

    def _lex(self, text: str) -> tuple[list[Piece], tuple[str, ...] | None, str]:
        """The pieces of a line, the lexer's states after it (None: unknown) and the kind of its last
        token."""
        if self._lexer is None or len(text) > _LONGEST_LINE:
            return [(text, PLAIN)], self._stack, ""
        source = self._reread + text + "\n"
        try:
            tokens, stack = _tokens(self._lexer, source, self._stack)
        except Exception:  # a grammar of a third party on arbitrary text: no colours rather than no answer
            return [(text, PLAIN)], self._stack, ""
        start, stop = len(self._reread), len(source) - 1
        pieces: list[Piece] = []
        at, last = 0, ""
        for kind, value in tokens:
            part = value[max(0, start - at) : max(0, stop - at)]
            if part:
                pieces.append((part, _style(kind)))
            if value.strip():
                last = ".".join(kind)
            at += len(value)
        if "".join(part for part, _ in pieces) != text:
            return [(text, PLAIN)], self._stack, ""
        return pieces, stack, last


def _lexer(language: str) -> Any:
    if not language:
        return None
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language.lower(), stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _tokens(
    lexer: Any, source: str, stack: tuple[str, ...]
) -> tuple[list[tuple[tuple[str, ...], str]], tuple[str, ...] | None]:
    """The tokens of ``source``, begun in the given states, and the states after it; None where they are
    hidden."""
    from pygments.lexer import ExtendedRegexLexer, LexerContext, RegexLexer

    if not isinstance(lexer, RegexLexer):
        return [(kind, value) for _, kind, value in lexer.get_tokens_unprocessed(source)], None
    context = LexerContext(source, 0, list(stack))
    # The extended lexer's loop runs any grammar of the plain one, and leaves its stack in the context.
    found = ExtendedRegexLexer.get_tokens_unprocessed(lexer, context=context)
    return [(kind, value) for _, kind, value in found], tuple(context.stack)


def _style(kind: tuple[str, ...]) -> Style:
    name = ".".join(kind)
    while name:
        if name in _STYLES:
            return _STYLES[name]
        name = name.rpartition(".")[0]
    return PLAIN
