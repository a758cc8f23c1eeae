"""Endless training conversations drawn from the corpus.

Dialogues are joined, so that any exchange may come at any turn; questions are reworded and mistyped; and what
the model must decline comes in between.
"""

import re
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from random import Random

from models.lkjsxclm import unfamiliar, wording
from models.lkjsxclm.corpus import BEYOND, Corpus, Exchange, depends, normalise, segments
from models.lkjsxclm.tokenizer import Encoder, Row, Turn

_INTRODUCTION = re.compile(r"(?i:my name is|call me|i am called|name's) ([A-Z][a-z]+)\b")


@dataclass(frozen=True, slots=True)
class Mixture:
    """How conversations are put together; every value is a probability.

    Attributes:
        whole: start with a transcript from its beginning, instead of pieces of several.
        composed: put a composed request beyond the model before a piece.
        reworded: take a wording from the list instead of the transcript's.
        varied: vary a question by rule.
        thinned: leave some words of a question out; it is to be recognised by those that are left.
        system: begin with a system prompt.
        renamed: give a person who introduces herself another name.
        cut: learn only the first ``cut_to`` tokens of an answer nothing hangs on: finding the right answer is
            what needs practice, not its end, and more questions fit in the same time.
    """

    whole: float = 0.2
    composed: float = 0.1
    reworded: float = 0.75
    varied: float = 0.5
    thinned: float = 0.3
    system: float = 0.08
    renamed: float = 0.9
    cut: float = 0.6
    cut_to: int = 12


class Sampler:
    """Draws conversations.

    Args:
        corpus: what they are made of.
        encoder: turns them into token ids.
        random: the only source of chance.
        mixture: how they are put together.
    """

    def __init__(
        self, corpus: Corpus, encoder: Encoder, random: Random, mixture: Mixture | None = None
    ) -> None:
        self._corpus = corpus
        self._encoder = encoder
        self._random = random
        self._mixture = mixture or Mixture()
        self._rewriter = wording.Rewriter()
        self._composer = unfamiliar.Composer()
        self._unseen = frozenset(normalise(item.ask) for item in corpus.held_out)
        self._taken = self._unseen | corpus.asked()
        self._answers = {exchange.question: exchange.answer for _, exchange in corpus.exchanges()}
        distinct = sorted({exchange.answer for _, exchange in corpus.exchanges()})
        self._intents = {answer: number for number, answer in enumerate(distinct)}
        self._whole = [list(dialogue.exchanges) for dialogue in corpus.dialogues if dialogue.group != BEYOND]
        self._pieces = [list(piece) for dialogue in corpus.dialogues for piece in segments(dialogue)]
        self._queue: list[list[Exchange]] = []

    @property
    def intents(self) -> int:
        """How many different answers there are."""
        return len(self._intents)

    def question(self) -> tuple[list[int], int]:
        """The token ids of one question that stands on its own, and the number of its answer."""
        turn = self._composed() if self._random.random() < self._mixture.composed else None
        if turn is None:
            exchange = self._next()[0]
            turn = Turn(self._worded(exchange.question), exchange.answer, self._intents[exchange.answer])
        return self._encoder.text(turn.question), turn.intent

    def with_mixture(self, mixture: Mixture) -> "Sampler":
        """The same sampler, putting conversations together in another way."""
        other = copy(self)
        other._mixture = mixture
        return other

    def sequence(self, length: int) -> Row:
        """A conversation of at most ``length`` tokens, filled with whole exchanges."""
        random = self._random
        system = random.choice(self._rewriter.systems) if random.random() < self._mixture.system else None
        row = self._encoder.conversation(system, ())
        for turn in self._turns():
            more = self._encoder.conversation(None, (turn,))
            if len(row) + len(more) <= length:
                row.join(more)
            elif any(row.learn):
                return row
            else:  # it does not fit even alone, or not with the system prompt: begin again without
                row = Row()
        raise AssertionError("turns never end")

    def _turns(self) -> Iterator[Turn]:
        if self._random.random() < self._mixture.whole:
            yield from self._said(self._random.choice(self._whole))
        while True:
            if self._random.random() < self._mixture.composed and (turn := self._composed()):
                yield turn
            yield from self._said(self._next())

    def _next(self) -> list[Exchange]:
        """The next piece; every piece comes once before any comes again."""
        if not self._queue:
            self._queue = self._random.sample(self._pieces, len(self._pieces))
        return self._queue.pop()

    def _said(self, exchanges: list[Exchange]) -> Iterator[Turn]:
        rename = self._rename(exchanges)
        for exchange in exchanges:
            question = self._worded(exchange.question, rename)
            cut = self._mixture.cut if len(exchanges) == 1 else 0.0
            yield replace(self._turn(question, exchange.answer, cut), answer=rename(exchange.answer))

    def _turn(self, question: str, answer: str, cut: float) -> Turn:
        """A turn whose answer is cut with this probability."""
        shortened = self._mixture.cut_to if self._random.random() < cut else None
        return Turn(question, answer, self._intents[answer], shortened)

    def _composed(self) -> Turn | None:
        """A request beyond the model; None where chance composed one of the corpus or of the held-out set."""
        request = self._composer.compose(self._random)
        text = wording.slip(request.text, self._random)
        if normalise(text) in self._taken:
            return None
        return self._turn(text, self._answers[request.like], self._mixture.cut)

    def _worded(self, question: str, rename: Callable[[str], str] = str) -> str:
        """A question as somebody may type it; held-out ones, which chance may hit on, stay unseen."""
        text = wording.slip(rename(self._asked(question)), self._random)
        return question if normalise(text) in self._unseen else text

    def _asked(self, question: str) -> str:
        random, mixture = self._random, self._mixture
        text = question
        wordings = self._corpus.wordings.get(question)
        if wordings and random.random() < mixture.reworded:
            text = random.choice(wordings)
        if random.random() < mixture.varied:
            text = self._rewriter.reword(text, random, follow_up=depends(question))
        if random.random() < mixture.thinned:
            text = wording.thin(text, random)
        return text

    def _rename(self, exchanges: list[Exchange]) -> Callable[[str], str]:
        """Puts another name in the place of the one a person introduces herself with."""
        match = next((found for turn in exchanges if (found := _INTRODUCTION.search(turn.question))), None)
        if match is None or self._random.random() > self._mixture.renamed:
            return lambda text: text
        old, new = re.compile(rf"\b{match[1]}\b", re.IGNORECASE), self._random.choice(self._rewriter.names)
        return lambda text: old.sub(new, text)
