"""The first pass of an export: what each judgement in the log says, in some forty bytes.

The log is read from its end, since whether a judgement still counts depends on later events only. What is
kept of a judgement are its position in the file and numbers for its prompt and answers; texts are read again
when rows are written. The numbers have 64 bits: among a million, two are equal by chance with a probability
of 3e-8.
"""

from array import array
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from chatcli.datasets.derivation_rules import SOURCES, Rules
from chatcli.datasets.derivation_sketch import (
    Sketch,
    decode_sketch,
    prompt_hash,
    refusal,
    source_of,
    text_hash,
)
from chatcli.datasets.funnel import Funnel
from chatcli.datasets.pairs import Judged
from chatcli.datasets.splits import TRAIN, VALIDATION, Splitter, draw
from chatcli.feedback.answers import prompt_key
from chatcli.feedback.judgements import Fate, Succession, located

#: What the funnel calls lines that are no records.
UNREADABLE = "damaged, or of a newer version"
#: A place that is worse than this is taken for this.
_WORST_PLACE = 2**16 - 1
#: Targets of these names are not conversations: their judgements are split by prompt.
_NO_CONVERSATION = ("arena:", "import:")


class Split(NamedTuple):
    """How rows are divided.

    Attributes:
        share: of the training side, between 0 and 1.
        seed: another seed, another division.
    """

    share: float
    seed: int = 0


class Survey:
    """What was found, newest first: event 0 is the last one of the log.

    Attributes:
        funnel: the counts down to the judgements that were taken.
        faults: positions of lines that cannot be read, the last of the log first; at most ``MOST_FAULTS``.
        positions: of each event in the log.
    """

    MOST_FAULTS = 100

    def __init__(self) -> None:
        self.funnel = Funnel()
        self.faults: list[int] = []
        self.positions = array("Q")
        self._prompts = array("q")
        self._sources = bytearray()  # index in SOURCES, plus 1; 0: only there for the split
        self._answers_end = array("Q")
        self._places = array("H")
        self._digests = array("q")
        self._lengths = array("I")
        self._whole = bytearray()
        self._conversations = array("q")
        self._drawn = bytearray()
        self._sides: bytearray | None = None

    def __len__(self) -> int:
        return len(self.positions)

    def add(self, position: int, prompt: int, sketch: Sketch | None) -> None:
        """Take a judgement; without its sketch, only its place in the split."""
        self.positions.append(position)
        self._prompts.append(prompt)
        self._sources.append(0 if sketch is None else 1 + SOURCES.index(source_of(sketch)))
        if sketch is not None:
            for answer, place in zip(sketch.judged, sketch.places, strict=True):
                self._places.append(min(place, _WORST_PLACE))
                self._digests.append(text_hash(answer.content))
                self._lengths.append(len(answer.content))
                self._whole.append(answer.whole)
        self._answers_end.append(len(self._places))

    def add_side(self, conversation: int, drawn: bool) -> None:
        """Take what decides the side of the judgement that was added last; conversation 0: none."""
        self._conversations.append(conversation)
        self._drawn.append(drawn)

    def divide(self) -> None:
        """Decide the sides, oldest first."""
        splitter = Splitter()
        self._sides = bytearray(len(self))
        for event in range(len(self) - 1, -1, -1):
            side = splitter.side(
                self._conversations[event] or None, self._prompts[event], bool(self._drawn[event])
            )
            self._sides[event] = 2 if side is None else not side

    def side(self, *events: int) -> str | None:
        """The split of a row that comes from these events; None: it would join both sides."""
        if self._sides is None:
            return TRAIN
        sides = {self._sides[event] for event in events}
        return (TRAIN, VALIDATION, None)[sides.pop()] if len(sides) == 1 else None

    def taken(self, event: int) -> bool:
        """Whether the rules let the event through."""
        return self._sources[event] > 0

    def length(self, event: int, at: int) -> int:
        """Characters of an answer."""
        return self._lengths[self._answers_end[event - 1] + at if event else at]

    def judged(self, event: int) -> Judged:
        """What an event says."""
        begin, end = self._answers_end[event - 1] if event else 0, self._answers_end[event]
        return Judged(
            event,
            SOURCES[self._sources[event] - 1],
            tuple(self._places[begin:end]),
            tuple(self._digests[begin:end]),
            tuple(map(bool, self._whole[begin:end])),
        )

    def by_prompt(self) -> Iterator[list[Judged]]:
        """The judgements that were taken, those of one prompt together, in the order of the log.

        Prompts come in no particular order.
        """
        prompts = self._prompts
        taken = filter(self.taken, range(len(self) - 1, -1, -1))
        order = array("I", sorted(taken, key=prompts.__getitem__))
        group: list[Judged] = []
        last = 0
        for event in order:
            if group and prompts[event] != last:
                yield group
                group = []
            last = prompts[event]
            group.append(self.judged(event))
        if group:
            yield group


def survey(
    lines: Iterable[tuple[int, bytes | None]],
    rules: Rules,
    *,
    kinds: frozenset[str] | None = None,
    pictures: bool = False,
    split: Split | None = None,
) -> Survey:
    """Read the log once.

    Args:
        lines: of the log, the last one first, with their positions; None: a line that is too long.
        rules: which judgements are taken.
        kinds: of records; None: all.
        pictures: take judgements whose prompt has pictures, too.
        split: None: everything is for training.
    """
    found = Survey()
    fates, refused = found.funnel.not_live, found.funnel.refused
    succession = Succession()
    sided = lru_cache(maxsize=4096)(lambda name: draw(name, split.seed) < split.share if split else True)
    for position, line in lines:
        if line is not None and not line.strip():
            continue
        found.funnel.events += 1
        try:
            if line is None:
                raise ValueError("too long")
            sketch = decode_sketch(line)
            conversation = "" if sketch.target is None else sketch.target.transcript
            located(sketch, line)
        except (ValueError, RecursionError):
            fates[UNREADABLE] += 1
            if len(found.faults) < Survey.MOST_FAULTS:
                found.faults.append(position)
            continue
        fate = succession.fate(sketch)
        if fate is not Fate.LIVE:
            fates[_WORDS[fate]] += 1
            if fate is Fate.MARK or split is None:
                continue
        reason = None if fate is not Fate.LIVE else refusal(sketch, rules, kinds, pictures=pictures)
        if reason is not None:
            refused[reason] += 1
        taken = fate is Fate.LIVE and reason is None
        if taken or split is not None:
            prompt = prompt_hash(sketch)
            found.add(position, prompt, sketch if taken else None)
            if split is not None:
                alone = not conversation or conversation.startswith(_NO_CONVERSATION)
                name = f"prompt:{key_of(sketch)}" if alone else conversation
                found.add_side(0 if alone else hash(conversation), sided(name))
    del succession
    if split is not None:
        found.divide()
    return found


def key_of(sketch: Sketch) -> str:
    """The ``prompt_key`` of a judgement."""
    return prompt_key(sketch.prompt)


_WORDS = {
    Fate.SUPERSEDED: "judged again later",
    Fate.EDITED: "edited later",
    Fate.RETRACTED: "retracted",
    Fate.MARK: "retractions",
}
