"""The prompts of an arena: lines of text, JSON Lines, or a transcript."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from chatcli.chat.formats.message_lists import read_messages
from chatcli.chat.message import Message, Role, system, user
from chatcli.chat.transcript.reader import load
from chatcli.errors import ChatcliError, DataError, TranscriptError, UsageError
from chatcli.words import binary_size

#: An optional system prompt, earlier messages and a user message to answer.
ArenaPrompt = tuple[Message, ...]

_MOST_BYTES = 64 * 2**20
_TRANSCRIPT = re.compile(r"<[^<>]+>", re.ASCII)
_NO_PROMPT = "no user message, so there is nothing to answer"


def read_prompts(path: Path, system_prompt: str | None = None) -> list[ArenaPrompt]:
    """Read the prompts of a file, each once; raises UsageError, or DataError that names the line.

    A line that is a JSON object has ``prompt`` (text or messages) or ``messages``; answers at the end are
    ignored. A file that begins with a tag is a transcript, whose last question is the prompt. Any other file
    has a prompt on each line.
    """
    text = _read(path)
    found: dict[ArenaPrompt, None] = {}
    for prompt in _prompts(path, text):
        if system_prompt and not any(m.role is Role.SYSTEM for m in prompt):
            prompt = (system(system_prompt), *prompt)
        found[prompt] = None
    if not found:
        raise UsageError(f"{path} contains no prompt; write one per line")
    return list(found)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{path} is larger than {binary_size(_MOST_BYTES)}; take fewer prompts")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not text in UTF-8") from None


def _prompts(path: Path, text: str) -> Iterator[ArenaPrompt]:
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        return
    if _TRANSCRIPT.match(lines[0][1]):
        yield _of_transcript(path, text)
        return
    is_json = lines[0][1].startswith("{") and path.suffix != ".txt"
    for number, line in lines:
        if not is_json:
            yield (user(line),)
            continue
        try:
            yield _of_record(json.loads(line))
        except (ValueError, RecursionError):
            raise DataError(f"{path}:{number}: not a JSON object, unlike the first line") from None
        except ChatcliError as error:
            raise DataError(f"{path}:{number}: {error}") from None


def _of_record(record: object) -> ArenaPrompt:
    if not isinstance(record, dict):
        raise DataError("not a JSON object, unlike the first line")
    prompt = record.get("prompt")
    if isinstance(prompt, str):
        if not prompt.strip():
            raise DataError("the prompt is empty")
        return (user(prompt),)
    given = prompt if isinstance(prompt, list) else record
    return _up_to_question(read_messages(given, "assistant").prompt_messages())


def _of_transcript(path: Path, text: str) -> ArenaPrompt:
    try:
        conversation = load([text.encode("utf-8", "surrogatepass")]).conversation
        return _up_to_question(conversation.prompt_messages())
    except TranscriptError as error:
        raise TranscriptError(error.line, error.column, error.problem, str(path)) from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _up_to_question(messages: list[Message]) -> ArenaPrompt:
    """The messages up to the last user message, without provenance."""
    while messages and messages[-1].role is not Role.USER:
        messages = messages[:-1]
    if not messages:
        raise DataError(_NO_PROMPT)
    if any(message.pictures for message in messages):
        raise DataError("the prompt has pictures, which an arena cannot show; leave them out")
    return tuple(Message(m.role, m.content) for m in messages)
