"""Anthropic's HH-RLHF: two whole conversations as text that differ in the last answer. Both ways."""

import re
from collections.abc import Sequence

from chatcli.datasets.formats.declaration import Format, Rendered, takes_turns
from chatcli.datasets.plan import PairRow, Unit
from chatcli.feedback.answers import PromptMessage

_HUMAN, _ASSISTANT = "\n\nHuman:", "\n\nAssistant:"
_TURN = re.compile(r"\n\n(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def _render(row: PairRow, _marks: bool) -> Rendered:
    """The row; the system prompt stands before the first turn. A text with the mark of a turn is refused."""
    texts = [m.content for m in row.prompt] + [row.chosen.content, row.rejected.content]
    if not takes_turns(row.prompt) or any(_TURN.search(text) for text in texts):
        return None
    head = "".join(map(_turn, row.prompt)) + f"{_ASSISTANT} "
    return {"chosen": head + row.chosen.content, "rejected": head + row.rejected.content}


def _turn(said: PromptMessage) -> str:
    if said.role == "system":
        return said.content
    return f"{_HUMAN if said.role == 'user' else _ASSISTANT} {said.content}"


def turns_of(text: str) -> list[tuple[str, str]]:
    """Role and content of each turn of a conversation; text before the first turn is a system prompt.

    Raises:
        ValueError: the text has no turn.
    """
    parts: Sequence[str] = _TURN.split(text)
    if len(parts) < 3:
        raise ValueError("no '\\n\\nHuman:' and '\\n\\nAssistant:' in it")
    turns = [(_ROLES[parts[at]], parts[at + 1].removeprefix(" ")) for at in range(1, len(parts), 2)]
    return [("system", parts[0]), *turns] if parts[0] else turns


HH_RLHF = Format(
    "hh-rlhf", "pairs as in Anthropic's HH-RLHF: two texts, chosen and rejected", Unit.PAIRS, _render
)
