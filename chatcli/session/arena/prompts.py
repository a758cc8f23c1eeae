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

#: What an answer answers: a system prompt perhaps, earlier turns perhaps, a message of the user's.
Prompt = tuple[Message, ...]

_MOST_BYTES = 64 * 2**20
_TRANSCRIPT = re.compile(r"<[^<>]+>", re.ASCII)
_NO_PROMPT = "has no message of the user's, so there is nothing to answer"


def read_prompts(path: Path, system_prompt: str | None = None) -> list[Prompt]:
    """The prompts of a file, each once.

    A line that is a JSON object has ``prompt`` (a text, or messages) or ``messages``; answers at the end of
    those are passed over. A file that begins with a tag is a transcript: what was asked last is the prompt.
    Any other file has a prompt on each line.

    Args:
        system_prompt: for prompts without one of their own.

    Raises:
        UsageError: the file cannot be read, or there is none in it.
        DataError: it is damaged; names the line.
    """
    text = _read(path)
    found: dict[Prompt, None] = {}
    for prompt in _prompts(path, text):
        if system_prompt and not any(m.role is Role.SYSTEM for m in prompt):
            prompt = (system(system_prompt), *prompt)
        found[prompt] = None
    if not found:
        raise UsageError(f"{path} holds no prompt; write one a line")
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


def _prompts(path: Path, text: str) -> Iterator[Prompt]:
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
            raise DataError(f"{path}:{number}: this is not a JSON object, as the first line is") from None
        except ChatcliError as error:
            raise DataError(f"{path}:{number}: {error}") from None


def _of_record(record: object) -> Prompt:
    if not isinstance(record, dict):
        raise DataError("this is not a JSON object, as the first line is")
    prompt = record.get("prompt")
    if isinstance(prompt, str):
        if not prompt.strip():
            raise DataError("the prompt is empty")
        return (user(prompt),)
    given = prompt if isinstance(prompt, list) else record
    return _up_to_question(read_messages(given, "assistant").prompt_messages())


def _of_transcript(path: Path, text: str) -> Prompt:
    try:
        conversation = load([text.encode("utf-8", "surrogatepass")]).conversation
        return _up_to_question(conversation.prompt_messages())
    except TranscriptError as error:
        raise TranscriptError(error.line, error.column, error.problem, str(path)) from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _up_to_question(messages: list[Message]) -> Prompt:
    """The messages without what follows the last one of the user's, and without how they came to be."""
    while messages and messages[-1].role is not Role.USER:
        messages = messages[:-1]
    if not messages:
        raise DataError(_NO_PROMPT)
    if any(message.pictures for message in messages):
        raise DataError("it shows pictures, which an arena cannot; leave them out")
    return tuple(Message(m.role, m.content) for m in messages)
