"""The answers of the scripted engine: those of a transcript, and a few rules for everything else."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chatcli.chat.message import Message, Role
from chatcli.chat.transcript.reader import load
from chatcli.errors import ModelNotFound

_COUNT = re.compile(r"\s*count to (\d{1,6})\s*[.!]?\s*", re.IGNORECASE)
_THINK = re.compile(r"\s*think about (.+)", re.IGNORECASE | re.DOTALL)
_ECHOES = ("You said: {}", "I heard: {}", "Your words were: {}")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and the reasoning before it; either may be empty."""

    text: str
    reasoning: str = ""


class Script:
    """Answers the user's last message, from pairs of message and answer. The seed chooses of several."""

    def __init__(self, exchanges: Sequence[tuple[str, Reply]] = ()) -> None:
        self._answers: dict[str, list[Reply]] = {}
        for words, reply in exchanges:
            self._answers.setdefault(words, []).append(reply)

    @classmethod
    def from_file(cls, path: Path) -> "Script":
        """Read the exchanges of a transcript, from all of its branches; errors as ``ScriptedEngine.open``."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelNotFound(f"no script at {path}: {error.strerror or error}") from error
        conversation = load([content]).conversation
        exchanges = []
        for node in conversation.nodes:
            message = node.message
            before = conversation.node(node.parent).message if node.parent is not None else None
            if message.role is Role.ASSISTANT and before is not None and before.role is Role.USER:
                exchanges.append((before.content, Reply(message.content, message.reasoning or "")))
        return cls(exchanges)

    def reply(self, messages: Sequence[Message], seed: int) -> Reply:
        """The answer to the user's last message.

        Without a scripted answer, "count to N" counts, "think about X" reasons before it answers, and
        everything else is repeated, in words that depend on the seed.
        """
        words = next((m.content for m in reversed(messages) if m.role is Role.USER), "")
        answers = self._answers.get(words)
        if answers:
            return answers[seed % len(answers)]
        if counting := _COUNT.fullmatch(words):
            return Reply(" ".join(map(str, range(1, int(counting[1]) + 1))))
        if thinking := _THINK.fullmatch(words):
            subject = thinking[1].strip()
            return Reply(f"I have thought about {subject}", f"The subject is {subject}\nThat was not hard.")
        return Reply(_ECHOES[seed % len(_ECHOES)].format(words))
