"""Score a model on the held-out questions, through the program's own engine.

An answer counts as on topic if, of all answers in the transcripts, the one most like it answers the question
that was meant, and is much like it. A request beyond the model counts as declined if that answer declines.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chatcli.chat.message import Message, assistant, user
from chatcli.engine.base import Engine, TextDelta
from chatcli.engine.llama.engine import LlamaEngine
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.sampling import SamplingParams
from models.lkjsxclm.corpus import Corpus, Exchange, HeldOut, normalise, segments

# Word F1 below which an answer resembles nothing in the transcripts.
LIKENESS = 0.6
LONGEST = 200  # tokens; twice the longest answer of the transcripts
GREEDY = SamplingParams(temperature=0.0, max_tokens=LONGEST)

Ask = Callable[[Sequence[Message]], str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question and what came of it.

    Attributes:
        kind: ``paraphrase``, ``follow-up``, ``beyond`` or ``transcript``.
        asked: the wording the model saw.
        answer: what it said.
        wanted: one right answer; None where it should decline.
        right: whether it counts.
        likeness: word F1 of the answer and the nearest one in the transcripts.
    """

    kind: str
    asked: str
    answer: str
    wanted: str | None
    right: bool
    likeness: float


def open_model(path: Path) -> LlamaEngine:
    """The program's engine on a GGUF file; without repacked weights, which crash some virtual machines."""
    return LlamaEngine.open(path, LoadOptions(use_extra_bufts=False))


def sampling(temperature: float) -> SamplingParams:
    """The program's defaults at a temperature, with a fixed seed."""
    return SamplingParams(temperature=temperature, seed=1, max_tokens=LONGEST)


def asker(engine: Engine, params: SamplingParams = GREEDY) -> Ask:
    """A function from a conversation to the engine's answer."""

    def ask(messages: Sequence[Message]) -> str:
        return "".join(
            event.text for event in engine.generate(messages, params) if isinstance(event, TextDelta)
        )

    return ask


def held_out(corpus: Corpus, ask: Ask) -> Iterator[Outcome]:
    """Ask every held-out question; one that leans on the turn before is asked after that turn."""
    judge = Judge(corpus)
    before = _contexts(corpus)
    for item in corpus.held_out:
        context = () if item.like is None else before[item.like]
        answer = ask([*_messages(context), user(item.ask)])
        yield judge.outcome(_kind(item, context), item.ask, item.like, answer)


def transcripts(corpus: Corpus, ask: Ask) -> Iterator[Outcome]:
    """Ask every question of the transcripts after the turns before it: what was learnt by heart."""
    judge = Judge(corpus)
    declines = corpus.declines()
    for dialogue in corpus.dialogues:
        for place, exchange in enumerate(dialogue.exchanges):
            answer = ask([*_messages(dialogue.exchanges[:place]), user(exchange.question)])
            like = None if exchange.answer in declines else exchange.question
            yield judge.outcome("transcript", exchange.question, like, answer)


class Judge:
    """Tells which answer of the corpus one resembles.

    Args:
        corpus: its answers are what a model may say.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._answers = {exchange.answer: _bag(exchange.answer) for _, exchange in corpus.exchanges()}
        self._declines = corpus.declines()
        self._right: dict[str, set[str]] = {}
        for _, exchange in corpus.exchanges():
            self._right.setdefault(exchange.question, set()).add(exchange.answer)

    def outcome(self, kind: str, asked: str, like: str | None, answer: str) -> Outcome:
        """Judge an answer to ``asked``, which means ``like``, or lies beyond the model where that is None."""
        nearest, likeness = self.nearest(answer)
        right = self._declines if like is None else self._right[like]
        wanted = None if like is None else min(right)
        return Outcome(kind, asked, answer, wanted, nearest in right and likeness >= LIKENESS, likeness)

    def nearest(self, answer: str) -> tuple[str, float]:
        """The answer of the corpus most like this one, and their word F1."""
        bag = _bag(answer)
        return max(
            ((text, _f1(bag, known)) for text, known in self._answers.items()), key=lambda pair: pair[1]
        )


def _contexts(corpus: Corpus) -> dict[str, tuple[Exchange, ...]]:
    """For every question the exchanges it may be asked after, as few as possible; none if it stands alone."""
    found: dict[str, tuple[Exchange, ...]] = {}
    for dialogue in corpus.dialogues:
        for piece in segments(dialogue):
            for place, exchange in enumerate(piece):
                if exchange.question not in found or len(found[exchange.question]) > place:
                    found[exchange.question] = piece[:place]
    return found


def _kind(item: HeldOut, context: tuple[Exchange, ...]) -> str:
    if item.like is None:
        return "beyond"
    return "follow-up" if context else "paraphrase"


def _messages(exchanges: Sequence[Exchange]) -> Iterator[Message]:
    for exchange in exchanges:
        yield user(exchange.question)
        yield assistant(exchange.answer)


def _bag(text: str) -> Counter[str]:
    return Counter(normalise(text).split())


def _f1(one: Counter[str], other: Counter[str]) -> float:
    shared = (one & other).total()
    return 2 * shared / max(1, one.total() + other.total())
