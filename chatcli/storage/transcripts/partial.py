"""The journal of an answer that is coming: the words so far, on disk, so that they outlive the process.

A journal lies in a hidden folder of the transcripts folder while an answer comes, and is removed when the
answer is in the transcript. If one is there and nobody holds its conversation, its process was killed or
crashed; ``TranscriptStore`` then writes the words into the transcript as an interrupted answer.

A journal is lines of JSON: first what is known of the answer, then its words, some at a time. Nothing waits
for the disk: what was written survives the process that wrote it; a power cut may take the last seconds.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import Message, Role
from chatcli.chat.transcript import provenance
from chatcli.files.disk import FILE_MODE, make_private_folder, open_regular

#: The folder of the journals, in the transcripts folder.
FOLDER = ".answering"
_PAUSE = 0.2  # seconds between writes, so that a fast model is not slowed
_VERSION = 1


class PartialAnswer(NamedTuple):
    """What a journal holds.

    Attributes:
        conversation: name of the conversation.
        node: the answer as far as it came.
        written_ns: when the last words came, nanoseconds since the epoch.
    """

    conversation: str
    node: Node
    written_ns: int


class _Words(msgspec.Struct):
    """A line of a journal."""

    text: str | None = None
    reasoning: str | None = None


class _Head(_Words, kw_only=True):
    """The first line of a journal; ``model`` and ``answer`` are attributes as transcripts have them."""

    partial: int
    conversation: str
    id: int
    parent: int | None
    extra: dict[str, str] = {}
    model: dict[str, str] = {}
    answer: dict[str, str] = {}


class AnswerJournal:
    """Writes down an answer that is coming. A disk that refuses costs the journal, not the chat.

    Args:
        path: of the journal; it appears with the first words.
        conversation: name of the conversation.
        node: the answer before anything came: its id, place and provenance, and the words it goes on from.
    """

    def __init__(self, path: Path, conversation: str, node: Node) -> None:
        self._path = path
        self._waiting = [_head(conversation, node)]
        self._next_write = 0.0
        self._file: int | None = None
        self._gave_up = False

    def add(self, text: str = "", *, reasoning: str = "") -> None:
        """Take the next words of the answer or its reasoning; they are written now, or with later ones."""
        if self._gave_up:
            return
        self._waiting.append({"reasoning": reasoning} if reasoning else {"text": text})
        now = time.monotonic()
        if now >= self._next_write:
            self._next_write = now + _PAUSE
            self._write()

    def discard(self) -> None:
        """Remove the journal: the answer is in the transcript, or nothing came."""
        self.close()
        if self._next_write:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave the journal as it is; what follows is not written."""
        self._gave_up = True
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self) -> None:
        try:
            if self._file is None:
                make_private_folder(self._path.parent)
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
            os.write(self._file, b"".join(json.dumps(line).encode() + b"\n" for line in self._waiting))
        except OSError:
            self.close()
        self._waiting.clear()


def journal_path(folder: Path, conversation: str) -> Path:
    """Where the journal of a conversation lies.

    Args:
        folder: the transcripts folder.
        conversation: its name, which may be longer than the name of a file.
    """
    name = hashlib.sha256(conversation.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return folder / FOLDER / f"{name}.jsonl"


def journals(folder: Path) -> Iterator[Path]:
    """The journals that lie in a transcripts folder, those of answers that are just coming among them."""
    with contextlib.suppress(OSError):
        yield from sorted(p for p in (folder / FOLDER).iterdir() if p.suffix == ".jsonl")


def read_part(path: Path) -> PartialAnswer | None:
    """What a journal holds, up to where it is torn; None if there is none, or no word in it."""
    try:
        with open_regular(path) as file:
            written_ns = os.fstat(file.fileno()).st_mtime_ns
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return None
    try:
        head = msgspec.convert(json.loads(lines[0]), _Head)
    except (IndexError, ValueError, RecursionError):
        return None
    words = [head, *_words(lines[1:])]
    texts = [line.text for line in words if line.text is not None]
    reasonings = [line.reasoning for line in words if line.reasoning is not None]
    if head.partial != _VERSION or not (texts or reasonings):
        return None
    generation = provenance.generation(provenance.model_facts(head.model), head.answer)
    message = Message(Role.ASSISTANT, "".join(texts), "".join(reasonings) or None, generation)
    return PartialAnswer(head.conversation, Node(head.id, head.parent, message, head.extra), written_ns)


def missing_node(conversation: Conversation, part: PartialAnswer) -> Node | None:
    """The answer as it fits into its conversation; None if it is there already.

    Somebody may have edited the transcript meanwhile: the words are kept all the same.
    """
    node = part.node
    known = {n.id: n for n in conversation.nodes}
    there = known.get(node.id)
    if there is not None and there.message.content.startswith(node.message.content):
        return None
    number = node.id if there is None and node.id > 0 else conversation.next_id
    parent = node.parent if node.parent is None or node.parent in known else conversation.head
    return Node(number, parent, node.message, node.extra)


def _head(conversation: str, node: Node) -> dict[str, Any]:
    message, generation = node.message, node.message.generation
    head = _Head(
        partial=_VERSION,
        conversation=conversation,
        id=node.id,
        parent=node.parent,
        extra=dict(node.extra),
        model=provenance.model_attributes(generation) if generation else {},
        answer=provenance.answer_attributes(generation) if generation else {},
        text=message.content or None,
        reasoning=message.reasoning or None,
    )
    return msgspec.structs.asdict(head)


def _words(lines: list[bytes]) -> Iterator[_Words]:
    """The lines that are whole, up to the first that is not."""
    with contextlib.suppress(ValueError, RecursionError):
        for line in lines:
            yield msgspec.convert(json.loads(line), _Words)
