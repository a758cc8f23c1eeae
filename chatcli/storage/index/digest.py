"""Reads the facts of one transcript for the search index, with one message in memory at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from chatcli.chat.message import Message, Role
from chatcli.chat.pictures import in_words
from chatcli.chat.transcript.reader import MessageRead, Renamed, SessionRead, TranscriptReader
from chatcli.chat.transcript.scanner import Damage, Torn
from chatcli.words import excerpt

_TITLE_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Passage:
    """A message, or the title (``role`` "title", ``message`` 0).

    Attributes:
        model: name and file of the model of the answer, or of the answer to the question; may be empty.
        content: the names of the message's pictures, then its text.
    """

    message: int
    role: str
    model: str
    content: str


@dataclass(slots=True)
class Digest:
    """The facts of a transcript, complete when all passages were read.

    Attributes:
        title: the title, else the beginning of the first message.
        started: seconds since 1970, or None if the file does not say.
        models: names, in order of appearance.
        damage: the first fault that is more than a cut message; may be empty.
    """

    title: str = ""
    started: int | None = None
    models: list[str] = field(default_factory=list)
    messages: int = 0
    damage: str = ""


def passages(chunks: Iterable[bytes], digest: Digest) -> Iterator[Passage]:
    """The passages of a transcript; fills the digest."""
    opening = named = ""
    question: Passage | None = None  # held back until it is known who answers it
    for event in TranscriptReader(chunks, repair=True):
        if isinstance(event, MessageRead):
            message = event.node.message
            digest.messages += 1
            model = ""
            if message.generation is not None:
                by = message.generation.model
                model = f"{by.name} {by.file}"
                name = by.name
            else:  # an imported answer knows no more of how it came to be
                model = name = event.node.extra.get("model", "") if message.role is Role.ASSISTANT else ""
            if name and name not in digest.models:
                digest.models.append(name)
            if question is not None:
                answered = model if message.role is Role.ASSISTANT else ""
                yield Passage(question.message, question.role, answered, question.content)
                question = None
            passage = Passage(event.node.id, message.role.value, model, in_words(message))
            if message.role is Role.USER:
                opening = opening or beginning_of(message)
                question = passage
            else:
                yield passage
        elif isinstance(event, Damage) and not isinstance(event, Torn):
            digest.damage = digest.damage or f"{event.line}:{event.column}: {event.problem}"
        elif isinstance(event, SessionRead):
            named = event.title
            digest.started = int(event.started.timestamp()) if event.started else None
        elif isinstance(event, Renamed):
            named = event.title
    if question is not None:
        yield question
    if named:
        yield Passage(0, "title", "", named)
    digest.title = named or opening


def beginning_of(message: Message) -> str:
    """The first line of a message that is not empty, shortened; else the names of its pictures."""
    return title_from(message.content) or title_from(in_words(message))


def title_from(content: str) -> str:
    """The title that a text gives: its first line that is not empty, shortened."""
    line = next((line for line in content.split("\n") if line.strip()), "")
    return excerpt(line.lstrip(), _TITLE_LENGTH)
