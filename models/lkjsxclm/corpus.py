"""The corpus: example transcripts, training-only rewordings of their questions, and held-out rewordings."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatcli.chat.message import Role
from chatcli.chat.transcript import reader as transcript_reader
from chatcli.errors import DataError

REPOSITORY = Path(__file__).resolve().parents[2]
TRANSCRIPTS = REPOSITORY / "transcripts"
WORDINGS = Path(__file__).with_name("wordings")
HELD_OUT = Path(__file__).with_name("heldout")
BEYOND = "beyond"  # the folder of what the model declines
DECLINES = "That is beyond me"  # how every answer that declines begins

# Words that point at an earlier turn: a question with one of them is left behind the turn it came after.
_POINTERS = re.compile(
    r"\b(it|its|that|this|they|their|them|those|these|he|she|his|her|one|ones|another|more|again|else|instead"
    r"|too|also|both|same|other|others|shorter|longer|simpler|really|sure|then|there|example|so|last|previous)\b"
    r"|^(and|but|why|or|ok|okay|no|yes|yeah|nope|wow|cool|nice|great|thanks|thank)\b"
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One transcript.

    Attributes:
        group: the folder it lies in, which is its subject.
        name: the file's name.
        system: its system prompt, or None.
        exchanges: its turns, in order.
    """

    group: str
    name: str
    system: str | None
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A question that is never trained on.

    Attributes:
        like: the question of the corpus it means; None: it is beyond the model and must be declined.
        ask: its wording.
    """

    like: str | None
    ask: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything that is read from disk.

    Attributes:
        dialogues: the transcripts, sorted by path.
        wordings: question of a transcript -> other wordings of it, to train on.
        held_out: what the evaluation asks.
    """

    dialogues: tuple[Dialogue, ...]
    wordings: dict[str, tuple[str, ...]]
    held_out: tuple[HeldOut, ...]

    def exchanges(self) -> Iterator[tuple[Dialogue, Exchange]]:
        """Every exchange with the dialogue it belongs to."""
        for dialogue in self.dialogues:
            for exchange in dialogue.exchanges:
                yield dialogue, exchange

    def asked(self) -> frozenset[str]:
        """Every question that is trained on, normalised."""
        texts = [exchange.question for _, exchange in self.exchanges()]
        texts += [text for asks in self.wordings.values() for text in asks]
        return frozenset(map(normalise, texts))

    def declines(self) -> frozenset[str]:
        """The answers that say: this is beyond me."""
        answers = (exchange.answer for _, exchange in self.exchanges())
        return frozenset(answer for answer in answers if answer.startswith(DECLINES))


def normalise(text: str) -> str:
    """The words of a text, lower-case and without punctuation: two texts alike in them count as the same."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def read(transcripts: Path = TRANSCRIPTS, wordings: Path = WORDINGS, held_out: Path = HELD_OUT) -> Corpus:
    """Read the corpus and hold it to its rules.

    Raises:
        DataError: a file is damaged, a wording belongs to no question, or a held-out question is trained on.
    """
    dialogues = tuple(_dialogue(path) for path in sorted(transcripts.rglob("*.txt")))
    questions = {exchange.question for dialogue in dialogues for exchange in dialogue.exchanges}
    training: dict[str, list[str]] = {}
    for place, record in _records(wordings):
        if record["like"] not in questions:
            raise DataError(f"{place}: no transcript asks {record['like']!r}")
        training.setdefault(record["like"], []).extend(record["ask"])
    unseen = tuple(HeldOut(record["like"], record["ask"]) for _, record in _records(held_out))
    corpus = Corpus(dialogues, {like: tuple(asks) for like, asks in training.items()}, unseen)
    seen = corpus.asked()
    for item in unseen:
        if normalise(item.ask) in seen:
            raise DataError(f"{held_out}: {item.ask!r} is trained on; a held-out question must not be")
        if item.like is not None and item.like not in questions:
            raise DataError(f"{held_out}: no transcript asks {item.like!r}")
    return corpus


def segments(dialogue: Dialogue) -> list[tuple[Exchange, ...]]:
    """Cut a dialogue where a question stands on its own, so that the pieces may be joined in any order."""
    cut: list[list[Exchange]] = []
    for exchange in dialogue.exchanges:
        if cut and depends(exchange.question):
            cut[-1].append(exchange)
        else:
            cut.append([exchange])
    return [tuple(piece) for piece in cut]


def depends(question: str) -> bool:
    """Whether a question seems to need the turn before it to be understood."""
    words = normalise(question)
    return len(words.split()) <= 2 or _POINTERS.search(words) is not None


def _dialogue(path: Path) -> Dialogue:
    messages = transcript_reader.load([path.read_bytes()]).conversation.messages()
    system = None
    if messages and messages[0].role is Role.SYSTEM:
        system = messages.pop(0).content
    pairs = list(zip(messages[::2], messages[1::2], strict=False))
    if len(messages) % 2 or any((a.role, b.role) != (Role.USER, Role.ASSISTANT) for a, b in pairs):
        raise DataError(f"{path}: questions and answers must alternate")
    turns = tuple(Exchange(question.content, answer.content) for question, answer in pairs)
    return Dialogue(path.parent.name, path.stem, system, turns)


def _records(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
            if line.strip():
                place = f"{path}:{number}"
                try:
                    yield place, json.loads(line)
                except ValueError as error:
                    raise DataError(f"{place}: {error}") from None
