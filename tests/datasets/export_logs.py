"""Logs to export, and the rows of their exports."""

import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from hypothesis import strategies as st

from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Picture, Role, system, user
from chatcli.datasets.card import ExportReport
from chatcli.datasets.export import ExportOptions, export_rows
from chatcli.datasets.rules import Rules
from chatcli.datasets.splits import DatasetSplit
from chatcli.feedback.answers import Model
from chatcli.feedback.codec import encode
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

START = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


def answer(
    text: str, *, reasoning: str | None = None, reason: str = "end", model: str = "lkjsxclm"
) -> Message:
    """What a model answered."""
    by = Generation(
        ModelRef(model, f"{model}.gguf", adapter="c" * 64 if model == "tuned" else ""), FinishReason(reason)
    )
    return Message(Role.ASSISTANT, text, reasoning, by)


class Log:
    """Records with ids and times that follow each other."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def _more(self, more: dict[str, Any]) -> dict[str, Any]:
        number = len(self.records)
        given = {"id": f"event-{number:04}", "time": START + timedelta(minutes=number), **more}
        if (origin := given.pop("by", None)) == "ai":
            given["judge"] = Judge(by="ai", model=Model(name="judge"))
        else:
            assert origin is None
        return given

    def _add(self, record: Record) -> str:
        self.records.append(record)
        return record.id

    def _target(self, conversation: str | None, count: int = 1) -> Target | None:
        if conversation is None:
            return None
        first = 10 * len(self.records)
        return Target(transcript=conversation, messages=tuple(range(first, first + count)))

    def rate(
        self, prompt: Sequence[Message], said: Message, thumb: Literal[-1, 1] | None = None,
        conversation: str | None = "c1", **more: Any,
    ) -> str:  # fmt: skip
        """Add a rating."""
        target = more.pop("target", None) or self._target(conversation)
        return self._add(rating(prompt, said, target, thumb=thumb, **self._more(more)))

    def compare(
        self, prompt: Sequence[Message], a: Message, b: Message, winner: Any, conversation: str | None = "c1",
        left: Literal[0, 1] = 0, **more: Any,
    ) -> str:  # fmt: skip
        """Add a comparison."""
        target = self._target(conversation, 2)
        return self._add(
            comparison(prompt, (a, b), target, winner=winner, left=left, blind=True, **self._more(more))
        )

    def rank(
        self, prompt: Sequence[Message], answers: Sequence[Message], ranks: Sequence[int],
        conversation: str | None = "c1", **more: Any,
    ) -> str:  # fmt: skip
        """Add a ranking."""
        target = self._target(conversation, len(answers))
        return self._add(ranking(prompt, answers, target, ranks=ranks, blind=True, **self._more(more)))

    def correct(
        self,
        prompt: Sequence[Message],
        said: Message,
        edited: str,
        conversation: str | None = "c1",
        **more: Any,
    ) -> str:
        """Add a correction."""
        return self._add(
            correction(prompt, said, self._target(conversation), edited=edited, **self._more(more))
        )

    def retract(self, name: str) -> str:
        """Add a retraction."""
        return self._add(retraction(name, **self._more({})))


def exported(
    records: Iterable[Record],
    name: str,
    rules: Rules | None = None,
    split: DatasetSplit | None = None,
    patterns: tuple[str, ...] = (),
) -> list[tuple[str, dict[str, Any]]]:
    """The rows of an export, each with its split."""
    rows, _ = reported(records, name, rules, split, patterns)
    return rows


def reported(
    records: Iterable[Record],
    name: str,
    rules: Rules | None = None,
    split: DatasetSplit | None = None,
    patterns: tuple[str, ...] = (),
) -> tuple[list[tuple[str, dict[str, Any]]], ExportReport]:
    """The rows of an export in the order in which they are written, each with its split, and the report."""
    lines = b"".join(encode(record) + b"\n" for record in records)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "feedback.jsonl")
        log.write_bytes(lines)
        options = ExportOptions(log, name, rules or Rules(), split, redact_patterns=patterns)
        report = options.report()
        return list(export_rows(options, report)), report


def sample() -> Log:
    """One of everything."""
    log = Log()
    hello = [system("Answer briefly."), user("Hello?")]
    lock = [
        user("What is a mutex?"),
        answer("A lock.", reasoning="Short."),
        user("Say\nmore, <b>please</b> é 👍"),
    ]
    log.rate(
        hello,
        answer("Hi there!", reasoning="They greet me."),
        1,
        score=9,
        reasons=("positive_attitude",),
        comment="nice",
    )
    log.rate(hello, answer("What?", model="tuned"), -1, conversation="c2", tags=("tone",))
    log.rate(hello, answer("Hi the", reason="interrupted"), -1, conversation="c3")
    log.compare(
        lock,
        answer("It lets one thread in."),
        answer("No.", model="tuned"),
        "right",
        left=1,
        conversation="c2",
    )
    log.compare(lock, answer("One."), answer("Two."), "tie", conversation="c4")
    log.compare(lock, answer("Three."), answer("Four."), "both_bad", conversation="c4")
    log.rank(
        [user("Count.")],
        [answer("1 2 3"), answer("1, 2"), answer("one"), answer("3 2 1")],
        (1, 2, 2, 3),
        conversation="c5",
    )
    log.correct([user("2+2?")], answer("5"), "4", conversation="c5")
    log.compare([user("Why?")], answer("Because."), answer("So."), "left", conversation="c6", by="ai")
    gone = log.rate([user("Sky?")], answer("Blue."), 1, conversation="c7")
    log.retract(gone)
    return log


_TEXTS = st.sampled_from(["yes", "no", " yes", "maybe so", "a b", "a  b", "", "\n", "é\u2028x", "<think>"])
_PROMPTS = st.sampled_from(
    [
        [user("p")],
        [user("q")],
        [system("s"), user("p")],
        [user("p"), answer("yes"), user("q")],
        [user("r")],
        [user("p", Picture("c" * 64, "cat.png"))],
    ]
)
_CONVERSATIONS = st.sampled_from([None, "c1", "c2", "c3", "c4", "c5", "arena:run"])
_ANSWERS = st.builds(
    answer,
    _TEXTS,
    reasoning=st.sampled_from([None, "hm"]),
    reason=st.sampled_from(["end", "end", "length"]),
    model=st.sampled_from(["a", "b"]),
)


@st.composite
def logs(draw: st.DrawFn, most: int = 14) -> Log:
    """Any log."""
    log = Log()
    for _ in range(draw(st.integers(0, most))):
        kind = draw(st.sampled_from(["rate", "rate", "rate", "compare", "rank", "correct", "retract"]))
        prompt, said, where = draw(_PROMPTS), draw(_ANSWERS), draw(_CONVERSATIONS)
        more: dict[str, Any] = {"by": "ai"} if draw(st.integers(0, 5)) == 0 else {}
        if kind == "rate":
            log.rate(prompt, said, draw(st.sampled_from([1, -1])), where, **more)
        elif kind == "compare":
            winner = draw(st.sampled_from(["left", "right", "tie", "both_bad"]))
            log.compare(prompt, said, draw(_ANSWERS), winner, where, draw(st.sampled_from([0, 1])), **more)
        elif kind == "rank":
            answers = draw(st.lists(_ANSWERS, min_size=2, max_size=4))
            log.rank(prompt, answers, [draw(st.integers(1, 4)) for _ in answers], where, **more)
        elif kind == "correct":
            log.correct(prompt, said, draw(_TEXTS), where, **more)
        elif log.records:
            log.retract(draw(st.sampled_from(log.records)).id)
    return log
