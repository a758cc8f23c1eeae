"""Inline markdown (CommonMark 0.31, section 6) of a paragraph that may not be complete yet.

Other than a parser of whole documents it says where in the source each piece stands, and from where on text
that is still to come could change what is shown: everything before can be printed for good.

Four things are not done as in HTML: the target of a link is always shown, newlines stay, raw HTML is shown
as it is, and a backslash hides nothing before a bracket, since models write mathematics as ``\\(x\\)``.
"""

import html
import re
import string
import unicodedata
from dataclasses import dataclass, field

from chatcli.terminal.rows import BOLD, CYAN, DIM, ITALIC, PLAIN, STRIKE, UNDERLINE, Style
from chatcli.terminal.sanitize import sanitize_line

CODE: Style = CYAN
_EMPHASIS: dict[str, Style] = {"*": ITALIC, "_": ITALIC, "**": BOLD, "__": BOLD, "~~": STRIKE}
_AFTER_ANGLE = frozenset(string.ascii_letters + string.digits + "/!._%+-")  # begins a tag or a link
_DEEPEST = 8  # nested emphasis that is opened again after a cut
_DELIMITERS = frozenset("*_~")
_ESCAPABLE = frozenset("*_`~#|<>!+-.$&\"'")

_TEXT = re.compile(r"[^\\`*_~\[\]!<&]+")
_TICKS = re.compile(r"`+")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_UNFINISHED = re.compile(r"(?:&[#\w]*|\\|!)\Z")  # what the next text may complete
_AUTOLINK = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*|[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+)>")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--(?:[^-]|-(?!->))*-->")
_TARGET = re.compile(  # possessive: hostile white space must not cost quadratic time
    r"\(\s*+((?:<[^<>\n]*+>|[^\s()<][^\s()]*+(?:\([^\s()]*+\)[^\s()]*+)*+|\([^\s()]*+\))?"
    r"(?:\s++(?:\"[^\"]*+\"|'[^']*+'))?)\s*+\)"
)


@dataclass(slots=True)
class Span:
    """A piece of a paragraph.

    Attributes:
        text: what is shown.
        style: how.
        start, end: where it stands in the source.
        marks: delimiters that open its style again, outermost first, if the source is cut inside it.
        lead: characters of the source before the first that is shown; the others follow one by one.
        solid: to be cut only at its beginning.
    """

    text: str
    style: Style
    start: int
    end: int
    marks: tuple[str, ...] = ()
    lead: int = 0
    solid: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a paragraph can be cut in two.

    Attributes:
        offset: into the source.
        marks: what has to stand before the second part, so that it looks as it did.
        clean: both parts look as they did.
    """

    offset: int
    marks: str = ""
    clean: bool = True


@dataclass(slots=True)
class Inline:
    """A parsed paragraph.

    Attributes:
        spans: its pieces in order; together they cover the source.
        open: offset into the source from which on text still to come may change what is shown.
        source: of the paragraph.
    """

    spans: list[Span]
    open: int
    source: str

    def _parts(self, offset: int, marks: str) -> bool:
        """Whether no delimiter reads differently when the source is cut here and begins with these marks."""
        following = self.source[offset : offset + 1]
        if marks and following == marks[-1]:
            return False
        return following not in _DELIMITERS or self.source[offset - 1 : offset].isspace()

    def cut(self, shown: int) -> Cut:
        """Where to cut the source so that the second part begins with the character ``shown`` of the text."""
        at = 0
        for span in self.spans:
            if shown < at + len(span.text):
                marks = "".join(span.marks)
                if shown == at and span.solid:
                    return Cut(span.start, marks)
                offset = span.start + (0 if shown == at and not span.lead else span.lead + shown - at)
                return Cut(min(offset, span.end), marks, not span.solid and self._parts(offset, marks))
            at += len(span.text)
        return Cut(self.spans[-1].end if self.spans else 0)


@dataclass(slots=True)
class _Run(Span):
    """A run of delimiters; what is not used up is text."""

    opens: bool = False
    closes: bool = False
    size: int = 0


@dataclass(slots=True)
class _Bracket:
    index: int  # of its span
    start: int
    active: bool = True


@dataclass(slots=True)
class _Scan:
    source: str
    spans: list[Span] = field(default_factory=list)
    brackets: list[_Bracket] = field(default_factory=list)
    pairs: list[tuple[int, int]] = field(default_factory=list)  # where matched delimiters stand
    emphasis: list[tuple[int, int, str]] = field(default_factory=list)  # from span, to span, delimiter
    first_of_link: dict[int, int] = field(default_factory=dict)  # span -> its bracket's
    unclosed_ticks: set[int] = field(default_factory=set)
    open: int = 0


def parse(source: str) -> Inline:
    """Parse the inline markup of a paragraph.

    Args:
        source: its text so far, harmless already (``sanitize``).
    """
    scan = _Scan(source, open=len(source))
    position = 0
    while position < len(source):
        position = _next(scan, position)
    _match_emphasis(scan, 0)
    _emphasize(scan)
    for bracket in scan.brackets:
        if bracket.active:
            scan.open = min(scan.open, bracket.start)
    for span in scan.spans:
        if isinstance(span, _Run) and span.opens and span.text:
            scan.open = min(scan.open, span.start)
    for opening, closing in sorted(scan.pairs, reverse=True):
        if closing >= scan.open:  # open markup before it may yet swallow the closing delimiter
            scan.open = min(scan.open, opening)
    return Inline([span for span in scan.spans if span.text], scan.open, source)


def verbatim(source: str) -> Inline:
    """Text without markup, in the same form."""
    return Inline([Span(source, PLAIN, 0, len(source))] if source else [], len(source), source)


def _next(scan: _Scan, at: int) -> int:
    """Take in what stands at a position; returns the position after it."""
    source = scan.source
    if match := _TEXT.match(source, at):
        return _literal(scan, at, match.end())
    character = source[at]
    if character == "`":
        return _code(scan, at)
    if character in _DELIMITERS:
        return _delimiters(scan, at)
    if character == "\\" and source[at + 1 : at + 2] in _ESCAPABLE and at + 1 < len(source):
        scan.spans.append(Span(source[at + 1], PLAIN, at, at + 2, solid=True))
        return at + 2
    if character == "[" or source.startswith("![", at):
        stop = at + (1 if character == "[" else 2)
        scan.brackets.append(_Bracket(len(scan.spans), at))
        return _literal(scan, at, stop)
    if character == "]":
        return _close_bracket(scan, at)
    if character == "<":
        return _angle(scan, at)
    if character == "&" and (entity := _ENTITY.match(source, at)):
        shown = html.unescape(entity[0])
        if not shown or shown != sanitize_line(shown):  # a control character in disguise
            shown = entity[0]
        scan.spans.append(Span(shown, PLAIN, at, entity.end(), solid=True))
        return entity.end()
    if _UNFINISHED.match(source, at):
        scan.open = min(scan.open, at)
    return _literal(scan, at, at + 1)


def _literal(scan: _Scan, start: int, stop: int) -> int:
    scan.spans.append(Span(scan.source[start:stop], PLAIN, start, stop))
    return stop


def _code(scan: _Scan, at: int) -> int:
    ticks = _TICKS.match(scan.source, at)
    assert ticks is not None
    size = len(ticks[0])
    if size not in scan.unclosed_ticks:
        for closing in _TICKS.finditer(scan.source, ticks.end()):
            if len(closing[0]) == size:
                if closing.end() == len(scan.source):  # the run may grow
                    scan.open = min(scan.open, at)
                inner, lead = scan.source[ticks.end() : closing.start()].replace("\n", " "), size
                if inner.strip() and inner[0] == inner[-1] == " ":
                    inner, lead = inner[1:-1], size + 1
                scan.spans.append(Span(inner, CODE, at, closing.end(), ("`" * size,), lead))
                return closing.end()
        scan.unclosed_ticks.add(size)
    scan.open = min(scan.open, at)
    return _literal(scan, at, ticks.end())


def _delimiters(scan: _Scan, at: int) -> int:
    source, mark = scan.source, scan.source[at]
    stop = at
    while stop < len(source) and source[stop] == mark:
        stop += 1
    before = source[at - 1] if at else " "
    after = source[stop] if stop < len(source) else " "
    space_before, space_after = before.isspace(), after.isspace()
    left = not space_after and (not _is_punctuation(after) or space_before or _is_punctuation(before))
    right = not space_before and (not _is_punctuation(before) or space_after or _is_punctuation(after))
    opens, closes = left, right
    if mark == "_":
        opens = left and (not right or _is_punctuation(before))
        closes = right and (not left or _is_punctuation(after))
    elif mark == "~" and stop - at != 2:
        opens = closes = False
    run = _Run(source[at:stop], PLAIN, at, stop, opens=opens, closes=closes, size=stop - at)
    scan.spans.append(run)
    if stop == len(source):  # it may grow, and what it is depends on what follows
        scan.open = min(scan.open, at)
    return stop


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


def _close_bracket(scan: _Scan, at: int) -> int:
    source = scan.source
    bracket = scan.brackets.pop() if scan.brackets else None
    if bracket is None or not bracket.active:
        return _literal(scan, at, at + 1)
    target = _TARGET.match(source, at + 1)
    if target is None:
        if at + 1 == len(source) or (source[at + 1] == "(" and source.find(")", at) < 0):  # may yet come
            scan.open = min(scan.open, bracket.start)
        return _literal(scan, at, at + 1)
    _match_emphasis(scan, bracket.index + 1)
    image = source[bracket.start] == "!"
    opening = scan.spans[bracket.index]
    opening.text = ""
    inner = scan.spans[bracket.index + 1 :]
    for span in inner:
        span.style, span.solid = (*UNDERLINE, *span.style), True
    if inner:  # a cut before the link cuts before its bracket
        inner[0].lead, inner[0].start = inner[0].start - bracket.start, bracket.start
        scan.first_of_link[bracket.index + 1] = bracket.index
    shown = "".join(span.text for span in inner)
    words = target[1].strip()
    if not words or words == shown:
        suffix = "" if shown else "()"
    else:
        suffix = f" ({words})" if shown else f"({words})"
    scan.pairs.append((bracket.start, at))
    scan.spans.append(Span(suffix.replace("\n", " "), DIM, at, target.end(), solid=True))
    if not image:  # no link in a link
        for outer in scan.brackets:
            outer.active = outer.active and source[outer.start] == "!"
    return target.end()


def _angle(scan: _Scan, at: int) -> int:
    if link := _AUTOLINK.match(scan.source, at):
        scan.spans.append(Span(link[1], UNDERLINE, at, link.end(), lead=1, solid=True))
        return link.end()
    if tag := _TAG.match(scan.source, at):
        scan.spans.append(Span(tag[0], DIM, at, tag.end(), solid=True))
        return tag.end()
    following = scan.source[at + 1 : at + 4]
    closing = "-->" if following == "!--" else ">"
    if (following + "!")[0] in _AFTER_ANGLE and scan.source.find(closing, at + len(closing) + 1) < 0:
        scan.open = min(scan.open, at)
    return _literal(scan, at, at + 1)


def _match_emphasis(scan: _Scan, first: int) -> None:
    """Match the delimiter runs from span ``first`` on (CommonMark's "process emphasis")."""
    runs = [
        (index, span)
        for index, span in enumerate(scan.spans[first:], first)
        if isinstance(span, _Run) and span.text
    ]
    openers: list[tuple[int, _Run]] = []
    hopeless: dict[tuple[str, bool, int], int] = {}  # closers of a kind find no opener before this span
    for index, run in runs:
        while run.closes and run.text:
            kind = (run.text[0], run.opens, run.size % 3)
            found = _opener(openers, run, hopeless.get(kind, 0))
            if found is None:
                hopeless[kind] = index
                break
            del openers[found + 1 :]
            at, opener = openers[found]
            if run.end == len(scan.source):
                scan.open = min(scan.open, opener.start)
            size = 2 if len(opener.text) >= 2 and len(run.text) >= 2 else 1
            mark = run.text[:size]
            scan.emphasis.append((at, index, mark))
            scan.pairs.append((opener.start, run.start))
            opener.text, run.text = opener.text[size:], run.text[size:]
            if not opener.text:
                openers.pop()
        if run.opens and run.text:
            openers.append((index, run))
    kept = {id(run) for _, run in openers}
    for _, run in runs:  # a run below a matched pair cannot open any more
        run.opens = run.opens and id(run) in kept
        run.closes = False


def _emphasize(scan: _Scan) -> None:
    """Give every span between matched delimiters their style. In one sweep: nesting may be hostile."""
    opening: dict[int, list[tuple[int, int, str]]] = {}
    for pair in scan.emphasis:
        opening.setdefault(pair[0], []).append(pair)
    stack: list[tuple[int, int, str]] = []  # pairs nest, the innermost is last
    depth = dict.fromkeys(_EMPHASIS, 0)
    for index, span in enumerate(scan.spans):
        while stack and stack[-1][1] == index:
            depth[stack.pop()[2]] -= 1
        if stack:
            styles = dict.fromkeys(style for mark, style in _EMPHASIS.items() if depth[mark])
            span.style = (*(code for style in styles for code in style), *span.style)
            if len(stack) > _DEEPEST:
                span.solid = True
            else:
                outside = scan.first_of_link.get(index, index)
                span.marks = (*(mark for at, _, mark in stack if at < outside), *span.marks)
        for pair in sorted(opening.get(index, ()), key=lambda pair: -pair[1]):
            stack.append(pair)
            depth[pair[2]] += 1


def _opener(openers: list[tuple[int, _Run]], closer: _Run, first: int) -> int | None:
    """Place in ``openers`` of the nearest that fits, among those from span ``first`` on."""
    for place in range(len(openers) - 1, -1, -1):
        if openers[place][0] < first:
            return None
        if _fits(openers[place][1], closer):
            return place
    return None


def _fits(opener: _Run, closer: _Run) -> bool:
    """Whether two runs may match, with the rule of three for runs that both open and close."""
    if opener.text[0] != closer.text[0]:
        return False
    if (opener.closes or closer.opens) and (opener.size + closer.size) % 3 == 0:
        return opener.size % 3 == 0 and closer.size % 3 == 0
    return True
