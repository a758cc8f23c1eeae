"""Commands that move in the conversation: again, back, on, elsewhere."""

from collections.abc import Iterable
from contextlib import suppress

from chatcli.chat.conversation import Node
from chatcli.chat.message import Picture, Role
from chatcli.chat.pictures import caption, in_words
from chatcli.errors import AmbiguousReference, UsageError
from chatcli.terminal.chat import Chat
from chatcli.words import counted, excerpt

_MOST_COLUMNS = 3


def clear(chat: Chat, _argument: str) -> None:
    """A new conversation."""
    old = chat.session.conversation
    kept = f"; the last one is kept: /load {old.id}" if len(old) and old.id else ""
    chat.session.start_over()
    chat.screen.note(f"(a new chat{kept})")


def regenerate(chat: Chat, _argument: str) -> None:
    """Another answer to the same question."""
    session = chat.session
    chat.show(session.regenerate())
    if not session.came:
        return
    found = session.alternatives(session.conversation.path()[-1].id)
    same = [node for node in found[:-1] if node.message.content == found[-1].message.content]
    if len(found) > 1:
        which = "the same words as before" if same else "all are kept"
        pair = "" if same else _pair_to_be(chat, found)
        chat.screen.note(f"(answer {len(found)} of {len(found)}; {which}; /siblings goes through them{pair})")


def undo(chat: Chat, _argument: str) -> None:
    """Takes the last message back into the line editor."""
    message = chat.session.undo()
    chat.draft = message.content
    _attach_again(chat, message.pictures)
    count = len(messages_of(chat))
    shown = f"; with {captions(message.pictures)}" if message.pictures else ""
    chat.screen.note(f"(taken back; {counted(count, 'message')} before it{shown})")


def edit(chat: Chat, argument: str) -> None:
    """Another text for a message: of one's own it is asked anew, an answer is replaced."""
    session, path = chat.session, messages_of(chat)
    node = message_at(chat, argument) if argument else _last_of_the_user(path)
    pictures = node.message.pictures
    text = chat.edit(node.message.content)
    if text == node.message.content or not text.strip():
        chat.screen.note("(empty; nothing was changed)" if not text.strip() else "(unchanged)")
    elif node.message.role is Role.USER:
        if pictures:
            chat.screen.note(f"(still with {captions(pictures)})")
        chat.draft, attached = text, list(chat.pictures)  # until something came: it can be sent again
        _attach_again(chat, pictures)
        chat.show(session.edit_question(node.id, text))
        if session.came:
            chat.draft = chat.draft.removeprefix(text)
            chat.pictures[:] = attached
    else:
        session.edit_answer(node.id, text)
        chat.screen.note("(the chat goes on from the edited answer; /siblings has the original)")


def proceed(chat: Chat, _argument: str) -> None:
    """The last answer goes on."""
    answer = chat.session.proceed()
    chat.show(answer, begun=chat.session.conversation.path()[-1].message.content)


def fork(chat: Chat, _argument: str) -> None:
    """A copy to go on with."""
    old = chat.session.conversation.id
    chat.session.fork()
    chat.screen.note(f"(a copy to go on with; the original stays as it is{f': /load {old}' if old else ''})")


def siblings(chat: Chat, argument: str) -> None:
    """Lists the alternatives of a message, or goes to one of them."""
    words = argument.split()
    at = None
    if words[:1] == ["at"]:
        if len(words) < 2:
            raise UsageError("/siblings at takes the number of a message, as /context shows it")
        at, words = words[1], words[2:]
    node = message_at(chat, at) if at else _newest_with_siblings(chat)
    found = chat.session.alternatives(node.id)
    here = found.index(node)
    if not words:
        _list(chat, found, here)
        return
    chosen = found[_index(words[0], here, len(found))]
    if chosen is not node:
        chat.session.select(chosen.id)
    _list(chat, found, found.index(chosen))


def load(chat: Chat, argument: str) -> None:
    """Another conversation of the transcripts folder; where none, or more than one, is named the person
    chooses."""
    opened = None
    with suppress(AmbiguousReference):
        opened = chat.session.open(argument) if argument else None
    if opened is None:
        chosen = chat.choose_chat(argument)
        if chosen is None:
            chat.screen.note("(nothing was chosen; the chat goes on)")
            return
        opened = chat.session.open(chosen)
    for problem in opened.problems:
        chat.screen.note(f"(line {problem.line}: {problem.problem}; passed over)")
    show_where_it_stands(chat)


def rename(chat: Chat, argument: str) -> None:
    """A title."""
    if not argument:
        raise UsageError("/rename takes the new title")
    chat.session.rename(argument)
    chat.screen.note(f"(now called {argument!r})")


def show_where_it_stands(chat: Chat) -> None:
    """Say which conversation goes on, and show its last exchange."""
    conversation = chat.session.conversation
    path = messages_of(chat)
    name = f"{conversation.title or conversation.id}"
    chat.screen.note(f"({name}: {counted(len(path), 'message')}; /context lists them)")
    for node in path[-2:]:
        if node.message.role is Role.USER:
            chat.screen.text(f"> {in_words(node.message)}")
        else:
            chat.screen.answer(node.message.content)
            if mark := chat.rating_mark(node.id):
                chat.screen.note(f"({mark})")


def messages_of(chat: Chat) -> list[Node]:
    """The messages of the active path as people count them: without system prompts."""
    return [n for n in chat.session.conversation.path() if n.message.role is not Role.SYSTEM]


def message_at(chat: Chat, number: str) -> Node:
    """A message by its number.

    Raises:
        UsageError: there is no such number.
    """
    path = messages_of(chat)
    if not number.isdecimal() or not 1 <= int(number) <= len(path):
        raise UsageError(f"there is no message {number}; /context lists 1 to {len(path)}")
    return path[int(number) - 1]


def _attach_again(chat: Chat, pictures: Iterable[Picture]) -> None:
    """Put pictures before those in the next message, each once."""
    both = [*pictures, *chat.pictures]
    chat.pictures[:] = {picture.sha256: picture for picture in both}.values()


def captions(pictures: Iterable[Picture]) -> str:
    """What stands for pictures in a remark."""
    return " ".join(excerpt(caption(picture)) for picture in pictures)


def _last_of_the_user(path: list[Node]) -> Node:
    node = next((n for n in reversed(path) if n.message.role is Role.USER), None)
    if node is None:
        raise UsageError("there is no message to edit yet")
    return node


def _newest_with_siblings(chat: Chat) -> Node:
    path = messages_of(chat)
    if not path:
        raise UsageError("nothing has been said yet")
    found = (n for n in reversed(path) if len(chat.session.alternatives(n.id)) > 1)
    return next(found, path[-1])


def _pair_to_be(chat: Chat, found: list[Node]) -> str:
    """That the newest of the answers would make a pair with one that is rated."""
    for number, node in enumerate(found[:-1], start=1):
        rating = chat.judge.rating(chat.session.conversation, node.id)
        if rating is not None:
            word = "bad" if rating.good else "good"
            return (
                f"; answer {number} is {chat.rating_mark(node.id)}: if this one is {word}, they make a pair"
            )
    return ""


def _said(mark: str) -> str:
    return f" ({mark})" if mark else ""


def _index(word: str, here: int, count: int) -> int:
    if word in {"next", "back"}:
        return (here + (1 if word == "next" else -1)) % count
    if word.isdecimal() and 1 <= int(word) <= count:
        return int(word) - 1
    raise UsageError(f"/siblings takes next, back or a number from 1 to {count}, not {word!r}")


def _list(chat: Chat, found: list[Node], here: int) -> None:
    """Show the alternatives: two or three next to each other, many by their beginnings."""
    if len(found) == 1:
        chat.screen.note("(there is one only; /regen makes another answer, /edit another message)")
        return
    titles = [
        f"{'> ' if index == here else ''}{index + 1}{_said(chat.rating_mark(node.id))}"
        for index, node in enumerate(found)
    ]
    if len(found) <= _MOST_COLUMNS:
        titled = zip(titles, (in_words(node.message) for node in found), strict=True)
        chat.screen.side_by_side(list(titled))
    else:
        chat.screen.table(
            [(title, excerpt(in_words(n.message))) for title, n in zip(titles, found, strict=True)]
        )
        chat.screen.answer(found[here].message.content)
    chat.screen.note(f"(the chat goes on from {here + 1}; /siblings next, back or a number goes to another)")
