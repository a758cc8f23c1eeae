"""Statistics as people read them, on a terminal or on a page: named findings and charts."""

from chatcli.feedback.proportion import Proportion
from chatcli.feedback.reasons import label
from chatcli.feedback.statistics import Statistics

_MOST_BARS = 24


def percent(value: Proportion) -> str:
    """A share with its 95% interval, as people read it."""
    if value.share is None:
        return "none yet"
    low, high = value.interval
    return f"{value.share:.0%} of {value.whole:,} (95%: {low:.0%} to {high:.0%})"


def findings(found: Statistics) -> list[tuple[str, str]]:
    """The single numbers, each with its name."""
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
    """Counts by day or, if these are many, by month or by year; oldest first."""
    for length in (10, 7, 4):
        found: dict[str, int] = {}
        for day, count in sorted(days.items()):
            found[day[:length]] = found.get(day[:length], 0) + count
        if len(found) <= _MOST_BARS:
            break
    return list(found.items())[-_MOST_BARS:]


def charts(found: Statistics) -> list[tuple[str, list[tuple[str, int]]]]:
    """Charts of bars, those that are not empty: a title, and a name and a count for each bar."""
    good, bad = (
        [(label(reason), count) for reason, count in counts.most_common(_MOST_BARS)]
        for counts in (found.good_reasons, found.bad_reasons)
    )
    rows = [("why good", good), ("why bad", bad), ("when", periods(found.days))]
    return [(title, bars) for title, bars in rows if bars]
