"""Reads the log for an export: the judgements that count and that the rules take.

Of a judgement only prompt, answers and models are held in memory. Equal prompts and models are held once, so
100,000 judgements take less than 300 MB.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from chatcli.datasets.funnel import Funnel
from chatcli.datasets.rules import SOURCE_OF, Rules, refusal
from chatcli.datasets.splits import DatasetSplit, Splitter
from chatcli.feedback.answers import Answer, PromptMessage, prompt_key
from chatcli.feedback.judgements import Fate, Trace, fates, trace_of
from chatcli.feedback.records import Comparison, Correction, Judgement, Ranking, Rating, answers_in, kind_of
from chatcli.files.record_log import DamagedLine
from chatcli.storage.feedback.log import FeedbackLog

T = TypeVar("T")

#: Receives the name of a step, how much of it is done, and how much there is to do.
ExportProgress = Callable[[str, int, int], None]
#: Places of answers that were judged alone. The best of several answers has place 1 too.
GOOD, BAD = 1, 2
#: Name of unreadable lines in the funnel.
UNREADABLE = "damaged, or of a newer version"
_WHOLE = frozenset({None, "end", "stop"})
_NAMES = {
    Fate.SUPERSEDED: "judged again later",
    Fate.EDITED: "edited later",
    Fate.RETRACTED: "retracted",
    Fate.MARK: "retractions",
}


class AnsweringModel(NamedTuple):
    """The model of an answer."""

    name: str
    file: str | None
    adapter: str | None
    template: str | None


class JudgedAnswer(NamedTuple):
    """An answer of a judgement.

    Attributes:
        model: None if it is not known, or if a person wrote the text.
        whole: whether it was neither truncated nor interrupted; so is what is not known.
        digest: a number, the same within this process for texts that differ in white space only.
    """

    content: str
    reasoning: str | None
    model: AnsweringModel | None
    whole: bool
    digest: int


class Judged(NamedTuple):
    """A judgement, as pairs and labels are made of it.

    Attributes:
        event: number of its line in the log.
        source: one of ``rules.SOURCES``.
        key: ``prompt_key`` of its prompt.
        answers: the answers; of a correction the edited text, then the original.
        places: place of each answer; 1 is the best.
        side: side of the split, or None if it is on neither.
    """

    event: int
    id: str
    source: str
    key: str
    prompt: tuple[PromptMessage, ...]
    answers: tuple[JudgedAnswer, ...]
    places: tuple[int, ...]
    side: str | None


class WholeJudgement(NamedTuple):
    """A judgement that is a row by itself: number of its line in the log, from 0, and side of the split."""

    line: int
    side: str | None


@dataclass(slots=True)
class JudgementsRead(Generic[T]):
    """What was read.

    Attributes:
        judged: the judgements that the rules take, oldest first.
        faults: the lines that cannot be read.
        sha256: SHA-256 of the log as it was read, in hex.
    """

    judged: list[T] = field(default_factory=list)
    faults: list[DamagedLine] = field(default_factory=list)
    sha256: str = ""


class Condenser:
    """Makes records into ``Judged``; equal prompts and models are shared."""

    def __init__(self) -> None:
        self._prompts: dict[str, tuple[PromptMessage, ...]] = {}
        self._models: dict[AnsweringModel | None, AnsweringModel | None] = {}

    def __call__(self, line: int, record: Judgement, key: str, side: str | None) -> Judged:
        """The judgement of a record."""
        prompt = self._prompts.setdefault(key, record.prompt)
        return Judged(
            line,
            record.id,
            SOURCE_OF[kind_of(record)],
            key,
            prompt if prompt == record.prompt else record.prompt,
            tuple(map(self._answer, judged_answers(record))),
            places_of(record),
            side,
        )

    def _answer(self, answer: Answer) -> JudgedAnswer:
        model = model_of(answer)
        model = self._models.setdefault(model, model)
        whole = answer.finish_reason in _WHOLE
        digest = hash(" ".join(answer.content.split()))
        return JudgedAnswer(answer.content, answer.reasoning, model, whole, digest)


def model_of(answer: Answer) -> AnsweringModel | None:
    """The model of an answer, or None if it is not known."""
    model = answer.provenance.model if answer.provenance else None
    if model is None:
        return None
    return AnsweringModel(model.name, model.file, model.adapter, model.template)


def judged_answers(record: Judgement) -> tuple[Answer, ...]:
    """The answers in the order of ``places_of``: of a correction the edited text, then the original."""
    if isinstance(record, Correction):
        return Answer(content=record.edited), record.answer
    return answers_in(record)


def places_of(record: Judgement) -> tuple[int, ...]:
    """Place of each answer; 1 is the best.

    A rating is ``GOOD`` or ``BAD``; two answers that tie are ``GOOD``, two that are both bad are ``BAD``.
    """
    if isinstance(record, Rating):
        return (GOOD if record.good else BAD,)
    if isinstance(record, Comparison):
        if record.better is None:
            return (GOOD, GOOD) if record.winner == "tie" else (BAD, BAD)
        return (1, 2) if record.better == 0 else (2, 1)
    return record.ranks if isinstance(record, Ranking) else (GOOD, BAD)


def read_judgements(
    log: FeedbackLog,
    take: Callable[[int, Judgement, str, str | None], T],
    rules: Rules,
    funnel: Funnel,
    *,
    kinds: frozenset[str] | None = None,
    pictures: bool = False,
    split: DatasetSplit | None = None,
    progress: ExportProgress | None = None,
) -> JudgementsRead[T]:
    """Read the log once.

    Args:
        take: condenses a judgement, given its line, record, prompt key and side.
        funnel: receives the counts down to the judgements that are taken.
        kinds: kinds of records that count; None for all.
        pictures: whether prompts with pictures count.

    Raises:
        StorageError: the log cannot be read.
    """
    found: JudgementsRead[T] = JudgementsRead()
    splitter, digest = Splitter(split), hashlib.sha256()
    size = log.path.stat().st_size if log.path.exists() else 0
    done = 0
    traces: list[Trace] = []
    refusals: list[str | None] = []
    taken: list[T | None] = []
    for line, (raw, item) in enumerate(log.lines()):
        digest.update(raw)
        done += len(raw)
        if progress is not None:
            progress("reading", done, size)
        if item is None:
            continue
        funnel.events += 1
        if isinstance(item, DamagedLine):
            found.faults.append(item)
            funnel.not_live[UNREADABLE] += 1
            continue
        traces.append(trace_of(item))
        reason, judged = None, None
        if isinstance(item, Judgement):
            key = prompt_key(item.prompt)
            side = splitter.side(item.target.transcript if item.target else None, key)
            reason = refusal(item, rules, kinds, pictures=pictures)
            judged = None if reason else take(line, item, key, side)
        refusals.append(reason)
        taken.append(judged)
    for fate, reason, judged in zip(fates(traces), refusals, taken, strict=True):
        if fate is not Fate.LIVE:
            funnel.not_live[_NAMES[fate]] += 1
        elif reason is not None:
            funnel.refused[reason] += 1
        elif judged is not None:
            found.judged.append(judged)
    found.sha256 = digest.hexdigest()
    return found
