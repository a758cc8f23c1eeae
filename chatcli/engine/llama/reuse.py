"""Which tokens in the memory can stay when the next prompt has the same text in other tokens.

A model writes ``Hel`` ``lo``, and the tokenizer makes ``Hello`` of the same answer. Comparing ids would throw
the whole answer away. Comparing text keeps it, in the tokens that the model really wrote.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from chatcli.engine.llama.vocabulary import Vocabulary

_RETOLD = 256  # the most tokens of the new prompt that are tokenized again behind a cut


@dataclass(frozen=True, slots=True)
class Reuse:
    """How to bring a memory to a prompt.

    Attributes:
        keep: number of tokens in the memory that stay, from the first on.
        decode: tokens to read after them; never empty.
    """

    keep: int
    decode: list[int]


def reuse(
    cached: Sequence[int], generated: Sequence[bool], fresh: Sequence[int], pieces: Vocabulary
) -> Reuse:
    """Find how much of a memory a prompt can use.

    The tokens kept and decoded stand for exactly the bytes of the prompt, with the same special tokens at the
    same places. A user-defined token that the model wrote may stand for text of the prompt; a control token
    never does.

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
    if not decode:  # the last token is decoded for its logits
        keep -= 1
        decode = [cached[keep]]
    return Reuse(keep, decode)


class _Walk:
    """Walks along two sequences of tokens as long as they stand for the same text.

    Attributes:
        old, new: indices in the two sequences.
        common_old, common_new: the last indices at which both were at the end of a token.
        ahead: bytes that only one of the sequences has passed.
        old_is_ahead: whether the old sequence has passed them.
        ended_inside: whether the old sequence ended while the new one was inside a token.
    """

    def __init__(
        self, cached: Sequence[int], generated: Sequence[bool], fresh: Sequence[int], pieces: Vocabulary
    ) -> None:
        self._cached, self._generated, self._fresh, self._pieces = cached, generated, fresh, pieces
        self.old = self.new = self.common_old = self.common_new = 0
        self.ahead = b""
        self.old_is_ahead = self.ended_inside = False

    def run(self) -> None:
        """Walk until the texts differ or one of them ends."""
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


def _retold(rest: bytes, after: Sequence[int], pieces: Vocabulary) -> list[int]:
    """Tokens for the rest of a token whose beginning the memory holds, and for what follows it."""
    plain = list(takewhile(lambda token: not pieces.is_special(token), after[:_RETOLD]))
    for following in (plain, []):
        data = rest + b"".join(map(pieces.piece, following))
        ids = pieces.continuation(data)
        if not any(map(pieces.is_special, ids)) and b"".join(map(pieces.piece, ids)) == data:
            return [*ids, *after[len(following) :]]
    return [*pieces.spell(rest), *after]
