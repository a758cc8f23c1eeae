"""Rows of what the chat shows besides answers: answers side by side, bars, trees. All text is harmless."""

from collections.abc import Sequence
from itertools import zip_longest

from chatcli.session.past_chats import Found
from chatcli.terminal.live import bar, clipped
from chatcli.terminal.rows import Row, cells, pad, wrap
from chatcli.terminal.sanitize import sanitize_line
from chatcli.terminal.theme import BOLD, DIM, PLAIN

_NARROWEST_COLUMN = 30  # cells; answers in narrower columns cannot be read
_GAP = " │ "
_WIDEST_BAR = 40
_ROOM_FOR_A_DATE = 60


def side_by_side(
    answers: Sequence[tuple[str, str]], width: int, *, markdown: bool, unicode: bool
) -> list[Row]:
    """Answers next to each other, or one below the other where columns would be too narrow.

    Args:
        answers: a title and a text each.
        width: cells of the screen.
    """
    column = (width - len(_GAP) * (len(answers) - 1)) // max(1, len(answers))
    if column < _NARROWEST_COLUMN:
        return [
            row
            for title, text in answers
            for row in (*_titled(title, text, width, markdown=markdown, unicode=unicode), Row())
        ]
    columns = [_titled(title, text, column, markdown=markdown, unicode=unicode) for title, text in answers]
    rows = []
    for line in zip_longest(*columns, fillvalue=Row()):
        pieces = [piece for row in line[:-1] for piece in (*pad(row, column), (_GAP, DIM))]
        rows.append(Row((*pieces, *line[-1].pieces)))
    return rows


def context_bar(parts: Sequence[tuple[str, int]], size: int, width: int, *, unicode: bool) -> list[Row]:
    """How much of a context each part takes: a bar each, and one for all.

    Args:
        parts: a label and its number of tokens.
        size: tokens of the context.
    """
    used = sum(tokens for _, tokens in parts)
    lines = [*parts, ("used", used), ("free", max(0, size - used))]
    counts = [f"{tokens:,}" for _, tokens in lines]
    count_width = max(map(len, counts))
    label_width = min(max(cells(label) for label, _ in lines), max(4, width - count_width - 12))
    room = min(_WIDEST_BAR, width - label_width - count_width - 2)
    rows = []
    for index, ((label, tokens), count) in enumerate(zip(lines, counts, strict=True)):
        share = tokens / max(1, size)
        name = pad(Row(((clipped(label, label_width), BOLD if index >= len(parts) else PLAIN),)), label_width)
        graph = f" {bar(share, room, unicode=unicode)}" if room >= 5 else ""
        rows.append(Row((*name, (f" {count:>{count_width}}", PLAIN), (graph, DIM))))
    return rows


def tree(nodes: Sequence[tuple[int, str, bool]], width: int, *, unicode: bool) -> list[Row]:
    """A tree of messages, a line each: its depth, its text, and whether it is on the current path."""
    here, elsewhere = ("●", "○") if unicode else ("*", "o")
    rows = []
    for depth, text, current in nodes:
        indent = "  " * min(depth, max(0, width - 20) // 2)
        line = clipped(f"{indent}{here if current else elsewhere} {text}", width)
        rows.append(Row(((line, PLAIN if current else DIM),)))
    return rows


def chat_line(found: Found, width: int) -> str:
    """A chat on one line, not cut: when it was written, what it is called, what was found in it."""
    written = found.summary.written.astimezone()
    date = f"{written:%Y-%m-%d %H:%M}" if width >= _ROOM_FOR_A_DATE else f"{written:%m-%d}"
    title = sanitize_line(found.summary.title) or found.summary.name
    return f"{date}  {title}" + (f": {sanitize_line(found.snippet)}" if found.snippet else "")


def _titled(title: str, text: str, width: int, *, markdown: bool, unicode: bool) -> list[Row]:
    heading = wrap([(title, BOLD)], width)
    if not markdown:
        return [*heading, *wrap([(text.expandtabs(), PLAIN)], width)]
    from chatcli.terminal.markdown.stream import MarkdownStream

    stream = MarkdownStream(unicode=unicode)
    stream.feed(text)
    return [*heading, *(Row(row.pieces) for row in stream.finish(width))]
