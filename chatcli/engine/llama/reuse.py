"""Which of the tokens a model has already read can stay, when the next prompt says the same in other tokens.

A model writes ``Hel`` ``lo`` where the tokenizer, given its answer back, makes ``Hello`` of it. Comparing ids
would throw the whole answer away; comparing text keeps it, and keeps what the model has really written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

_RETOLD = 256  # most tokens of the new prompt that are tokenized again behind a cut


class Pieces(Protocol):
    """What is needed of a vocabulary."""

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for."""
        ...

    def is_special(self, token: int) -> bool:
        """Whether it is a control, user-defined or unknown token."""
        ...

    def is_control(self, token: int) -> bool:
        """Whether it is a control token."""
        ...

    def continuation(self, data: bytes) -> list[int]:
        """Tokens of bytes that follow other text."""
        ...

    def spell(self, data: bytes) -> list[int]:
        """Tokens of bytes, one for each character or byte."""
        ...


@dataclass(frozen=True, slots=True)
class Reuse:
    """What to do with a memory so that it holds a prompt.

    Attributes:
        keep: how many of the tokens in the memory stay, from the first on.
        decode: the tokens to read after them; never empty.
    """

    keep: int
    decode: list[int]


def reuse(cached: Sequence[int], generated: Sequence[bool], fresh: Sequence[int], pieces: Pieces) -> Reuse:
    """How much of a memory a prompt can use.

    The tokens kept and decoded stand for exactly the bytes of the prompt, and its special tokens are the same
    at the same places. A user-defined token that the model itself wrote may stand for text of the prompt, a
    control token never does.

    Args:
        cached: ids in the memory, in order.
        generated: for each of them, whether the model wrote it.
        fresh: ids of the prompt; not empty.
        pieces: the vocabulary.
    """
    walk = _Walk(cached, generated, fresh, pieces)
    walk.run()
    if walk.ended_inside:
        return Reuse(len(cached), _retold(walk.ahead, fresh[walk.new :], pieces))
    keep, decode = walk.common_old, list(fresh[walk.common_new :])
    if not decode:  # the logits of the last token are needed
        keep -= 1
        decode = [cached[keep]]
    return Reuse(keep, decode)


class _Walk:
    """Two sequences of tokens side by side, as far as they stand for the same text.

    Attributes:
        old, new: places in the two sequences.
        common_old, common_new: the last places at which both were at the end of a token.
        ahead: bytes that only one of the sequences has passed.
        old_is_ahead: whether that is the old one.
        ended_inside: the old sequence ended while the new one was inside a token.
    """

    def __init__(
        self, cached: Sequence[int], generated: Sequence[bool], fresh: Sequence[int], pieces: Pieces
    ) -> None:
        self._cached, self._generated, self._fresh, self._pieces = cached, generated, fresh, pieces
        self.old = self.new = self.common_old = self.common_new = 0
        self.ahead = b""
        self.old_is_ahead = self.ended_inside = False

    def run(self) -> None:
        """Go on until the texts differ or one of them ends."""
        while self._step():
            if not self.ahead:
                self.common_old, self.common_new = self.old, self.new

    def _step(self) -> bool:
        if not self.ahead:
            if self.old == len(self._cached) or self.new == len(self._fresh):
                return False
            if self._cached[self.old] == self._fresh[self.new]:
                self.old += 1
                self.new += 1
                return True
            self.ahead, self.old_is_ahead = self._take_old(), True
            return bool(self.ahead)
        self.ended_inside = not self.old_is_ahead and self.old == len(self._cached)
        taken = self._take_new() if self.old_is_ahead else self._take_old()
        shorter = min(len(taken), len(self.ahead))
        if not taken or taken[:shorter] != self.ahead[:shorter]:
            return False
        if len(taken) > len(self.ahead):
            self.old_is_ahead = not self.old_is_ahead
        self.ahead = taken[shorter:] or self.ahead[shorter:]
        return True

    def _take_old(self) -> bytes:
        if self.old == len(self._cached):
            return b""
        token = self._cached[self.old]
        if self._pieces.is_special(token) and (
            not self._generated[self.old] or self._pieces.is_control(token)
        ):
            return b""
        self.old += 1
        return self._pieces.piece(token)

    def _take_new(self) -> bytes:
        if self.new == len(self._fresh) or self._pieces.is_special(self._fresh[self.new]):
            return b""
        self.new += 1
        return self._pieces.piece(self._fresh[self.new - 1])


def _retold(rest: bytes, after: Sequence[int], pieces: Pieces) -> list[int]:
    """Tokens of the rest of a token of which the memory holds the beginning, and of what follows it."""
    plain = list(takewhile(lambda token: not pieces.is_special(token), after[:_RETOLD]))
    for following in (plain, []):
        data = rest + b"".join(map(pieces.piece, following))
        ids = pieces.continuation(data)
        if not any(map(pieces.is_special, ids)) and b"".join(map(pieces.piece, ids)) == data:
            return [*ids, *after[len(following) :]]
    return [*pieces.spell(rest), *after]
