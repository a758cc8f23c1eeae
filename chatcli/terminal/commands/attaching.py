"""Commands that put files into the next message: texts and pictures."""

import shlex
from collections.abc import Sequence

from chatcli.chat.message import Message, Picture, user
from chatcli.engine.base import CountsTokens
from chatcli.engine.pictures import facts
from chatcli.errors import UsageError
from chatcli.session.attachments import enclose, of_one_message, read_files, read_pictures
from chatcli.session.sight import check_sight
from chatcli.terminal.chat import Chat
from chatcli.words import counted, excerpt, listed

_CHARACTERS_PER_TOKEN = 4  # of English; said to be an estimate
_MOST_NAMED = 5
_DROP = "--drop"


def read(chat: Chat, argument: str) -> None:
    """Puts text files into the next message."""
    if argument == _DROP:
        chat.attachments.clear()
        chat.screen.note("(no files in the next message)")
        return
    if not (argument or chat.attachments):
        raise UsageError("/read takes files, folders or patterns; they go into your next message")
    added = read_files(words_of(argument)) if argument else []
    taken = {a.name: a for a in [*chat.attachments, *added]}
    text = enclose(list(taken.values()))
    tokens = _tokens(chat, user(text)) or f"about {len(text) // _CHARACTERS_PER_TOKEN} tokens"
    chat.attachments[:] = taken.values()
    chat.screen.note(
        f"(in your next message: {listed(taken, most=_MOST_NAMED)}: {tokens}; /read --drop takes them out)"
    )


def image(chat: Chat, argument: str) -> None:
    """Puts pictures into the next message."""
    if argument == _DROP:
        chat.pictures.clear()
        chat.screen.note("(no pictures in the next message)")
        return
    if not (argument or chat.pictures):
        raise UsageError("/image takes picture files; they go into your next message")
    attach_pictures(chat, words_of(argument))


def attach_pictures(chat: Chat, paths: Sequence[str]) -> None:
    """Put pictures into the next message, all or none, and say what is in it now.

    Raises:
        ChatcliError: one cannot be read, they are too many or too large for the context, or the model, if
            it is there already, does not see.
    """
    pictures = of_one_message([*chat.pictures, *read_pictures(paths)])
    tokens = _tokens(chat, user("", *pictures))
    chat.pictures[:] = pictures
    count = f": {tokens}" if tokens else ""
    chat.screen.note(f"(in your next message: {pictures_listed(chat)}{count}; /image --drop takes them out)")


def pictures_listed(chat: Chat) -> str:
    """The pictures in the next message, with their sizes."""
    return listed((_sized(picture) for picture in chat.pictures), most=_MOST_NAMED)


def attached_hint(chat: Chat) -> str:
    """What the bottom line says of what is attached; empty: nothing is."""
    counts = ((len(chat.attachments), "file"), (len(chat.pictures), "picture"))
    said = [counted(count, what) for count, what in counts if count]
    return f"with {', '.join(said)}" if said else ""


def words_of(argument: str) -> list[str]:
    """The words of an argument, as a shell takes them.

    Raises:
        UsageError: a quote is not closed.
    """
    try:
        return shlex.split(argument)
    except ValueError as error:
        raise UsageError(
            f"{argument}: {error}; put a name with a quote in it into the other quotes"
        ) from None


def _sized(picture: Picture) -> str:
    if picture.read is None:
        return excerpt(picture.name)
    _, width, height = facts(picture.read(), picture.name)
    return f"{excerpt(picture.name)} {width}x{height}"


def _tokens(chat: Chat, message: Message) -> str:
    """How many tokens a message is, of how many; empty while the model loads, or if it does not count tokens.

    Raises:
        ContextOverflow: it does not fit.
        ModelError: it has pictures, and the model does not see.
    """
    engine = chat.session.engine.engine
    if engine is None:
        return ""
    if not isinstance(engine, CountsTokens):
        check_sight(engine, message.pictures)
        return ""
    prompt = chat.session.preview(message.content, message.pictures)
    around = len(chat.session.prompt_of([user(".")]).tokens) - 1
    alone = len(chat.session.prompt_of([message]).tokens) - around
    left_out = f", {counted(len(prompt.left_out), 'oldest message')} left out" if prompt.left_out else ""
    return f"{alone} tokens of {engine.context_size}{left_out}"
