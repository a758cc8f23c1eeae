"""The standings of an arena as text: strengths, who beat whom, and whether the side mattered."""

from collections.abc import Iterator

from chatcli.feedback.bradley_terry import Standing
from chatcli.session.arena.board import Board
from chatcli.terminal.rows import Row, cells, pad, wrap
from chatcli.terminal.sanitize import sanitize_line
from chatcli.words import counted

_WIDEST_NAME = 36
_NARROWEST_CHART, _WIDEST_CHART = 12, 48
_MOST_COLUMNS = 8


def board_lines(board: Board, width: int, *, unicode: bool = True) -> Iterator[str]:
    """The board in lines of at most ``width`` cells."""
    if not board.standings:
        yield "no duels yet"
        return
    yield f"{counted(board.duels, 'duel')}, {board.both_bad} with two bad answers"
    yield "Elo, its 95% interval, and duels won-lost-tied:"
    yield ""
    yield from _chart(board, width, unicode=unicode)
    yield ""
    yield from _matrix(board, width)
    yield ""
    yield _bias(board)
    if board.alike:
        yield f"{board.alike} more not counted: their records do not say which contender is which"


def _chart(board: Board, width: int, *, unicode: bool) -> Iterator[str]:
    """A line for each contender: place, name, Elo, its 95% interval drawn to scale, wins-losses-ties.

    Names that are too long come first, in full.
    """
    names = [_named(place, s) for place, s in enumerate(board.standings, 1)]
    column = max(map(cells, names))
    if column > max(8, min(_WIDEST_NAME, width // 3)):
        yield from (row.text for name in names for row in wrap([(name, "")], width))
        yield ""
        names = [f"{place}." for place in range(1, len(names) + 1)]
        column = len(names[-1])
    results = [f"{s.wins}-{s.losses}-{s.ties}" for s in board.standings]
    last = max(map(len, results))
    room = min(_WIDEST_CHART, width - column - last - 8)
    low, high = min(s.low for s in board.standings), max(s.high for s in board.standings)
    for name, standing, result in zip(names, board.standings, results, strict=True):
        label = "".join(text for text, _ in pad(Row(((name, ""),)), column))
        drawn = f" {_interval(standing, low, high, room, unicode)}" if room >= _NARROWEST_CHART else ""
        yield f"{label} {standing.elo:5.0f}{drawn} {result:>{last}}"
    if len({s.group for s in board.standings}) > 1:
        yield "(different groups never met, not even through others; their numbers cannot be compared)"


def _named(place: int, standing: Standing) -> str:
    group = f" [group {standing.group + 1}]" if standing.group else ""
    return f"{place}. {sanitize_line(standing.name)}{group}"


def _interval(standing: Standing, low: float, high: float, room: int, unicode: bool) -> str:
    """The strength and its interval on a scale from the lowest end to the highest."""
    span = (high - low) or 1.0

    def at(value: float) -> int:
        return round((value - low) / span * (room - 1))

    line, dot = ("─", "●") if unicode else ("-", "o")
    begin, end = at(standing.low), at(standing.high)
    cells_ = [line if begin <= index <= end else " " for index in range(room)]
    cells_[at(standing.strength)] = dot
    return "".join(cells_)


def _matrix(board: Board, width: int) -> Iterator[str]:
    """Wins of each row over each column; a tie is half a win."""
    count = len(board.standings)
    column = max(6, *(len(f"{wins:g}") + 2 for row in board.matrix for wins in row))
    label = len(f"{count}.") + 1
    if count > _MOST_COLUMNS or label + count * column > width:
        yield "(for who beat whom, use --json or --html)"
        return
    yield "who (row) beat whom (column); a tie is half a win:"
    yield " " * label + "".join(f"{f'{place}.':>{column}}" for place in range(1, count + 1))
    for place, row in enumerate(board.matrix, 1):
        wins = (f"{won:g}" if index != place else "." for index, won in enumerate(row, 1))
        yield f"{f'{place}.':<{label}}" + "".join(f"{text:>{column}}" for text in wins)


def _bias(board: Board) -> str:
    bias = board.bias
    if bias.share is None:
        return "no decided duels yet"
    low, high = bias.interval
    finding = "no sign that the side matters" if low <= 0.5 <= high else "the side seems to matter"
    return (
        f"the left answer won {bias.part:g} of {bias.whole} decided duels, {bias.share:.0%} "
        f"(95%: {low:.0%} to {high:.0%}): {finding}"
    )
