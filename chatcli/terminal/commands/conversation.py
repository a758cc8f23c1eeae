"""Commands that move in the conversation or change to another one."""

from collections.abc import Iterable
from contextlib import suppress

from chatcli.chat.conversation import Node
from chatcli.chat.message import Picture, Role
from chatcli.chat.pictures import caption, in_words
from chatcli.errors import AmbiguousReference, UsageError
from chatcli.session.past_chats import PastChats
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.declaration import SlashCommand
from chatcli.words import counted, excerpt

_MOST_COLUMNS = 3
_MOST_OFFERED = 100


def chat_offers(chat: Chat) -> Iterable[tuple[str, str]]:
    """The newest chats, for completion."""
    with PastChats(chat.surroundings.paths) as chats:
        return [(found.summary.name, found.summary.title) for found in chats.find("")[:_MOST_OFFERED]]


@SlashCommand("/clear", ("/new",))
def clear(chat: Chat, _argument: str) -> None:
    """Begin a new chat with the same system prompt."""
    old = chat.session.conversation
    kept = f"; the last one is kept: /load {old.id}" if len(old) and old.id else ""
    chat.session.start_over()
    chat.screen.note(f"(a new chat{kept})")


@SlashCommand("/regen", ("/regenerate",))
def regenerate(chat: Chat, _argument: str) -> None:
    """Answer again; earlier answers are kept."""
    session = chat.session
    chat.show(session.regenerate())
    if not session.came:
        return
    found = session.alternatives(session.conversation.path()[-1].id)
    same = [node for node in found[:-1] if node.message.content == found[-1].message.content]
    if len(found) > 1:
        which = "the same as an earlier one" if same else "all are kept"
        pair = "" if same else _pair_to_be(chat, found)
        chat.screen.note(f"(answer {len(found)} of {len(found)}; {which}; /siblings lists them{pair})")


@SlashCommand("/undo")
def undo(chat: Chat, _argument: str) -> None:
    """Take your last message back, to change it and send it again."""
    message = chat.session.undo()
    chat.draft = message.content
    _attach_again(chat, message.pictures)
    count = len(messages_of(chat))
    shown = f"; with {captions(message.pictures)}" if message.pictures else ""
    chat.screen.note(f"(taken back; {counted(count, 'message')} left{shown})")


@SlashCommand("/edit", arguments="[N]")
def edit(chat: Chat, argument: str) -> None:
    """Edit your last message, or message N, in $EDITOR.

    Editing your message asks again; editing an answer replaces it. /siblings keeps the
    original. /context shows the numbers.
    """
    session = chat.session
    node = message_at(chat, argument) if argument else session.conversation.last(Role.USER)
    if node is None:
        raise UsageError("there is no message to edit yet")
    pictures = node.message.pictures
    text = chat.edit(node.message.content)
    if text == node.message.content or not text.strip():
        chat.screen.note("(unchanged)" if text.strip() else "(empty; nothing was changed)")
    elif node.message.role is Role.USER:
        if pictures:
            chat.screen.note(f"(still with {captions(pictures)})")
        chat.draft, attached = text, list(chat.pictures)  # if nothing comes, it can be sent again
        _attach_again(chat, pictures)
        chat.show(session.edit_question(node.id, text))
        if session.came:
            chat.draft = chat.draft.removeprefix(text)
            chat.pictures[:] = attached
    else:
        session.edit_answer(node.id, text)
        chat.screen.note("(the chat goes on from the edited answer; /siblings has the original)")


@SlashCommand("/continue")
def proceed(chat: Chat, _argument: str) -> None:
    """Let the model continue the last answer, if it was cut."""
    answer = chat.session.proceed()
    chat.show(answer, begun=chat.session.conversation.path()[-1].message.content)


@SlashCommand("/fork")
def fork(chat: Chat, _argument: str) -> None:
    """Go on in a copy of this chat."""
    old = chat.session.conversation.id
    chat.session.fork()
    chat.screen.note(f"(this is a copy now; the original is unchanged{f': /load {old}' if old else ''})")


@SlashCommand("/siblings", arguments="[at MESSAGE] [next|back|N]", words=("next", "back", "at"))
def siblings(chat: Chat, argument: str) -> None:
    """List the alternatives to an answer or a message, or choose one.

    Without MESSAGE: the newest that has alternatives. The chat goes on from the chosen one.
    """
    words = argument.split()
    at = None
    if words[:1] == ["at"]:
        if len(words) < 2:
            raise UsageError("/siblings at needs the number of a message; /context shows the numbers")
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


@SlashCommand("/load", arguments="[ID|TITLE|last]", offers=chat_offers)
def load(chat: Chat, argument: str) -> None:
    """Open another chat, by its name or from a list."""
    opened = None
    with suppress(AmbiguousReference):
        opened = chat.session.open(argument) if argument else None
    if opened is None:
        chosen = chat.choose_chat(argument)
        if chosen is None:
            chat.screen.note("(nothing chosen; this chat goes on)")
            return
        opened = chat.session.open(chosen)
    for problem in opened.problems:
        chat.screen.note(f"(line {problem.line}: {problem.problem}; skipped)")
    show_where_it_stands(chat)


@SlashCommand("/rename", arguments="TITLE")
def rename(chat: Chat, argument: str) -> None:
    """Give this chat a title."""
    if not argument:
        raise UsageError("/rename needs the new title")
    chat.session.rename(argument)
    chat.screen.note(f"(the title is now {argument!r})")


def show_where_it_stands(chat: Chat) -> None:
    """Show which conversation goes on, and its last exchange."""
    conversation = chat.session.conversation
    path = messages_of(chat)
    name = f"{conversation.title or conversation.id}"
    chat.screen.note(f"({name}: {counted(len(path), 'message')}; /context lists them)")
    for node in path[-2:]:
        show_message(chat, node)


def show_message(chat: Chat, node: Node) -> None:
    """Show a message in full, and how it was judged."""
    if node.message.role is Role.USER:
        chat.screen.text(f"> {in_words(node.message)}")
        return
    chat.screen.answer(node.message.content)
    if mark := chat.rating_mark(node.id):
        chat.screen.note(f"({mark})")


def messages_of(chat: Chat) -> list[Node]:
    """The messages of the active path as people count them: without system prompts."""
    return [n for n in chat.session.conversation.path() if n.message.role is not Role.SYSTEM]


def last_answer(chat: Chat) -> Node:
    """The last answer of the active path; raises UsageError if there is none."""
    found = chat.session.conversation.last(Role.ASSISTANT)
    if found is None:
        raise UsageError("there is no answer yet")
    return found


def message_at(chat: Chat, number: str) -> Node:
    """The message with this number; raises UsageError if there is none."""
    path = messages_of(chat)
    if not number.isdecimal() or not 1 <= int(number) <= len(path):
        raise UsageError(f"no message {number}; /context lists messages 1 to {len(path)}")
    return path[int(number) - 1]


def _attach_again(chat: Chat, pictures: Iterable[Picture]) -> None:
    """Attach pictures, each once, before those that are attached already."""
    both = [*pictures, *chat.pictures]
    chat.pictures[:] = {picture.sha256: picture for picture in both}.values()


def captions(pictures: Iterable[Picture]) -> str:
    """Pictures as they are named in a remark."""
    return " ".join(excerpt(caption(picture)) for picture in pictures)


def _newest_with_siblings(chat: Chat) -> Node:
    path = messages_of(chat)
    if not path:
        raise UsageError("this chat is empty")
    found = (n for n in reversed(path) if len(chat.session.alternatives(n.id)) > 1)
    return next(found, path[-1])


def _pair_to_be(chat: Chat, found: list[Node]) -> str:
    """A remark that the newest answer would make a pair with a rated one, or an empty string."""
    for number, node in enumerate(found[:-1], start=1):
        rating = chat.judge.rating(chat.session.conversation, node.id)
        if rating is not None:
            word = "bad" if rating.good else "good"
            mark = chat.rating_mark(node.id)
            return f"; answer {number} is {mark}: if this one is {word}, they make a pair"
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
    """Show the alternatives: two or three side by side, more by their beginnings."""
    if len(found) == 1:
        chat.screen.note("(there are no alternatives; /regen makes another answer, /edit another message)")
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
    chat.screen.note(f"(the chat goes on from {here + 1}; /siblings next, back or a number changes that)")
