"""Statistics for people: named findings and charts, and one HTML file with them.

The page has no scripts, needs no other file, and fits light and dark screens of any width.
"""

import html
import re
from collections.abc import Iterator

from chatcli.feedback.answers import well_formed
from chatcli.feedback.reasons import label
from chatcli.feedback.statistics import Proportion, Statistics

_MOST_BARS = 24
# Controls other than white space are not allowed in HTML (whatwg.org, 13.1.3).
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


def percent(value: Proportion) -> str:
    """A share with its 95% interval, for people."""
    if value.share is None:
        return "none yet"
    low, high = value.interval
    return f"{value.share:.0%} of {value.whole:,} (95%: {low:.0%} to {high:.0%})"


def findings(found: Statistics) -> list[tuple[str, str]]:
    """The single numbers, each with its name; without those that there are none of."""
    ratings = found.good + found.bad
    lines = [
        ("judgements that count", f"{sum(found.kinds.values()):,}"),
        ("of them", ", ".join(f"{kind}s {n:,}" for kind, n in found.kinds.most_common())),
        ("not counted", ", ".join(f"{f} {n:,}" for f, n in found.fates.items() if f not in ("live", "mark"))),
        ("judged by", ", ".join(f"{by} {n:,}" for by, n in found.judges.most_common())),
        ("judged in", ", ".join(f"{where} {n:,}" for where, n in found.origins.most_common())),
        ("good ratings", percent(found.balance) if ratings else ""),
        ("comparisons", ", ".join(f"{o.replace('_', ' ')} {n:,}" for o, n in found.outcomes.most_common())),
        ("left one won", percent(found.left_won) if found.left_won.whole else ""),
        ("longer one won", percent(found.longer_won) if found.longer_won.whole else ""),
        ("length, good and bad", _lengths(found)),
        ("judged again, agreed", percent(found.repeated) if found.repeated.whole else ""),
    ]
    return [(name, value) for name, value in lines if value]


def _lengths(found: Statistics) -> str:
    if not found.good or not found.bad:
        return ""
    good, bad = found.good_length / found.good, found.bad_length / found.bad
    return f"{good:,.0f} and {bad:,.0f} characters on average"


def periods(days: dict[str, int]) -> list[tuple[str, int]]:
    """Counts by day, or by month or year if there are many days; oldest first."""
    for length in (10, 7, 4):
        found: dict[str, int] = {}
        for day, count in sorted(days.items()):
            found[day[:length]] = found.get(day[:length], 0) + count
        if len(found) <= _MOST_BARS:
            break
    return list(found.items())[-_MOST_BARS:]


def charts(found: Statistics) -> list[tuple[str, list[tuple[str, int]]]]:
    """The bar charts that are not empty: a title, and a name and a count for each bar."""
    good, bad = (
        [(label(reason), count) for reason, count in counts.most_common(_MOST_BARS)]
        for counts in (found.good_reasons, found.bad_reasons)
    )
    rows = [("why good", good), ("why bad", bad), ("when", periods(found.days))]
    return [(title, bars) for title, bars in rows if bars]


def statistics_page(found: Statistics) -> str:
    """Statistics as one HTML page; names of models and reasons are escaped."""
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
