"""The standings of an arena as one self-contained HTML file without scripts."""

from collections.abc import Iterator

from chatcli.chat.formats.documents import html_head, html_text
from chatcli.session.arena.board import Board

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --back: #fff; --bar: #3b6fb6; --dim: #5d6670;
  --line: #d5dae0 }
@media (prefers-color-scheme: dark) {
  :root { --text: #dfe3e8; --back: #15181c; --bar: #7ba7e0; --dim: #97a1ac; --line: #343b43 }
}
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.3rem } h2 { font-size: 1rem; margin-top: 2rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { padding: .2rem .6rem .2rem 0; text-align: left; font-weight: normal;
  border-bottom: 1px solid var(--line) }
th { color: var(--dim) } .count { text-align: right; font-variant-numeric: tabular-nums }
.chart { min-width: 12rem; width: 45% }
.scale { position: relative; height: 1rem }
.scale i { position: absolute; top: .45rem; height: .15rem; background: var(--bar) }
.scale b { position: absolute; top: .2rem; width: .6rem; height: .6rem; margin-left: -.3rem;
  border-radius: 50%; background: var(--bar) }
"""


def board_page(board: Board) -> str:
    """The page; names of models appear as plain text."""
    return "".join(_pieces(board))


def _pieces(board: Board) -> Iterator[str]:
    yield (
        f"{html_head('Arena', _STYLE)}<h1>Arena</h1>\n"
        f"<p>{board.duels:,} blind duels, {board.both_bad:,} of them both bad.</p>\n"
    )
    yield from _standings(board)
    yield from _matrix(board)
    bias = board.bias
    if bias.share is not None:
        low, high = bias.interval
        yield (
            f"<h2>Position</h2>\n<p>The left answer won {bias.part:g} of {bias.whole:,} decided duels, "
            f"{bias.share:.0%} (95%: {low:.0%} to {high:.0%}).</p>\n"
        )
    yield "</body>\n</html>\n"


def _standings(board: Board) -> Iterator[str]:
    heads = "".join(f'<th class="count">{head}</th>' for head in ("Elo", "95% interval"))
    counts = "".join(f'<th class="count">{head}</th>' for head in ("won", "lost", "tied"))
    low = min((s.low for s in board.standings), default=0.0)
    span = max((s.high for s in board.standings), default=0.0) - low or 1.0
    yield (
        '<h2>Strengths</h2>\n<p>Bradley-Terry, with bootstrap intervals.</p>\n<div class="wide">\n<table>\n'
        f'<tr><th>name</th><th class="chart"></th>{heads}{counts}</tr>\n'
    )
    for s in board.standings:
        begin, at, end = (100 * (value - low) / span for value in (s.low, s.strength, s.high))
        chart = (
            f'<div class="scale"><i style="left:{begin:.2f}%;width:{end - begin:.2f}%"></i>'
            f'<b style="left:{at:.2f}%"></b></div>'
        )
        group = f" (group {s.group + 1})" if s.group else ""
        numbers = (f"{s.elo:.0f}", f"{s.low:+.2f} to {s.high:+.2f}", s.wins, s.losses, s.ties)
        cells = "".join(f'<td class="count">{number}</td>' for number in numbers)
        yield f'<tr><td>{html_text(s.name)}{group}</td><td class="chart">{chart}</td>{cells}</tr>\n'
    yield "</table>\n</div>\n"


def _matrix(board: Board) -> Iterator[str]:
    yield "<h2>Who beat whom</h2>\n<p>Rows beat columns; a tie is half a win.</p>\n"
    yield '<div class="wide">\n<table>\n'
    heads = "".join(f'<th class="count">{html_text(s.name)}</th>' for s in board.standings)
    yield f"<tr><th></th>{heads}</tr>\n"
    for index, (standing, row) in enumerate(zip(board.standings, board.matrix, strict=True)):
        cells = (f"{wins:g}" if i != index else "" for i, wins in enumerate(row))
        yield f"<tr><td>{html_text(standing.name)}</td>"
        yield "".join(f'<td class="count">{cell}</td>' for cell in cells) + "</tr>\n"
    yield "</table>\n</div>\n"
