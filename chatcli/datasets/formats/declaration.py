"""What a format is: which rows it takes, how it says one, what else belongs to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from chatcli.datasets.derivation import EventRow, LabelRow, PairRow, Row, Text, Unit
from chatcli.datasets.derivation_sketch import Said, decode_sketch
from chatcli.feedback.answers import Answer, Model, PromptMessage, Provenance
from chatcli.feedback.codec import encode
from chatcli.feedback.records import Target, comparison, rating

#: A row as a JSON object; None: the format cannot say it.
Rendered = dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Format:
    """A format of datasets.

    Attributes:
        name: on the command line.
        summary: who reads it, in a line.
        unit: what a row is made of.
        render: a row of that unit; the flag says whether to add columns on where the row comes from.
        reasoning: it has a field for reasoning.
        pictures: it says which pictures a prompt has.
        marks: it has room for columns of our own.
        tabular: its rows all have the same columns, so that Parquet can hold them.
        array: a file is one JSON array, not a line for each row.
        companions: further files by name, from the names of the data files by split.
    """

    name: str
    summary: str
    unit: Unit
    render: Callable[[Any, bool], Rendered]
    reasoning: bool = False
    pictures: bool = False
    marks: bool = False
    tabular: bool = True
    array: bool = False
    companions: Callable[[Mapping[str, str]], Mapping[str, bytes]] | None = None

    @property
    def suffix(self) -> str:
        """Of a file of text."""
        return ".json" if self.array else ".jsonl"

    def example(self, *, marks: bool = True, reasoning: bool = False) -> dict[str, Any]:
        """A row as this format says it, with every column it can have."""
        rendered = self.render(_example_row(self.unit, reasoning), marks and self.marks)
        assert rendered is not None
        return rendered


def message(role: str, content: str, reasoning: str | None = None) -> dict[str, str]:
    """A message in the form of chat templates; reasoning goes by the name most of them read."""
    said = {"role": role, "content": content}
    return said if reasoning is None else {**said, "reasoning_content": reasoning}


def messages(prompt: Sequence[Said]) -> list[dict[str, str]]:
    """The messages of a prompt."""
    return [message(m.role, m.content, m.reasoning) for m in prompt]


def answered(answer: Text) -> dict[str, str]:
    """An answer as the model's message."""
    return message("assistant", answer.content, answer.reasoning)


def takes_turns(prompt: Sequence[Said]) -> bool:
    """Whether, after a system prompt if there is one, user and assistant alternate, and the user is last."""
    roles = [m.role for m in prompt]
    if roles[:1] == ["system"]:
        roles = roles[1:]
    return len(roles) % 2 == 1 and all(
        role == ("assistant" if at % 2 else "user") for at, role in enumerate(roles)
    )


def _example_row(unit: Unit, reasoning: bool) -> Row:
    thought = "They want a definition." if reasoning else None
    prompt = (
        Said("system", "Answer briefly."),
        Said("user", "Hello?"),
        Said("assistant", "Hi there!", "A greeting." if reasoning else None),
        Said("user", "What is a mutex?"),
    )
    good, bad = Text("A lock that one thread holds at a time.", thought), Text("A kind of thread.", thought)
    if unit is Unit.PAIRS:
        return PairRow(prompt, good, bad, "comparison", "20261120-221503-123456-k7qxd2", 1.0)
    if unit in (Unit.LABELS, Unit.GOOD):
        return LabelRow(prompt, good, True, "thumbs")
    asked = [PromptMessage(role=m.role, content=m.content) for m in prompt]
    by = [Provenance(model=Model(name=name), finish_reason="end") for name in ("qwen3-4b", "lkjsxclm")]
    a, b = Answer(content=good.content, provenance=by[0]), Answer(content=bad.content, provenance=by[1])
    time, target = datetime(2026, 11, 20, 22, 15, 3, tzinfo=UTC), "20261120-221455-k7qxd"
    name = "20261120-221503-000000-k7qxd2"
    record = (
        comparison(
            asked, (a, b), Target(transcript=target, messages=(4, 5)),
            winner="left", left=0, blind=True, time=time, id=name,
        )
        if unit is Unit.COMPARISONS
        else rating(
            asked, a, Target(transcript=target, messages=(4,)), thumb=1, score=9, time=time, id=name,
            reasons=("accurate_information",), tags=("threads",), comment="short and right",
        )
    )  # fmt: skip
    line = encode(record)
    return EventRow(decode_sketch(line), line)


def decoded(line: bytes) -> dict[str, Any]:
    """A line of the log as a plain object."""
    value: dict[str, Any] = msgspec.json.decode(line)
    return value
