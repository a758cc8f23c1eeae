"""A parser of markdown's blocks (CommonMark 0.31, sections 3 to 5, and GitHub's tables) that works line by
line and never looks back.

Not taken over from CommonMark: HTML blocks and link definitions are paragraphs, so that nothing is hidden.
"""

import re
from dataclasses import dataclass, field

from chatcli.terminal.markdown.blocks import Block, Code, Prefix, Rule, Table, Text
from chatcli.terminal.markdown.highlight import Highlighter
from chatcli.terminal.markdown.table import MOST_COLUMNS, delimiter_alignments, split_cells
from chatcli.terminal.rows import DIM, PLAIN, Piece

_FENCE = re.compile(r"(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})(?P<info>.*)")
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+|$)(.*)")
_RULE = re.compile(r" {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
_QUOTE = re.compile(r" {0,3}> ?")
_ITEM = re.compile(r"(?P<indent> {0,3})(?P<marker>[-+*]|[0-9]{1,9}[.)])(?P<space>[ \t]+|$)")
_CLOSING_MARKS = re.compile(r"(?:^|[ \t]+)#+[ \t]*$")
_DEEPEST = 16  # quotations and lists within each other; deeper markers are text
_BULLETS = ("• ", "◦ ", "▪ ")
_ASCII_BULLETS = ("* ", "- ", "+ ")


@dataclass(slots=True)
class _Container:
    """A quotation (``indent`` 0) or an item of a list, whose content stands ``indent`` columns in."""

    indent: int
    marker: Piece
    marked: bool = False  # its marker stands before a block already

    @property
    def later(self) -> Piece:
        return self.marker if not self.indent else (" " * len(self.marker[0]), PLAIN)


@dataclass(slots=True)
class BlockParser:
    """Takes lines; ``closed`` are complete blocks, ``block`` is the last, which may go on."""

    unicode: bool
    containers: list[_Container] = field(default_factory=list)
    closed: list[Block] = field(default_factory=list)
    block: Block | None = None
    blank: bool = False  # a blank line came after the last block
    began: bool = False

    def copy(self) -> "BlockParser":
        """A copy that can go on without changing this one."""
        block = self.block.copy() if self.block is not None else None
        containers = [_Container(c.indent, c.marker, c.marked) for c in self.containers]
        return BlockParser(self.unicode, containers, [], block, self.blank, self.began)

    def line(self, line: str) -> None:
        """Take a complete line, without its newline."""
        depth, rest = self._enter(line)
        block = self.block
        inside = depth == len(self.containers)
        if isinstance(block, Code) and inside and self._goes_on_as_code(block, rest):
            return
        if not rest.strip():
            self._blank_line(depth)
            return
        if isinstance(block, Text) and not block.level and not inside and self._is_lazy(rest):
            block.source += "\n" + rest.strip()
            return
        if not inside:
            self.close()
            del self.containers[depth:]
        rest = self._open_containers(rest)
        self._leaf(rest)

    def code_line(self, line: str) -> tuple[Code, str] | None:
        """The code block that a line belongs to, and the part of the line that is its content."""
        depth, rest = self._enter(line)
        block = self.block
        if not isinstance(block, Code) or not block.fence or depth < len(self.containers):
            return None
        return block, _dedent(rest, block.indent)

    def _enter(self, line: str) -> tuple[int, str]:
        """How many of the open containers a line belongs to, and what it says inside them."""
        rest = line
        for depth, container in enumerate(self.containers):
            if not container.indent:
                match = _QUOTE.match(rest)
                if match is None:
                    return depth, rest
                rest = rest[match.end() :]
            elif not rest.strip():
                rest = ""
            elif _indentation(rest) >= container.indent:
                rest = _dedent(rest, container.indent)
            else:
                return depth, rest
        return len(self.containers), rest

    def _goes_on_as_code(self, block: Code, rest: str) -> bool:
        if block.fence:
            closing = _FENCE.fullmatch(rest)
            if closing and closing["fence"].startswith(block.fence) and not closing["info"].strip():
                block.closing = closing["fence"]
                self.close()
            else:
                block.lines += (_dedent(rest, block.indent).expandtabs(),)
            return True
        if not rest.strip():
            block.blanks += 1
            return True
        if _indentation(rest) < 4:
            return False
        block.lines += ("",) * block.blanks + (_dedent(rest, 4).expandtabs(),)
        block.blanks = 0
        return True

    def _blank_line(self, depth: int) -> None:
        quoted = any(not container.indent for container in self.containers[depth:])
        if quoted:
            del self.containers[depth:]
        self.close()
        self.blank = True

    def _is_lazy(self, rest: str) -> bool:
        """Whether a line outside the containers of a paragraph still belongs to it."""
        starts = _FENCE.fullmatch(rest) or _HEADING.fullmatch(rest) or _RULE.fullmatch(rest)
        return not (starts or _QUOTE.match(rest) or _ITEM.match(rest))

    def _open_containers(self, rest: str) -> str:
        while len(self.containers) < _DEEPEST:
            if match := _QUOTE.match(rest):
                self.close()
                bar = "│ " if self.unicode else "| "
                self.containers.append(_Container(0, (bar, DIM)))
                rest = rest[match.end() :]
            elif (match := _ITEM.match(rest)) and not _RULE.fullmatch(rest):
                if isinstance(self.block, Text) and not self._interrupts(match, rest):
                    return rest
                self.close()
                rest = self._open_item(match, rest)
            else:
                return rest
        return rest

    @staticmethod
    def _interrupts(match: re.Match[str], rest: str) -> bool:
        """Whether an item may follow the line of a paragraph: not an empty one, nor one that starts at 2."""
        starts_list = match["marker"] in "-+*" or match["marker"][:-1] == "1"
        return starts_list and bool(rest[match.end() :].strip())

    def _open_item(self, match: re.Match[str], rest: str) -> str:
        before = len(match["indent"]) + len(match["marker"])
        space = len((" " * before + match["space"]).expandtabs(4)) - before
        content = rest[match.end() :]
        if space > 4 or not content.strip():  # the content is indented code, or not there yet
            content, space = (" " * (space - 1) + content if content.strip() else ""), 1
        level = sum(1 for container in self.containers if container.indent)
        marker = match["marker"]
        if marker in "-+*":
            bullets = _BULLETS if self.unicode else _ASCII_BULLETS
            shown = bullets[level % len(bullets)]
        else:
            shown = marker + " "
        self.containers.append(_Container(before + space, (shown, PLAIN)))
        return content

    def _leaf(self, rest: str) -> None:
        block = self.block
        text = rest.strip()
        if isinstance(block, Text) and not block.level:
            if self._turns_into_another(block, rest):
                return
        elif isinstance(block, Table) and text:
            block.body += (split_cells(text),)
            return
        if not text:  # an item without content
            self._open(Text())
        elif _indentation(rest) >= 4 and not isinstance(block, Text):
            self._open(Code(lines=(_dedent(rest, 4).expandtabs(),)))
        elif match := _HEADING.fullmatch(rest):
            self._open(Text(source=_CLOSING_MARKS.sub("", match[2]).strip(), level=len(match[1])))
            self.close()
        elif _RULE.fullmatch(rest):
            self._open(Rule())
            self.close()
        elif (match := _FENCE.fullmatch(rest)) and not (match["fence"][0] == "`" and "`" in match["info"]):
            words = match["info"].split()
            highlighter = Highlighter(words[0] if words else "")
            marker = match["fence"] + match["info"].rstrip().expandtabs()
            self._open(
                Code(
                    fence=match["fence"], indent=len(match["indent"]), highlighter=highlighter, marker=marker
                )
            )
        elif isinstance(self.block, Text):
            self.block.source += ("\n" if self.block.source else "") + text
            self.block.held = False
        else:
            self._open(Text(source=text, held="|" in text))

    def _turns_into_another(self, block: Text, rest: str) -> bool:
        """Whether a line makes a heading or a table of the paragraph before it."""
        if not block.source or "\n" in block.source or block.begun:
            return False
        if match := _UNDERLINE.fullmatch(rest):
            block.level = 1 if match[1][0] == "=" else 2
            self.close()
            return True
        alignments = delimiter_alignments(rest) if block.held else None
        head = split_cells(block.source)
        if alignments is None or len(alignments) != len(head) or len(head) > MOST_COLUMNS:
            return False
        self.block = Table(block.prefix, head=head, alignments=alignments)
        return True

    def _open(self, block: Block) -> None:
        """Begin a block inside the open containers."""
        self.close()
        if self.blank and self.began:
            quoted = [i for i, c in enumerate(self.containers) if c.marked and not c.indent]
            bars = tuple(c.later for c in self.containers[: quoted[-1] + 1]) if quoted else ()
            self.closed.append(Block(Prefix(bars, bars)))
        first = tuple(c.later if c.marked else c.marker for c in self.containers)
        block.prefix = Prefix(first, tuple(c.later for c in self.containers))
        for container in self.containers:
            container.marked = True
        self.block, self.blank, self.began = block, False, True

    def close(self) -> None:
        """The open block is complete."""
        if self.block is None:
            return
        if isinstance(self.block, Code) and not self.block.fence and self.block.blanks:
            self.blank = True
        self.closed.append(self.block)
        self.block = None


def expand_indent(line: str) -> str:
    """The line with the tabs of its indentation as spaces."""
    content = line.lstrip(" \t")
    return line[: len(line) - len(content)].expandtabs(4) + content


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _dedent(line: str, columns: int) -> str:
    return line[min(columns, _indentation(line)) :]
