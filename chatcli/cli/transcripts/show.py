"""``chatcli transcripts show``: a conversation for people, as a tree, as JSON, or as the file itself."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatcli.chat.conversation import EPOCH, Conversation, Node
from chatcli.chat.formats.message_lists import picture_records
from chatcli.chat.message import FinishReason, Role
from chatcli.chat.pictures import in_words
from chatcli.chat.transcript.writer import tag_of
from chatcli.cli.options import AsJson
from chatcli.cli.transcripts.context import Ref, Repair, TranscriptsContext, local_time
from chatcli.errors import UsageError
from chatcli.words import counted

if TYPE_CHECKING:
    from chatcli.cli.transcripts.page import Page

_DEEPEST = 90  # columns of tree lines; deeper branches are not indented further


def show(
    context: typer.Context,
    ref: Ref,
    tree: Annotated[bool, typer.Option("--tree", help="Show all branches, one line per message.")] = False,
    as_json: AsJson = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print the file unchanged.")] = False,
    thinking: Annotated[bool, typer.Option("--thinking", help="Show the reasoning.")] = False,
    repair: Repair = False,
    pager: Annotated[
        bool, typer.Option("--pager/--no-pager", help="On a terminal, show long output in $PAGER, or not.")
    ] = True,
) -> None:
    """Show the current branch of a conversation; with --tree, all branches (also with --json)."""
    archive = TranscriptsContext.of(context)
    if raw and (tree or as_json):
        raise UsageError("--raw excludes --tree and --json")
    name = archive.store.resolve(ref)
    if raw:
        _print_file(archive, name)
        return
    conversation = archive.read(name, repair=repair).conversation
    if as_json:
        record = conversation_record(conversation, name, everything=tree)
        archive.invocation.write_json(record)
        return
    page = archive.page()
    _head(page, conversation, name)
    if tree:
        _tree(page, conversation)
    else:
        _messages(page, conversation, thinking=thinking)
    page.show(pager=pager)


def _print_file(archive: TranscriptsContext, name: str) -> None:
    from chatcli.storage.transcripts.log import read_bytes

    data = read_bytes(archive.store.path(name))
    if archive.invocation.stdout.isatty():
        archive.invocation.write(data.decode("utf-8", "replace"))
    else:
        archive.invocation.write_bytes(data)


def _head(page: "Page", conversation: Conversation, name: str) -> None:
    from chatcli.terminal.theme import BOLD, DIM

    here, all_ = len(conversation.path()), len(conversation)
    counts = counted(all_, "message") if here == all_ else f"{here} of {counted(all_, 'message')}"
    began = local_time(conversation.started) if conversation.started > EPOCH else ""
    if conversation.title:
        page.line((conversation.title, BOLD))
    page.line((" · ".join(filter(None, (name, began, counts, ", ".join(_models(conversation))))), DIM))
    page.line()


def _models(conversation: Conversation) -> list[str]:
    return list(dict.fromkeys(filter(None, map(_model, conversation.nodes))))


def _model(node: Node) -> str:
    generation = node.message.generation
    return generation.model.name if generation else node.extra.get("model", "")


def _messages(page: "Page", conversation: Conversation, *, thinking: bool) -> None:
    from chatcli.terminal.theme import BOLD, DIM

    for node in conversation.path():
        message = node.message
        siblings = conversation.siblings(node.id)
        which = f"  {siblings.index(node) + 1} of {len(siblings)}" if len(siblings) > 1 else ""
        page.line((tag_of(message.role, conversation.assistant), BOLD), (which, DIM))
        if message.reasoning:
            page.text(message.reasoning if thinking else "(reasoning hidden; --thinking shows it)", DIM)
        if message.role is Role.ASSISTANT:
            page.answer(in_words(message))
        else:
            page.text(in_words(message))
        reason = message.generation.finish_reason if message.generation else FinishReason.END
        if reason not in {FinishReason.END, FinishReason.STOP}:
            page.line((f"[{reason}]", DIM))
        page.line()


def _tree(page: "Page", conversation: Conversation) -> None:
    from chatcli.storage.index.digest import beginning_of
    from chatcli.terminal.theme import BOLD, DIM, PLAIN

    current = {node.id for node in conversation.path()}
    here, elsewhere, arrow = ("●", "○", "←") if page.unicode else ("*", "o", "<-")
    for lines, node in branches(conversation, unicode=page.unicode):
        on = node.id in current
        words = beginning_of(node.message) or ("(reasoning)" if node.message.reasoning else "(empty)")
        name = tag_of(node.message.role, conversation.assistant)
        page.line(
            (f"{lines}{here if on else elsewhere} ", DIM),
            (f"{node.id} {name}: {words}", PLAIN if on else DIM),
            (f"  {arrow} the chat continues here" if node.id == conversation.head else "", BOLD),
            clip=True,
        )
    if conversation.head is None and len(conversation):
        page.line((f"{arrow} the chat continues before the first message", BOLD))


def branches(conversation: Conversation, *, unicode: bool = True) -> Iterator[tuple[str, Node]]:
    """Yield every message with the tree lines before it; only branches are indented.

    Args:
        conversation: the tree.
        unicode: whether to use box-drawing characters.
    """
    fork, last, down = ("├─ ", "└─ ", "│  ") if unicode else ("|- ", "`- ", "|  ")
    pending: list[tuple[Node, str, str]] = []

    def put(nodes: list[Node], lines: str) -> None:
        if len(nodes) == 1:
            pending.append((nodes[0], lines, lines))
            return
        deeper = len(lines) < _DEEPEST
        for node in reversed(nodes):
            end = node is nodes[-1]
            below = lines + ("   " if end else down) if deeper else lines
            pending.append((node, lines + (last if end else fork), below))

    put(conversation.children(None), "")
    while pending:
        node, lines, below = pending.pop()
        yield lines, node
        put(conversation.children(node.id), below)


def conversation_record(conversation: Conversation, name: str, *, everything: bool) -> dict[str, Any]:
    """Return a conversation as data.

    Args:
        name: its id in storage.
        everything: whether to include all messages, not only the current branch.
    """
    nodes = conversation.nodes if everything else conversation.path()
    return {
        "id": name,
        "title": conversation.title,
        "started": conversation.started.isoformat() if conversation.started > EPOCH else None,
        "assistant": conversation.assistant,
        "head": conversation.head,
        "messages": [_message_record(node) for node in nodes],
    }


def _message_record(node: Node) -> dict[str, Any]:
    message = node.message
    record: dict[str, Any] = {
        "id": node.id,
        "parent": node.parent,
        "role": message.role.value,
        "content": message.content,
    }
    if message.reasoning is not None:
        record["reasoning"] = message.reasoning
    if message.pictures:
        record["pictures"] = picture_records(message)
    if model := _model(node):
        record["model"] = model
    if message.generation is not None:
        record["finish_reason"] = message.generation.finish_reason.value
        record["seed"] = message.generation.parameters.seed
    return record
