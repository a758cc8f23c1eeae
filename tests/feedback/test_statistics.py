"""What a log comes to: counted once, from the end, and compared with counts by hand."""

import html.parser
from datetime import datetime, timedelta, timezone

from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Role, user
from chatcli.feedback.answers import Model
from chatcli.feedback.records import (
    Judge,
    Record,
    Target,
    comparison,
    correction,
    ranking,
    rating,
    retraction,
)
from chatcli.feedback.statistics import ModelCount, Proportion, Statistics, statistics_of
from chatcli.feedback.statistics_page import charts, findings, periods, statistics_page

PROMPT = [user("q")]
EVIL = "<script>alert(1)</script>\x1b"


def said(words: str, model: str = "m") -> Message:
    """An answer of a model's."""
    return Message(Role.ASSISTANT, words, None, Generation(ModelRef(model), FinishReason.END))


def at(*messages: int) -> Target:
    """A target."""
    return Target(transcript="t", messages=messages)


def counted(*log: Record | None) -> Statistics:
    """The statistics of a log, oldest first; None is a damaged line."""
    return statistics_of(reversed(log))


def test_ratings_are_counted_once() -> None:
    """Balance, models, reasons, lengths and days of what counts; the rest only by what became of it."""
    first = rating(PROMPT, said("aaaa"), at(2), thumb=1, reasons=("accurate_information",))
    found = counted(
        first,
        rating(PROMPT, said("bb"), at(3), score=5, reasons=("too_verbose", "other")),
        None,
        rating(PROMPT, said("cccccc", "n"), at(4), score=6),
        rating(PROMPT, said("cccccc", "n"), at(4), thumb=-1),
        retraction(first.id),
        rating(PROMPT, said("aaaa"), at(2), thumb=1, reasons=("accurate_information",), origin="rate"),
        correction(PROMPT, said("x"), at(5), edited="y"),
    )
    assert found.fates == {"live": 4, "mark": 1, "superseded": 1, "retracted": 1}
    assert found.damaged == 1
    assert found.kinds == {"rating": 3, "correction": 1}
    assert found.origins == {"chat": 3, "rate": 1}
    assert found.balance == Proportion(1, 3)
    assert (found.good_length, found.bad_length) == (4, 8)
    assert found.good_reasons == {"accurate_information": 1}
    assert found.bad_reasons == {"too_verbose": 1, "other": 1}
    assert found.models == {"m": ModelCount(good=1, bad=1), "n": ModelCount(bad=1)}
    assert sum(found.days.values()) == 4
    assert found.repeated == Proportion(0, 1)  # good, then bad; a retracted one is no opinion


def test_comparisons_and_rankings_are_counted_by_pair() -> None:
    """Who won, which side won, and whether the longer one did; rankings by all their pairs."""
    a, b = said("aa", "a"), said("bbbb", "b")
    found = counted(
        comparison(PROMPT, (a, b), at(2, 3), winner="left", left=0, blind=True),
        comparison(PROMPT, (a, b), at(4, 5), winner="left", left=1, blind=True),
        comparison(PROMPT, (a, b), at(6, 7), winner="right", left=1, blind=True),
        comparison(PROMPT, (a, b), at(8, 9), winner="both_bad", left=1, blind=True),
        ranking(PROMPT, (a, b, said("cc", "c")), at(2, 3, 4), ranks=(1, 1, 2), blind=True),
    )
    assert found.outcomes == {"decided": 3, "both_bad": 1}
    assert found.left_won == Proportion(2, 3)
    assert found.longer_won == Proportion(2, 4)  # b over a, b over c; not a over b, twice
    assert found.models == {
        "a": ModelCount(won=3, lost=1, tied=2),
        "b": ModelCount(won=2, lost=2, tied=2),
        "c": ModelCount(lost=2),
    }


def test_agreement_is_of_earlier_judgements_with_the_last() -> None:
    """The same answer rated again, and the same two answers compared again, also the other way round."""
    a, b = said("aa"), said("bbbb")
    judge = Judge(by="ai", model=Model(name="j"), principle="p")
    found = counted(
        comparison(PROMPT, (a, b), at(2, 3), winner="left", left=0, blind=True),
        comparison(PROMPT, (b, a), at(3, 2), winner="right", left=0, blind=True),  # a again
        comparison(PROMPT, (a, b), at(2, 3), winner="tie", left=0, blind=True, judge=judge),
        rating(PROMPT, a, at(2), thumb=1),
        rating(PROMPT, a, at(2), thumb=1, judge=judge),
        rating(PROMPT, a, at(2), score=9),
    )
    assert found.repeated == Proportion(2, 4)
    assert found.judges == {"human": 2, "ai": 2}


def test_days_are_those_of_utc() -> None:
    """Whatever time zone a record was written in."""
    late = datetime(2026, 11, 20, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    assert counted(rating(PROMPT, said("a"), at(2), thumb=1, time=late)).days == {"2026-11-21": 1}


def test_an_empty_log_and_a_hostile_name_make_a_page() -> None:
    """The page is complete in itself, without scripts; names are text there."""
    evil = counted(rating(PROMPT, said("x", EVIL), at(2), thumb=1, reasons=(EVIL,), origin=EVIL))
    for found in (counted(), evil):
        page = statistics_page(found)
        tags: list[str] = []
        parser = html.parser.HTMLParser()
        parser.handle_starttag = lambda tag, attrs, tags=tags: tags.append(tag)  # type: ignore[method-assign, misc]
        parser.feed(page)
        assert "script" not in tags
        assert "\x1b" not in page
        assert "http" not in page.replace("http-equiv", "")
    assert "&lt;script&gt;" in statistics_page(evil)


def test_words_and_charts() -> None:
    """Findings only of what there is; bars by day, by month, or by year."""
    assert dict(findings(counted()))["judgements that count"] == "0"
    assert charts(counted()) == []
    assert periods({"2026-11-20": 2, "2026-11-19": 1}) == [("2026-11-19", 1), ("2026-11-20", 2)]
    many = {f"2026-{month:02}-{day:02}": 1 for month in (1, 2) for day in range(1, 29)}
    assert periods(many) == [("2026-01", 28), ("2026-02", 28)]
    years = {f"{year}-{month:02}-01": 1 for year in range(2020, 2024) for month in range(1, 13)}
    assert periods(years) == [(str(year), 12) for year in range(2020, 2024)]
