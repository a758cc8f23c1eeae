"""The declaration of a format: which rows it takes and how it writes one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chatcli.datasets.plan import DatasetRow, JudgementRow, LabelRow, PairRow, RowAnswer, Unit
from chatcli.feedback.answers import Answer, Model, PromptMessage, Provenance
from chatcli.feedback.codec import encode
from chatcli.feedback.records import Target, comparison, rating

#: A row as a JSON object, or None if the format cannot express it.
Rendered = dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Format:
    """A format of datasets.

    Attributes:
        name: its name on the command line.
        summary: its rows and readers, in one line.
        unit: the content of a row.
        render: makes a row of this unit a JSON object; the flag adds the columns of our own.
        reasoning: whether it has a field for reasoning.
        pictures: whether it names the pictures of a prompt.
        marks: whether it has room for our own columns.
        tabular: whether all rows have the same columns, as Parquet needs.
        array: whether a file is one JSON array instead of JSON lines.
        companions: further files by name, given the names of the data files by split.
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
        """Suffix of a text file."""
        return ".json" if self.array else ".jsonl"

    def example(self, *, marks: bool = True, reasoning: bool = False) -> dict[str, Any]:
        """An example row, with every column of the format."""
        rendered = self.render(_example_row(self.unit, reasoning), marks and self.marks)
        assert rendered is not None
        return rendered


def message(role: str, content: str, reasoning: str | None = None) -> dict[str, str]:
    """A message as chat templates take it; most of them read reasoning under this name."""
    said = {"role": role, "content": content}
    return said if reasoning is None else {**said, "reasoning_content": reasoning}


def messages(prompt: Sequence[PromptMessage]) -> list[dict[str, str]]:
    """The messages of a prompt."""
    return [message(m.role, m.content, m.reasoning) for m in prompt]


def answered(answer: RowAnswer) -> dict[str, str]:
    """An answer as a message of the assistant."""
    return message("assistant", answer.content, answer.reasoning)


def takes_turns(prompt: Sequence[PromptMessage]) -> bool:
    """Whether user and assistant alternate, after an optional system prompt, and the user is last."""
    roles = [m.role for m in prompt]
    if roles[:1] == ["system"]:
        roles = roles[1:]
    return len(roles) % 2 == 1 and all(
        role == ("assistant" if at % 2 else "user") for at, role in enumerate(roles)
    )


def _example_row(unit: Unit, reasoning: bool) -> DatasetRow:
    """A row to show a format with."""
    thought = "They want a definition." if reasoning else None
    prompt = (
        PromptMessage(role="system", content="Answer briefly."),
        PromptMessage(role="user", content="Hello?"),
        PromptMessage(role="assistant", content="Hi there!", reasoning="A greeting." if reasoning else None),
        PromptMessage(role="user", content="What is a mutex?"),
    )
    good = RowAnswer("A lock that one thread holds at a time.", thought)
    bad = RowAnswer("A kind of thread.", thought)
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
    return JudgementRow(record, encode(record))
