"""Which side of a split a row is on: by conversation, with every prompt on one side only.

The side of a conversation is drawn by hashing its id with the seed, so more data never moves it. A prompt
keeps the side on which it first appeared in the log. A conversation that begins with a prompt of another goes
to the side of that one. A row that would join the two sides is on neither.
"""

import hashlib
from typing import NamedTuple

TRAIN, VALIDATION = "train", "validation"
#: Targets with these prefixes are not conversations: their judgements are split by prompt.
_NO_CONVERSATION = ("arena:", "import:")


class DatasetSplit(NamedTuple):
    """How to divide rows.

    Attributes:
        share: share of the training side, between 0 and 1.
        seed: another seed gives another division.
    """

    share: float
    seed: int = 0


class Splitter:
    """Gives judgements their sides.

    It must see all judgements of the log in order, also those that give no row, so that neither a rule nor a
    retraction moves later ones.

    Args:
        split: None puts everything on the training side.
    """

    def __init__(self, split: DatasetSplit | None) -> None:
        self._split = split
        self._prompts: dict[str, str] = {}
        self._conversations: dict[str, str] = {}

    def side(self, conversation: str | None, prompt: str) -> str | None:
        """The side of a judgement, or None if it is on neither.

        Args:
            conversation: id of its conversation, or None.
            prompt: its ``prompt_key``.
        """
        if self._split is None:
            return TRAIN
        known = self._prompts.get(prompt)
        if not conversation or conversation.startswith(_NO_CONVERSATION):
            return known or self._prompts.setdefault(prompt, self._draw(f"prompt:{prompt}", self._split))
        decided = self._conversations.get(conversation)
        if decided is None:
            decided = self._conversations[conversation] = known or self._draw(conversation, self._split)
        if known is None:
            self._prompts[prompt] = decided
            return decided
        return known if known == decided else None

    def _draw(self, name: str, split: DatasetSplit) -> str:
        """The side of a name, the same for ever: by the first 64 bits of SHA-256 of ``SEED:NAME``."""
        digest = hashlib.sha256(f"{split.seed}:{name}".encode("utf-8", "surrogatepass")).digest()
        return TRAIN if int.from_bytes(digest[:8]) / 2**64 < split.share else VALIDATION
