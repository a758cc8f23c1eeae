"""The markdown that models write: CommonMark and tables by markdown-it, and the rules that differ.

What is not certainly markup stays as it is written: formulas, dunder names, paths with stars, HTML, link
definitions. Emphasis is recognised beside Chinese and Japanese characters and full-width punctuation, which
CommonMark 0.31 (section 6.2) does not do. A fence inside a ``markdown`` fence may be as long as its own.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from markdown_it import MarkdownIt, rules_block, rules_inline
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.table import getLine
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token

#: Stands before text that goes on from rows given away already. It cannot be in text that is harmless.
CONTINUED = "\x01"
_DEEPEST = 32  # levels of quotations and lists, two a list; deeper markers are text
_LONGEST_HEADING = 100  # characters that a line of ``---`` makes a heading of
_ESCAPABLE = frozenset("*_`~#|<>!+-.$&\"'\n")
_FORMULA = re.compile(
    r"\\\((?:[^\\]|\\(?!\)))*\\\)|\\\[(?:[^\\]|\\(?!\]))*\\\]|\$\$[^$]+\$\$|\$(?![\s$])[^$\n]*(?<![\s$\\])\$(?!\d)"
)
_DUNDER = re.compile(r"(?<!\w)__[A-Za-z0-9]\w*?__(?!\w)")
_GLOB = re.compile(r"\*+(?=/[*.])|(?<=/)\*+(?=[/.\w])")  # a part of a path, not emphasis
_WIDE = re.compile(
    "[\u2018-\u201f\u2026\u3000-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
_NESTED = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)")

_BlockRule = Callable[[StateBlock, int, int, bool], bool]


@lru_cache(maxsize=1)
def dialect() -> MarkdownIt:
    """The parser."""
    md = MarkdownIt("commonmark", {"maxNesting": _DEEPEST + 8})
    md.enable(["table", "strikethrough"])
    md.disable(["html_block", "reference"])
    md.normalizeLink = lambda url: url  # type: ignore[method-assign]
    ends = ["paragraph", "reference", "blockquote", "list"]
    md.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    md.block.ruler.at("fence", _fence, {"alt": ends})
    md.block.ruler.at("blockquote", _limited(rules_block.blockquote), {"alt": ends})
    md.block.ruler.at("list", _limited(rules_block.list_block), {"alt": ends[:3]})
    md.block.ruler.at("lheading", _lheading)
    md.block.ruler.before("fence", "formula", _formula_block, {"alt": ends})
    md.inline.ruler.at("escape", _escape)
    md.inline.ruler.at("emphasis", _emphasis)
    md.inline.ruler.at("link", _link)
    md.inline.ruler.before("escape", "formula", _formula)
    return md


def block_tokens(text: str) -> list[Token]:
    """The blocks of a text; what is in them is not parsed."""
    tokens: list[Token] = []
    md = dialect()
    md.block.parse(text, md, {}, tokens)
    return tokens


def inline_tokens(text: str) -> list[Token]:
    """What is in a paragraph, a heading or a cell."""
    tokens: list[Token] = []
    md = dialect()
    md.inline.parse(text, md, {}, tokens)
    return tokens


def code_blocks(text: str) -> list[str]:
    """The contents of all code blocks of an answer, in order, also inside of lists and quotations."""
    return [token.content for token in block_tokens(text) if token.type in {"fence", "code_block"}]


def _limited(rule: _BlockRule) -> _BlockRule:
    """The rule, down to the deepest level; markdown-it itself would leave out what is deeper."""
    return lambda state, start, end, silent: state.level < _DEEPEST and rule(state, start, end, silent)


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """As GitHub's; the lines are kept, since markdown-it drops the cells that are too many."""
    count = len(state.tokens)
    if not rules_block.table(state, start, end, silent):
        return False
    if not silent:
        state.tokens[count].meta["lines"] = [getLine(state, line) for line in range(start, state.line)]
    return True


def _lheading(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Only one short line becomes a heading by what is below it, so that long text is certain early."""
    text = getLine(state, start)
    if len(text) > _LONGEST_HEADING or text.startswith(CONTINUED) or start + 1 >= end:
        return False
    return rules_block.lheading(state, start, min(end, start + 2), silent)


def _fence(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """In a fence of markdown, a fence with a language begins an inner one, which the next bare one ends."""
    info = getLine(state, start).lstrip("`~").split()
    if silent or not info or info[0].lower() not in {"markdown", "md"}:
        return rules_block.fence(state, start, end, silent)
    inner, line = False, start + 1
    while line < end:
        match = _NESTED.fullmatch(getLine(state, line))
        outer = state.src[state.bMarks[start] + state.tShift[start]]
        if match and match["fence"][0] == outer:
            if inner and not match["info"].strip():
                inner = False
            elif not inner and match["info"].strip():
                inner = True
            elif not inner:
                break
        line += 1
    count = len(state.tokens)
    if not rules_block.fence(state, start, start + 1, silent):
        return False
    token = state.tokens[count]
    token.content = state.getLines(start + 1, line, state.sCount[start], True)
    state.line = min(line + 1, end)
    token.map = [start, state.line]
    return True


def _formula_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A formula that begins a line and ends one, at the latest before the next blank line."""
    text = getLine(state, start)
    closing = {"$$": "$$", "\\[": "\\]"}.get(text[:2])
    if closing is None or state.is_code_block(start):
        return False
    line = start
    while closing not in getLine(state, line)[2 if line == start else 0 :]:
        line += 1
        if line >= end or state.isEmpty(line) or state.sCount[line] < state.blkIndent:
            line -= 1
            break
    else:
        if not getLine(state, line).rstrip().endswith(closing):
            return False
    if not silent:
        token = state.push("formula", "", 0)
        token.content = state.getLines(start, line + 1, state.blkIndent, True)
        token.map = [start, line + 1]
        state.line = line + 1
    return True


def _formula(state: StateInline, silent: bool) -> bool:
    match = _FORMULA.match(state.src, state.pos, state.posMax)
    return match is not None and _written(state, match[0], silent)


def _written(state: StateInline, text: str, silent: bool) -> bool:
    """Take in text as it is written."""
    if not silent:
        state.push("formula", "", 0).content = text
    state.pos += len(text)
    return True


def _escape(state: StateInline, silent: bool) -> bool:
    following = state.src[state.pos + 1 : state.pos + 2]
    return following in _ESCAPABLE and bool(following) and rules_inline.escape(state, silent)


def _link(state: StateInline, silent: bool) -> bool:
    return "](" in state.src[state.pos :] and rules_inline.link(state, silent)


def _emphasis(state: StateInline, silent: bool) -> bool:
    """CommonMark's delimiter runs, except where they are part of a name, a path or a calculation."""
    marker = state.src[state.pos]
    if silent or marker not in "*_":
        return False
    if match := (_DUNDER if marker == "_" else _GLOB).match(state.src, state.pos):
        return _written(state, match[0], silent)
    scanned = state.scanDelims(state.pos, marker == "*")
    opens, closes, count = scanned.can_open, scanned.can_close, scanned.length
    before = state.src[state.pos - 1] if state.pos else " "
    after = state.src[state.pos + count : state.pos + count + 1] or " "
    if marker == "*" and (_WIDE.match(before) or _WIDE.match(after)):
        opens, closes = not after.isspace(), not before.isspace()
    elif marker == "*" and count > 1 and before in ".:!?" and after.isalnum():
        closes = True
    elif marker == "*" and before.isalnum() and after.isalnum():  # 2**3**4 or **S**tructured
        word = state.src[: state.pos].split()[-1]
        opens, closes = False, re.search(rf"(?:^|[^\w*])\*{{{count}}}\w", word) is not None
    for _ in range(count):
        state.push("text", "", 0).content = marker
        state.delimiters.append(Delimiter(ord(marker), count, len(state.tokens) - 1, -1, opens, closes))
    state.pos += count
    return True
