"""Statistics as one HTML file: without scripts, complete in itself, light and dark, for any width."""

import html
import re
from collections.abc import Iterator

from chatcli.feedback.answers import well_formed
from chatcli.feedback.statistics import Statistics
from chatcli.feedback.statistics_words import charts, findings

# Not allowed in HTML (whatwg.org, 13.1.3): controls but white space.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --back: #fff; --bar: #3b6fb6; --dim: #5d6670 }
@media (prefers-color-scheme: dark) {
  :root { --text: #dfe3e8; --back: #15181c; --bar: #7ba7e0; --dim: #97a1ac }
}
body { margin: 0 auto; max-width: 46rem; padding: 1rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.3rem } h2 { font-size: 1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { padding: .15rem .5rem .15rem 0; text-align: left; vertical-align: top; font-weight: normal }
th { color: var(--dim) } .count { text-align: right; font-variant-numeric: tabular-nums }
.bars td:nth-child(2) { width: 60% }
.bar { background: var(--bar); height: .9rem; border-radius: .2rem; min-width: 1px }
"""


def statistics_page(found: Statistics) -> str:
    """The page. Whatever a model's name or a reason holds is text there."""
    return "".join(_pieces(found))


def _pieces(found: Statistics) -> Iterator[str]:
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Judgements</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>Judgements</h1>\n<table>\n"
    )
    for name, value in findings(found):
        yield f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>\n"
    yield "</table>\n"
    if found.models:
        heads = "".join(f'<th class="count">{h}</th>' for h in ("good", "bad", "won", "lost", "tied"))
        yield f"<h2>Models</h2>\n<table>\n<tr><th>model</th>{heads}</tr>\n"
        for name, m in sorted(found.models.items()):
            counts = (m.good, m.bad, m.won, m.lost, m.tied)
            cells = "".join(f'<td class="count">{count:,}</td>' for count in counts)
            yield f"<tr><td>{_text(name)}</td>{cells}</tr>\n"
        yield "</table>\n"
    for title, rows in charts(found):
        most = max(count for _, count in rows)
        yield f'<h2>{_text(title.capitalize())}</h2>\n<table class="bars">\n'
        for name, count in rows:
            bar = f'<div class="bar" style="width:{100 * count / most:.1f}%"></div>'
            yield f'<tr><th>{_text(name)}</th><td>{bar}</td><td class="count">{count:,}</td></tr>\n'
        yield "</table>\n"
    yield "</body>\n</html>\n"


def _text(text: str) -> str:
    return html.escape(_CONTROLS.sub("\ufffd", well_formed(text)))
