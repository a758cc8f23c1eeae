"""Markdown that arrives in pieces and leaves as rows.

What comes in fills blocks; each block gives its rows away as soon as they are certain. The line that is still
coming is shown by letting a copy of the parser take it as if it were complete.
"""

import re

from chatcli.terminal.markdown.blocks import Code, Text
from chatcli.terminal.markdown.parser import BlockParser, expand_indent
from chatcli.terminal.rows import Row

#: What a line says that may still become something else than text.
_UNDECIDED = re.compile(r"\s*(?:[-+*_=|: \t]*|\d{1,9}[.)]?|#{1,6}|`{1,2}|~{1,2}|`{3}.*|~{3}.*)")
_MARKS = " \t-+*_=#>`~|:"
_LONGEST_LINE = 4_000  # characters after which a line is taken as it is, however it might go on


class MarkdownStream:
    """The rows of an answer in markdown, as far as they are certain, and those that are not.

    Args:
        unicode: the terminal can show bullets and lines beyond ASCII.
    """

    def __init__(self, *, unicode: bool = True) -> None:
        self._parser = BlockParser(unicode)
        self._line = ""  # the line that is still coming
        self._running = False  # its beginning is in the open block already

    def feed(self, text: str) -> None:
        """Take the next piece, harmless already (``sanitize``)."""
        first, *others = text.split("\n")
        self._extend(first)
        for line in others:
            self._end_line()
            self._extend(line)

    def take(self, width: int, height: int) -> list[Row]:
        """Remove and return the rows that are certain; see ``Block.take``."""
        if self._line and not self._running and self._code() is None:
            self._run_on()
        rows = [row for block in self._parser.closed for row in block.rest(width)]
        self._parser.closed.clear()
        code = self._code()
        if code is not None:
            block, content = code
            block.partial = content
            rows += block.take(width, height)
            self._running = self._running or len(block.partial) < len(content)
            if self._running:
                self._line = ""
            else:
                block.partial = ""
        elif self._parser.block is not None:
            rows += self._parser.block.take(width, height)
        return rows

    def live(self, width: int) -> list[Row]:
        """The rows that may still change, as they look now."""
        code = self._code()
        parser = self._parser.copy()
        if code is not None:
            content = code[1]
            assert isinstance(parser.block, Code)
            if content.strip("`~ ") or not content:  # else it is perhaps the closing fence
                parser.block.partial = content
        elif self._line.strip(_MARKS):
            parser.line(expand_indent(self._line))
        blocks = [*parser.closed, *([parser.block] if parser.block is not None else [])]
        return [row for block in blocks for row in block.rest(width)]

    def finish(self, width: int) -> list[Row]:
        """Take everything that is left as complete and return its rows."""
        if self._line or self._running:
            self._end_line()
        self._parser.close()
        return self.take(width, 1)

    def _extend(self, text: str) -> None:
        block = self._parser.block
        if not self._running:
            self._line += text
        elif isinstance(block, Code):
            block.partial += text.expandtabs()
        elif isinstance(block, Text):
            block.source += text

    def _end_line(self) -> None:
        block = self._parser.block
        if not self._running:
            self._parser.line(expand_indent(self._line))
        elif isinstance(block, Code):
            block.lines += (block.partial,)
            block.partial = ""
        elif isinstance(block, Text):
            block.source = block.source.rstrip()
        self._line, self._running = "", False

    def _code(self) -> tuple[Code, str] | None:
        """The fenced code the unfinished line belongs to, and what it has of the line."""
        if self._running:
            block = self._parser.block
            return (block, block.partial) if isinstance(block, Code) else None
        if not self._line:
            return None
        found = self._parser.code_line(expand_indent(self._line))
        return (found[0], found[1].expandtabs()) if found is not None else None

    def _run_on(self) -> None:
        """Take the beginning of a line, once it is certain what the line is."""
        line = expand_indent(self._line)
        parser = self._parser.copy()
        parser.line(line)
        block = parser.block
        is_text = isinstance(block, Text) and not block.level and not block.held
        if isinstance(block, Text) and is_text:
            certain = _UNDECIDED.fullmatch(block.source.rpartition("\n")[2]) is None
        else:
            certain = False
        if not certain and len(line) < _LONGEST_LINE:
            return
        parser.closed[:0] = self._parser.closed
        self._parser, self._line, self._running = parser, "", isinstance(block, Text) and is_text
        if isinstance(block, Text):
            block.held = False
            block.source += line[len(line.rstrip()) :]
