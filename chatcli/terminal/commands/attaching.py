"""Commands that attach text files and pictures to the next message."""

import shlex
from collections.abc import Sequence

from chatcli.chat.message import Message, Picture, user
from chatcli.engine.base import CountsTokens
from chatcli.engine.pictures import facts
from chatcli.errors import UsageError
from chatcli.session.attachments import (
    enclose,
    is_picture_name,
    of_one_message,
    read_files,
    read_pictures,
    require_vision,
)
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.declaration import SlashCommand
from chatcli.words import counted, excerpt, listed

_CHARACTERS_PER_TOKEN = 4  # of English; said to be an estimate
_MOST_NAMED = 5
_DROP = "--drop"


@SlashCommand("/read", ("/file",), arguments="FILE...|--drop", files=bool, words=("--drop",))
def read(chat: Chat, argument: str) -> None:
    """Attach text files to your next message.

    Folders and patterns (src/**/*.py) work too. Without FILE it lists the attached files;
    --drop removes them.
    """
    if argument == _DROP:
        chat.attachments.clear()
        chat.screen.note("(no files are attached)")
        return
    if not (argument or chat.attachments):
        raise UsageError("/read needs files, folders or patterns to attach to your next message")
    added = read_files(words_of(argument)) if argument else []
    taken = {a.name: a for a in [*chat.attachments, *added]}
    text = enclose(list(taken.values()))
    tokens = _tokens(chat, user(text)) or f"about {len(text) // _CHARACTERS_PER_TOKEN} tokens"
    chat.attachments[:] = taken.values()
    names = listed(taken, most=_MOST_NAMED)
    chat.screen.note(f"(attached: {names}: {tokens}; /read --drop removes them)")


@SlashCommand("/image", arguments="FILE...|--drop", files=is_picture_name, words=("--drop",))
def image(chat: Chat, argument: str) -> None:
    """Attach pictures to your next message.

    Folders and patterns (photos/*.jpg) work too. So does a line with only the path of a
    picture, which terminals type when a file is dropped onto them. Enter on an empty line
    sends pictures without words. Without FILE it lists the attached pictures; --drop
    removes them.
    """
    if argument == _DROP:
        chat.pictures.clear()
        chat.screen.note("(no pictures are attached)")
        return
    if not (argument or chat.pictures):
        raise UsageError("/image needs picture files to attach to your next message")
    attach_pictures(chat, words_of(argument))


def attach_pictures(chat: Chat, paths: Sequence[str]) -> None:
    """Attach pictures, all or none, and list what is attached; ChatcliError if they cannot be used."""
    pictures = of_one_message([*chat.pictures, *read_pictures(paths)])
    tokens = _tokens(chat, user("", *pictures))
    chat.pictures[:] = pictures
    count = f": {tokens}" if tokens else ""
    chat.screen.note(f"(attached: {pictures_listed(chat)}{count}; /image --drop removes them)")


def pictures_listed(chat: Chat) -> str:
    """The attached pictures and their sizes."""
    return listed((_sized(picture) for picture in chat.pictures), most=_MOST_NAMED)


def attached_hint(chat: Chat) -> str:
    """Number of attached files and pictures, for the bottom line; empty if there are none."""
    counts = ((len(chat.attachments), "file"), (len(chat.pictures), "picture"))
    said = [counted(count, what) for count, what in counts if count]
    return f"with {', '.join(said)}" if said else ""


def words_of(argument: str) -> list[str]:
    """Split an argument as a shell does; raises UsageError if a quote is not closed."""
    try:
        return shlex.split(argument)
    except ValueError as error:
        raise UsageError(f"{argument}: {error}; put names with spaces or quotes into quotes") from None


def _sized(picture: Picture) -> str:
    if picture.read is None:
        return excerpt(picture.name)
    _, width, height = facts(picture.read(), picture.name)
    return f"{excerpt(picture.name)} {width}x{height}"


def _tokens(chat: Chat, message: Message) -> str:
    """Tokens of a message and of the context, or an empty string; raises if it cannot be sent."""
    engine = chat.session.engine.engine
    if engine is None:
        return ""
    if not isinstance(engine, CountsTokens):
        require_vision(engine, message.pictures)
        return ""
    prompt = chat.session.preview(message.content, message.pictures)
    around = len(chat.session.prompt_of([user(".")]).tokens) - 1
    alone = len(chat.session.prompt_of([message]).tokens) - around
    left_out = f", {counted(len(prompt.left_out), 'oldest message')} left out" if prompt.left_out else ""
    return f"{alone} tokens of {engine.context_size}{left_out}"
