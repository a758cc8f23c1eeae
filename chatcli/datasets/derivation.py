"""From a survey of the log to the rows of a dataset: which there are, and, in a second pass, their texts."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from chatcli.datasets.derivation_rules import SOURCES, Rules
from chatcli.datasets.derivation_sketch import (
    Said,
    Sketch,
    SketchedAnswer,
    SketchedModel,
    decode_sketch,
    prompt_hash,
)
from chatcli.datasets.derivation_survey import Survey, key_of
from chatcli.datasets.lengths import Lengths
from chatcli.datasets.pairs import labels_of, pairs_of

#: What may be done to every text on its way out.
Rewrite = Callable[[str], str]
_BOTH_SIDES = "would be on both sides of the split"


class Unit(StrEnum):
    """What a row is made of."""

    PAIRS = "pairs"  # a better and a worse answer
    LABELS = "labels"  # an answer and whether it is good
    GOOD = "good answers"
    COMPARISONS = "comparisons"
    RATINGS = "ratings"
    JUDGEMENTS = "judgements"


#: The kinds of records that the units which are whole judgements take; None: all.
KINDS: dict[Unit, frozenset[str] | None] = {
    Unit.COMPARISONS: frozenset({"comparison"}),
    Unit.RATINGS: frozenset({"rating"}),
}


class Text(NamedTuple):
    """An answer as a row shows it."""

    content: str
    reasoning: str | None


class PairRow(NamedTuple):
    """A prompt with a better and a worse answer.

    Attributes:
        source: one of ``SOURCES``.
        group: the same for pairs that belong together.
        weight: 1 / the number of pairs in the group, so that every group counts once.
    """

    prompt: tuple[Said, ...]
    chosen: Text
    rejected: Text
    source: str
    group: str
    weight: float


class LabelRow(NamedTuple):
    """A prompt with an answer and whether it is good."""

    prompt: tuple[Said, ...]
    answer: Text
    good: bool
    source: str


class EventRow(NamedTuple):
    """A whole judgement: the fields that matter, and the line of the log."""

    sketch: Sketch
    line: bytes


Row = PairRow | LabelRow | EventRow


class Plan:
    """The rows of a dataset in their order, without their texts.

    Groups come in the order in which they became complete, and their rows are together.

    Attributes:
        survey: where the rows come from; its funnel is complete now, but for the rows themselves.
        lengths: of the answers.
    """

    def __init__(self, survey: Survey, unit: Unit) -> None:
        self.survey = survey
        self.unit = unit
        self.lengths = Lengths()
        self.group_sizes = array("I")
        self._first, self._first_at = array("I"), array("H")
        self._second, self._second_at = array("I"), array("H")
        self._flags = bytearray()  # of a pair: its source; of a label: whether it is good
        self._order = array("I")

    def __len__(self) -> int:
        return len(self._first)

    @classmethod
    def of(cls, survey: Survey, unit: Unit, rules: Rules) -> "Plan":
        """Derive the rows."""
        plan = cls(survey, unit)
        survey.funnel.unit = unit.value
        if unit is Unit.PAIRS:
            plan._add_pairs(rules)
        elif unit in (Unit.LABELS, Unit.GOOD):
            plan._add_labels(rules)
        else:
            plan._add_events()
        return plan

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Split and index of each row, in the order to write them."""
        for row in self._order:
            split = self.survey.side(self._first[row], self._second[row])
            assert split is not None
            yield split, row

    def pair(self, row: int) -> tuple[int, int, int, int, str]:
        """Event and place of the chosen answer, then of the rejected one, and the source."""
        return (
            self._first[row], self._first_at[row], self._second[row], self._second_at[row],
            SOURCES[self._flags[row]],
        )  # fmt: skip

    def label(self, row: int) -> tuple[int, int, bool]:
        """Event and place of the answer, and whether it is good."""
        return self._first[row], self._first_at[row], bool(self._flags[row])

    def event(self, row: int) -> int:
        """The event of a row that is a whole judgement."""
        return self._first[row]

    def _add_pairs(self, rules: Rules) -> None:
        survey, funnel = self.survey, self.survey.funnel
        latest = array("I")
        for judged in survey.by_prompt():
            candidates, found = pairs_of(judged, rules, funnel.dropped)
            funnel.candidates += candidates
            sizes = Counter(pair.group for pair in found)
            thumbs = [min(p.chosen.judged.event, p.rejected.judged.event) for p in found if p.group is None]
            newest = min(thumbs, default=0)
            for pair in found:
                chosen, rejected = pair.chosen, pair.rejected
                first, second = chosen.judged.event, rejected.judged.event
                source, size = SOURCES.index(pair.source), sizes[pair.group]
                if self._add(first, chosen.at, second, rejected.at, source, size):
                    self.lengths.add_pair(survey.length(first, chosen.at), survey.length(second, rejected.at))
                    latest.append(newest if pair.group is None else first)
        self._sort(latest)

    def _add_labels(self, rules: Rules) -> None:
        survey, funnel = self.survey, self.survey.funnel
        for judged in survey.by_prompt():
            candidates, found = labels_of(judged, rules, funnel.dropped)
            funnel.candidates += candidates
            for spot, good, _ in found:
                event = spot.judged.event
                if self.unit is Unit.GOOD and not good:
                    funnel.dropped["not good"] += 1
                elif self._add(event, spot.at, event, spot.at, good, 1):
                    self.lengths.add_answer(survey.length(event, spot.at), good=good)
        self._sort(self._first)

    def _add_events(self) -> None:
        for event in filter(self.survey.taken, range(len(self.survey) - 1, -1, -1)):
            self.survey.funnel.candidates += 1
            self._add(event, 0, event, 0, 0, 1)
        self._order = array("I", range(len(self)))

    def _add(self, first: int, first_at: int, second: int, second_at: int, flag: int, size: int) -> bool:
        if self.survey.side(first, second) is None:
            self.survey.funnel.dropped[_BOTH_SIDES] += 1
            return False
        self._first.append(first)
        self._first_at.append(first_at)
        self._second.append(second)
        self._second_at.append(second_at)
        self._flags.append(flag)
        self.group_sizes.append(size)
        return True

    def _sort(self, latest: "array[int]") -> None:
        """The newest event has the smallest number; rows of one event keep their order."""
        self._order = array("I", sorted(range(len(self)), key=latest.__getitem__, reverse=True))


def rows(
    plan: Plan,
    read: Callable[[int], bytes],
    rules: Rules,
    rewrite: Rewrite | None = None,
    models: Counter[SketchedModel | None] | None = None,
) -> Iterator[tuple[str, Row]]:
    """The rows with their texts, in order, each with the split it belongs to.

    Args:
        read: the line of the log at a position.
        rules: those of the plan.
        rewrite: applied to every text, e.g. to redact it.
        models: here the answers are counted by who gave them.
    """
    positions = plan.survey.positions
    # Rows that follow each other often come from the same judgements.
    sketch = lru_cache(maxsize=64)(lambda event: decode_sketch(read(positions[event])))
    shown = _Shown(rules, rewrite, models)
    for split, row in plan:
        if plan.unit is Unit.PAIRS:
            first, first_at, second, second_at, source = plan.pair(row)
            better, worse = sketch(first), sketch(second)
            if first != second and prompt_hash(better) != prompt_hash(worse):
                continue
            group = key_of(better)[:16] if source == "thumbs" else better.id
            yield (
                split,
                PairRow(
                    shown.prompt(better),
                    shown.answer(better.judged[first_at]),
                    shown.answer(worse.judged[second_at]),
                    source,
                    group,
                    1 / plan.group_sizes[row],
                ),
            )
        elif plan.unit in (Unit.LABELS, Unit.GOOD):
            event, at, good = plan.label(row)
            record = sketch(event)
            source = plan.survey.judged(event).source
            yield split, LabelRow(shown.prompt(record), shown.answer(record.judged[at]), good, source)
        else:
            yield split, shown.event(read(positions[plan.event(row)]))


class _Shown:
    """Texts as the rules want them."""

    def __init__(
        self, rules: Rules, rewrite: Rewrite | None, models: Counter[SketchedModel | None] | None
    ) -> None:
        self._reasoning = rules.reasoning
        self._rewrite = rewrite
        self._models = models

    def prompt(self, sketch: Sketch) -> tuple[Said, ...]:
        """What the model saw. Templates take earlier reasoning out, so it is not wrapped into the words."""
        keep, rewrite = self._reasoning == "keep", self._rewrite
        if rewrite is None and (keep or not any(m.reasoning for m in sketch.prompt)):
            return sketch.prompt
        rewrite = rewrite or _unchanged
        return tuple(
            [
                Said(
                    m.role,
                    rewrite(m.content),
                    rewrite(m.reasoning) if keep and m.reasoning else None,
                    m.pictures,
                )
                for m in sketch.prompt
            ]
        )

    def answer(self, answer: SketchedAnswer) -> Text:
        """What was answered."""
        if self._models is not None:
            self._models[answer.model] += 1
        rewrite = self._rewrite or _unchanged
        content = rewrite(answer.content)
        if not answer.reasoning or self._reasoning == "drop":
            return Text(content, None)
        reasoning = rewrite(answer.reasoning)
        if self._reasoning == "keep":
            return Text(content, reasoning)
        return Text(f"<think>\n{reasoning}\n</think>\n\n{content}", None)

    def event(self, line: bytes) -> EventRow:
        """A whole judgement."""
        if self._rewrite is not None:
            line = msgspec.json.encode(_rewritten(msgspec.json.decode(line), self._rewrite))
        sketch = decode_sketch(line)
        if self._models is not None:
            self._models.update(answer.model for answer in sketch.judged)
        return EventRow(sketch, line)


#: The fields of a record that hold what people and models wrote; of pictures their names do.
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
