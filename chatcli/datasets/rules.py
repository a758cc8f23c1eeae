"""The rules that decide which judgements become rows of a dataset, and how."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from chatcli.errors import UsageError
from chatcli.feedback.records import Judgement, Rating, answers_in, kind_of

#: Kind of record -> the source of its rows.
SOURCE_OF = {"rating": "thumbs", "comparison": "comparison", "ranking": "ranking", "correction": "edit"}
SOURCES = tuple(SOURCE_OF.values())
REASONING = ("drop", "keep", "wrap")
CONTRADICTIONS = ("majority", "drop", "keep")
TIES = ("label", "skip")
JUDGES = ("human", "ai", "any")


@dataclass(frozen=True, slots=True)
class Rules:
    """Which judgements count, and how rows are made of them.

    Attributes:
        sources: which of ``SOURCES`` give rows.
        judges: whose judgements count: of people, of models, or of both.
        cut: also take answers that were truncated, interrupted or failed.
        reasoning: drop the reasoning of answers, keep it in a field of its own, or wrap it in think tags
            before the answer, as models write it.
        ties: label both answers of a tie as good (if both are bad, as bad), or skip them.
        contradictions: of two answers that were judged both ways take the majority (and drop equal votes),
            drop all judgements, or keep all.
        duplicates: keep rows that are equal but for white space.
        per_prompt: largest number of rows of one prompt; 0 for all. Direct choices come before pairs of
            thumbs, then the earlier before the later. 36 is one ranking of nine answers.
        least_score: a good rating counts only from this score on.
        models: names or files of models; others do not count. Empty for all.
        adapters: beginnings of the SHA-256 of an adapter, or ``none``. Empty for all.
        reasons, tags: a judgement must have one of them. Empty for all.
        conversations: ids of conversations. Empty for all.
        since, until: earliest time of a judgement; the time from which on none counts.
        marks: add columns that tell where a row comes from, if the format has them.
    """

    sources: tuple[str, ...] = SOURCES
    judges: Literal["human", "ai", "any"] = "human"
    cut: bool = False
    reasoning: Literal["drop", "keep", "wrap"] = "drop"
    ties: Literal["label", "skip"] = "label"
    contradictions: Literal["majority", "drop", "keep"] = "majority"
    duplicates: bool = False
    per_prompt: int = 36
    least_score: int | None = None
    models: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    marks: bool = True

    def __post_init__(self) -> None:
        _one_of("source", SOURCES, *self.sources)
        _one_of("judges", JUDGES, self.judges)
        _one_of("reasoning", REASONING, self.reasoning)
        _one_of("ties", TIES, self.ties)
        _one_of("contradictions", CONTRADICTIONS, self.contradictions)
        if self.per_prompt < 0:
            raise UsageError(f"rows per prompt: {self.per_prompt} is less than 0; 0 means all")
        if self.least_score is not None and not 1 <= self.least_score <= 10:
            raise UsageError(f"a rating is 1 to 10, not {self.least_score}")


def _one_of(what: str, known: tuple[str, ...], *given: str) -> None:
    for value in given:
        if value not in known:
            raise UsageError(f"{what} must be one of {', '.join(known)}, not {value!r}")


def refusal(
    record: Judgement, rules: Rules, kinds: frozenset[str] | None = None, *, pictures: bool = False
) -> str | None:
    """The rule that a judgement breaks, or None.

    Args:
        kinds: kinds of records that count; None for all.
        pictures: whether prompts with pictures count.
    """
    kind = kind_of(record)
    if rules.judges not in ("any", record.judge.by):
        return "judged by a model" if record.judge.by == "ai" else "judged by a person"
    if SOURCE_OF[kind] not in rules.sources:
        return "another source"
    least = rules.least_score or 0
    if isinstance(record, Rating) and record.good and (record.score or 0) < least:
        return "rated too low"
    if (rules.since and record.time < rules.since) or (rules.until and record.time >= rules.until):
        return "another time"
    if rules.reasons and not set(rules.reasons) & set(record.reasons):
        return "without the reason"
    if rules.tags and not set(rules.tags) & set(record.tags):
        return "without the tag"
    if rules.conversations and (record.target is None or record.target.transcript not in rules.conversations):
        return "another conversation"
    if (rules.models or rules.adapters) and (reason := _refused_model(record, rules)):
        return reason
    if kinds is not None and kind not in kinds:
        return "another kind of judgement"
    return "prompt has pictures" if not pictures and any(m.pictures for m in record.prompt) else None


def _refused_model(record: Judgement, rules: Rules) -> str | None:
    for answer in answers_in(record):
        model = answer.provenance.model if answer.provenance else None
        if rules.models and (model is None or not {model.name, model.file} & set(rules.models)):
            return "another model"
        adapter = (model.adapter if model else None) or "none"
        if rules.adapters and not any(adapter.startswith(a) for a in rules.adapters if a):
            return "another adapter"
    return None
