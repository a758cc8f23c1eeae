"""Which side of a split a row is on: by conversation, with every prompt on one side only.

A conversation's side is drawn by hashing its id with the seed, so it is known before the data is, and more
data never moves it. A prompt keeps the side on which it first appeared in the log; a conversation that begins
with a prompt of another goes to that one's side. A row that would join the two sides is on neither.
"""

import hashlib

TRAIN, VALIDATION = "train", "validation"


def draw(name: str, seed: int) -> float:
    """A number in [0, 1) for a name, the same for ever: the first 64 bits of SHA-256 of ``SEED:NAME``."""
    digest = hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / 2**64


class Splitter:
    """Gives judgements their sides; it must see all of the log in order, also those that give no row.

    So neither a rule nor a retraction moves what comes later.
    """

    def __init__(self) -> None:
        self._prompts: dict[int, bool] = {}
        self._conversations: dict[int, bool] = {}

    def side(self, conversation: int | None, prompt: int, drawn: bool) -> bool | None:
        """Whether a judgement is on the training side; None: it is on neither.

        Args:
            conversation: a number for the conversation; None: it stands alone.
            prompt: a number for its prompt.
            drawn: the side that its conversation drew.
        """
        known = self._prompts.get(prompt)
        if conversation is None:
            return self._prompts.setdefault(prompt, drawn)
        decided = self._conversations.setdefault(conversation, drawn if known is None else known)
        if known is None:
            self._prompts[prompt] = decided
            return decided
        return known if known == decided else None
