"""Which tokens in the memory can stay when the next prompt has the same text in other tokens.

A model writes ``Hel`` ``lo``, and the tokenizer makes ``Hello`` of the same answer. Comparing ids would throw
the whole answer away. Comparing text keeps it, in the tokens that the model really wrote.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from chatcli.engine.llama.vocabulary import Vocabulary

_RETOLD = 256  # the most tokens of the new prompt that are tokenized again behind a cut


class Reuse(NamedTuple):
    """How many tokens at the start of a memory stay, and the tokens to read after them, at least one."""

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

    def held(at: int) -> bytes:
        token = cached[at] if at < len(cached) else None
        if token is None or (
            pieces.is_special(token) and not (generated[at] and not pieces.is_control(token))
        ):
            return b""
        return pieces.piece(token)

    def wanted(at: int) -> bytes:
        return b"" if at == len(fresh) or pieces.is_special(fresh[at]) else pieces.piece(fresh[at])

    old = new = 0  # tokens passed in the memory and in the prompt
    ahead, old_leads = b"", False  # bytes that only one of the two has passed, and whether it is the memory
    while True:
        if not ahead:  # both are at the end of a token
            keep, begin, old_leads = old, new, False
            if old < len(cached) and new < len(fresh) and cached[old] == fresh[new]:
                old, new = old + 1, new + 1
                continue
        taken = wanted(new) if old_leads else held(old)
        shared = min(len(taken), len(ahead))
        if not taken or taken[:shared] != ahead[:shared]:
            break
        old, new = (old, new + 1) if old_leads else (old + 1, new)
        old_leads = old_leads if len(taken) <= len(ahead) else not old_leads
        ahead = taken[shared:] or ahead[shared:]
    if ahead and not old_leads and old == len(cached):  # the memory ends inside a token of the prompt
        return Reuse(old, _retold(ahead, fresh[new:], pieces))
    decode = list(fresh[begin:])
    return Reuse(keep, decode) if decode else Reuse(keep - 1, [cached[keep - 1]])  # decoded for its logits


def _retold(rest: bytes, after: Sequence[int], pieces: Vocabulary) -> list[int]:
    """Tokens for the rest of a token whose beginning the memory holds, and for what follows it."""
    plain = list(takewhile(lambda token: not pieces.is_special(token), after[:_RETOLD]))
    for following in (plain, []):
        data = rest + b"".join(map(pieces.piece, following))
        ids = pieces.continuation(data)
        if not any(map(pieces.is_special, ids)) and b"".join(map(pieces.piece, ids)) == data:
            return [*ids, *after[len(following) :]]
    return [*pieces.spell(rest), *after]
