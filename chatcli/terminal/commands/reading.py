"""Commands that read messages: of this chat, its reasoning, of all chats."""

from chatcli.chat.conversation import Node
from chatcli.chat.message import Role
from chatcli.chat.pictures import in_words
from chatcli.errors import UsageError
from chatcli.session.past_chats import PastChats
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.conversation import last_answer, message_at, messages_of, show_message
from chatcli.words import excerpt

_MOST_HITS = 10


def history(chat: Chat, argument: str) -> None:
    """List the messages of this chat, or show them in full."""
    path = messages_of(chat)
    if argument and argument != "all":
        _show(chat, message_at(chat, argument))
        return
    if not path:
        chat.screen.note("(this chat is empty; /load lists the other chats)")
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
    chat.screen.note("(/history N shows one in full, /history all shows all; + counts alternatives)")


def reasoning(chat: Chat, argument: str) -> None:
    """Show the reasoning of an answer."""
    node = message_at(chat, argument) if argument else last_answer(chat)
    if not node.message.reasoning:
        which = f"message {argument}" if argument else "the last answer"
        raise UsageError(f"{which} has no reasoning")
    chat.screen.reasoning(node.message.reasoning.strip("\n"))


def search(chat: Chat, argument: str) -> None:
    """Search the messages of all stored chats."""
    if not argument:
        raise UsageError('/search needs words, "phrases", begin*, role:user, model:NAME, after:2026-11')
    with PastChats(chat.surroundings.paths) as chats:
        hits = chats.search(argument, _MOST_HITS)
    former = ""
    for hit in hits:
        if hit.name != former:
            chat.screen.text(f"{hit.name}  {hit.title}")
            former = hit.name
        at = f"{hit.message} {hit.role}" if hit.message else hit.role
        chat.screen.found(f"  {at}: ", hit.snippet, hit.matches)
    chat.screen.note("(/load ID opens a chat)" if hits else "(nothing found)")


def _show(chat: Chat, node: Node) -> None:
    if node.message.reasoning and chat.screen.show_thinking:
        chat.screen.reasoning(node.message.reasoning.strip("\n"))
    show_message(chat, node)
