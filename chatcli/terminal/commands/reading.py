"""Commands that read what was said: in this chat, in its reasoning, in all chats."""

from chatcli.chat.conversation import Node
from chatcli.chat.message import Role
from chatcli.chat.pictures import in_words
from chatcli.errors import UsageError
from chatcli.session.past_chats import PastChats
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.conversation import message_at, messages_of
from chatcli.words import excerpt

_MOST_HITS = 10


def history(chat: Chat, argument: str) -> None:
    """What was said in this chat: a line a message, or in full."""
    path = messages_of(chat)
    if argument and argument != "all":
        _show(chat, message_at(chat, argument))
        return
    if not path:
        chat.screen.note("(nothing has been said yet; /load lists the other chats)")
        return
    if argument == "all":
        for node in path:
            _show(chat, node)
        return
    rows = []
    for number, node in enumerate(path, start=1):
        who = "you" if node.message.role is Role.USER else "answer"
        others = len(chat.session.alternatives(node.id)) - 1
        remarks = (f"+{others}" if others else "", chat.rating_mark(node.id))
        rows.append((str(number), who, excerpt(in_words(node.message)), " ".join(filter(None, remarks))))
    chat.screen.table(rows)
    chat.screen.note("(/history N shows one in full, /history all shows everything; + counts alternatives)")


def reasoning(chat: Chat, argument: str) -> None:
    """The reasoning before an answer."""
    answers = [node for node in messages_of(chat) if node.message.role is Role.ASSISTANT]
    if not argument and not answers:
        raise UsageError("there is no answer yet")
    node = message_at(chat, argument) if argument else answers[-1]
    if not node.message.reasoning:
        which = f"message {argument}" if argument else "the last answer"
        raise UsageError(f"there is no reasoning before {which}")
    chat.screen.reasoning(node.message.reasoning.strip("\n"))


def search(chat: Chat, argument: str) -> None:
    """Messages of all chats that are kept, by what they say."""
    if not argument:
        raise UsageError('/search takes words, "phrases", begin*, role:user, model:NAME, after:2026-11')
    with PastChats(chat.surroundings.paths) as chats:
        hits = chats.search(argument, _MOST_HITS)
    former = ""
    for hit in hits:
        if hit.name != former:
            chat.screen.text(f"{hit.name}  {hit.title}")
            former = hit.name
        at = f"{hit.message} {hit.role}" if hit.message else hit.role
        chat.screen.found(f"  {at}: ", hit.snippet, hit.matches)
    chat.screen.note("(/load and an id goes on there)" if hits else "(nothing was found)")


def _show(chat: Chat, node: Node) -> None:
    if node.message.role is Role.USER:
        chat.screen.text(f"> {in_words(node.message)}")
        return
    if node.message.reasoning and chat.screen.show_thinking:
        chat.screen.reasoning(node.message.reasoning.strip("\n"))
    chat.screen.answer(node.message.content)
    if mark := chat.rating_mark(node.id):
        chat.screen.note(f"({mark})")
