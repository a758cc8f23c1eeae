"""From judgements to the rows of a dataset: which rows there are, in which order, and their texts."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from chatcli.datasets.funnel import Funnel
from chatcli.datasets.judged import (
    AnsweringModel,
    Judged,
    JudgedAnswer,
    WholeJudgement,
    judged_answers,
    model_of,
)
from chatcli.datasets.lengths import Lengths
from chatcli.datasets.pairs import LabelFound, PairFound, labels_of, pairs_of
from chatcli.datasets.rules import Rules
from chatcli.feedback.answers import PromptMessage
from chatcli.feedback.codec import decode
from chatcli.feedback.records import Judgement

#: Changes every text on its way out.
Rewrite = Callable[[str], str]
_BOTH_SIDES = "would be on both sides of the split"


class Unit(StrEnum):
    """The content of a row."""

    PAIRS = "pairs"  # a better and a worse answer
    LABELS = "labels"  # an answer and whether it is good
    GOOD = "good answers"
    COMPARISONS = "comparisons"
    RATINGS = "ratings"
    JUDGEMENTS = "judgements"


#: Units that are whole judgements -> the kinds of records that they take; None for all.
WHOLE: dict[Unit, frozenset[str] | None] = {
    Unit.COMPARISONS: frozenset({"comparison"}),
    Unit.RATINGS: frozenset({"rating"}),
    Unit.JUDGEMENTS: None,
}


class RowAnswer(NamedTuple):
    """An answer in a row."""

    content: str
    reasoning: str | None


class PairRow(NamedTuple):
    """A prompt with a better and a worse answer.

    Attributes:
        source: one of ``rules.SOURCES``.
        group: the same for pairs that belong together.
        weight: 1 / the number of pairs in the group, so that every group counts once.
    """

    prompt: tuple[PromptMessage, ...]
    chosen: RowAnswer
    rejected: RowAnswer
    source: str
    group: str
    weight: float


class LabelRow(NamedTuple):
    """A prompt with an answer and whether it is good."""

    prompt: tuple[PromptMessage, ...]
    answer: RowAnswer
    good: bool
    source: str


class JudgementRow(NamedTuple):
    """A whole judgement: its record and its line of the log."""

    record: Judgement
    line: bytes


DatasetRow = PairRow | LabelRow | JudgementRow


class Planned(NamedTuple):
    """A row that is planned: its side of the split, its content, and the number of pairs in its group."""

    side: str
    content: PairFound | LabelFound | WholeJudgement
    group_size: int = 1


@dataclass(slots=True)
class DatasetPlan:
    """The rows of a dataset, in order. Groups come when they are complete, and their rows are together.

    Attributes:
        funnel: counts down to the planned rows.
        lengths: lengths of the answers.
    """

    unit: Unit
    rules: Rules
    funnel: Funnel
    lengths: Lengths = field(default_factory=Lengths)
    rows: list[Planned] = field(default_factory=list)

    def add_judgements(self, judged: Iterable[Judged]) -> None:
        """Make pairs or labels of judgements, which are given oldest first."""
        by_prompt: dict[str, list[Judged]] = {}
        for judgement in judged:
            by_prompt.setdefault(judgement.key, []).append(judgement)
        add = self._add_pairs if self.unit is Unit.PAIRS else self._add_labels
        found = [row for group in by_prompt.values() for row in add(group)]
        found.sort(key=lambda row: row[0])
        self.rows += [row for _, row in found]

    def add_whole(self, judged: Iterable[WholeJudgement]) -> None:
        """Plan a row for each judgement."""
        for judgement in judged:
            self.funnel.candidates += 1
            if self._has_side(judgement.side):
                self.rows.append(Planned(judgement.side or "", judgement))

    def _add_pairs(self, judged: Sequence[Judged]) -> Iterator[tuple[int, Planned]]:
        """The pairs of one prompt, each with the event that completes its group."""
        candidates, found = pairs_of(judged, self.rules, self.funnel.dropped)
        self.funnel.candidates += candidates
        sizes = Counter(pair.group for pair in found)
        thumbs = [max(p.chosen.judged.event, p.rejected.judged.event) for p in found if p.group is None]
        last_thumb = max(thumbs, default=0)
        for pair in found:
            chosen, rejected = pair.chosen, pair.rejected
            side = chosen.judged.side
            if self._has_side(side if rejected.judged.side == side else None):
                self.lengths.add_pair(len(chosen.answer.content), len(rejected.answer.content))
                complete = last_thumb if pair.group is None else chosen.judged.event
                yield complete, Planned(side or "", pair, sizes[pair.group])

    def _add_labels(self, judged: Sequence[Judged]) -> Iterator[tuple[int, Planned]]:
        candidates, found = labels_of(judged, self.rules, self.funnel.dropped)
        self.funnel.candidates += candidates
        for label in found:
            judgement = label.answer.judged
            if self.unit is Unit.GOOD and not label.good:
                self.funnel.dropped["not good"] += 1
            elif self._has_side(judgement.side):
                self.lengths.add_answer(len(label.answer.answer.content), good=label.good)
                yield judgement.event, Planned(judgement.side or "", label)

    def _has_side(self, side: str | None) -> bool:
        if side is None:
            self.funnel.dropped[_BOTH_SIDES] += 1
        return side is not None


class RowMaker:
    """Makes rows, with texts as the rules want them.

    Args:
        lines: lines of the log, for rows that are whole judgements.
        rewrite: changes every text, e.g. redacts it.

    Attributes:
        models: number of answers by model.
    """

    def __init__(self, plan: DatasetPlan, lines: Iterable[bytes], rewrite: Rewrite | None = None) -> None:
        self.models: Counter[AnsweringModel | None] = Counter()
        self._plan = plan
        self._lines = enumerate(lines)
        self._reasoning = plan.rules.reasoning
        self._rewrite = rewrite

    def __iter__(self) -> Iterator[tuple[str, DatasetRow]]:
        """Split and row, in order."""
        for side, content, size in self._plan.rows:
            if isinstance(content, PairFound):
                yield side, self._pair(content, size)
            elif isinstance(content, LabelFound):
                spot = content.answer
                prompt, answer = self._prompt(spot.judged), self._answer(spot.answer)
                yield side, LabelRow(prompt, answer, content.good, content.source)
            else:
                line = next(line for number, line in self._lines if number == content.line)
                yield side, self._judgement(line)

    def _pair(self, pair: PairFound, size: int) -> PairRow:
        judged = pair.chosen.judged
        return PairRow(
            self._prompt(judged),
            self._answer(pair.chosen.answer),
            self._answer(pair.rejected.answer),
            pair.source,
            judged.key[:16] if pair.group is None else judged.id,
            1 / size,
        )

    def _prompt(self, judged: Judged) -> tuple[PromptMessage, ...]:
        """The prompt. Templates remove earlier reasoning, so it is never wrapped into the text."""
        keep, rewrite = self._reasoning == "keep", self._rewrite or _unchanged
        return tuple(
            PromptMessage(
                role=m.role,
                content=rewrite(m.content),
                reasoning=rewrite(m.reasoning) if keep and m.reasoning else None,
                pictures=m.pictures,
            )
            for m in judged.prompt
        )

    def _answer(self, answer: JudgedAnswer) -> RowAnswer:
        self.models[answer.model] += 1
        rewrite = self._rewrite or _unchanged
        content = rewrite(answer.content)
        if not answer.reasoning or self._reasoning == "drop":
            return RowAnswer(content, None)
        reasoning = rewrite(answer.reasoning)
        if self._reasoning == "keep":
            return RowAnswer(content, reasoning)
        return RowAnswer(f"<think>\n{reasoning}\n</think>\n\n{content}", None)

    def _judgement(self, line: bytes) -> JudgementRow:
        if self._rewrite is not None:
            line = msgspec.json.encode(_rewritten(msgspec.json.decode(line), self._rewrite))
        record = decode(line)
        assert isinstance(record, Judgement)
        self.models.update(model_of(answer) for answer in judged_answers(record))
        return JudgementRow(record, line)


#: Fields of a record with the words of people and models; pictures have names.
_WORDS = frozenset({"content", "reasoning", "edited", "comment", "principle"})
_OF_PICTURES = frozenset({"name"})


def _unchanged(text: str) -> str:
    return text


def _rewritten(value: Any, rewrite: Rewrite, words: frozenset[str] = _WORDS) -> Any:
    """Decoded JSON of a record with all words rewritten."""
    if isinstance(value, list):
        return [_rewritten(item, rewrite, words) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: rewrite(item)
        if name in words and isinstance(item, str)
        else _rewritten(item, rewrite, _OF_PICTURES if name == "pictures" else words)
        for name, item in value.items()
    }
