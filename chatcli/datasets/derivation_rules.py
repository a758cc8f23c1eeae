"""The rules by which judgements become rows of a dataset: every rule an option with a default."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from chatcli.errors import UsageError

#: Where a pair or a label comes from: two thumbs on one prompt, a comparison, a ranking, an edited answer.
SOURCES = ("thumbs", "comparison", "ranking", "edit")
REASONING = ("drop", "keep", "wrap")
CONTRADICTIONS = ("majority", "drop", "keep")
TIES = ("label", "skip")
JUDGES = ("human", "ai", "any")


@dataclass(frozen=True, slots=True)
class Rules:
    """How rows are made of judgements, and which judgements count.

    Attributes:
        sources: which of ``SOURCES`` give rows.
        judges: whose judgements count: of people, of models, or both.
        cut: take answers that were truncated, interrupted or failed, too.
        reasoning: of a model's answers: drop it, keep it in a field of its own, or wrap it in think tags
            before the answer, as the models themselves write it.
        ties: what a tie says where answers are labelled one by one: that both are good (both bad: that both
            are bad), or nothing.
        contradictions: where a prompt's two answers were judged both ways: go with the majority (and drop
            what has none), drop them all, or keep them all.
        duplicates: keep rows that are equal, white space aside.
        per_prompt: most rows of one prompt; 0: all. Direct choices come before pairs of thumbs, then the
            earlier before the later. 36 is one ranking of nine answers.
        least_score: a good rating counts only with a score of at least so much.
        models: names or files of models, whole; answers of others do not count. Empty: all.
        adapters: beginnings of an adapter's sha256, or ``none``. Empty: all.
        reasons, tags: a judgement must have one of them. Empty: all.
        conversations: ids. Empty: all.
        since, until: when it was judged; until is not included.
        marks: where a format allows it, say in each row where it comes from: source, group and weight.
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
            raise UsageError(f"the rows of a prompt cannot be {self.per_prompt}; 0 stands for all")
        if self.least_score is not None and not 1 <= self.least_score <= 10:
            raise UsageError(f"a rating is 1 to 10, not {self.least_score}")


def _one_of(what: str, known: tuple[str, ...], *given: str) -> None:
    for value in given:
        if value not in known:
            raise UsageError(f"{what} must be one of {', '.join(known)}, not {value!r}")
