"""Commands that show something: messages and reasoning, the model, the context, the speed."""

import typing
from pathlib import Path

from chatcli.chat.conversation import Node
from chatcli.chat.message import Message, Role, Timings, Usage, user
from chatcli.chat.pictures import in_words
from chatcli.engine.base import CountsTokens, HasChatTemplate, no_vision_reason
from chatcli.errors import UsageError
from chatcli.sampling import SamplingParams
from chatcli.session.past_chats import PastChats
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.conversation import last_answer, message_at, messages_of, show_message
from chatcli.terminal.commands.declaration import SlashCommand
from chatcli.terminal.commands.options import show_system
from chatcli.words import binary_size, counted, excerpt

_MOST_HITS = 10


@SlashCommand(
    "/show", arguments="info|system|template|parameters", words=("info", "system", "template", "parameters")
)
def show(chat: Chat, argument: str) -> None:
    """Show facts about the model and this chat."""
    topics = {"info": _info, "system": show_system, "template": _template, "parameters": _parameters}
    if argument not in topics:
        raise UsageError(f"/show takes {', '.join(topics)}{f', not {argument!r}' if argument else ''}")
    topics[argument](chat)


@SlashCommand("/context", ("/tokens",))
def context(chat: Chat, _argument: str) -> None:
    """Show what the model sees, in tokens per message."""
    engine = chat.session.engine()
    if not isinstance(engine, CountsTokens):
        chat.screen.note(f"(unknown: the engine of {engine.model.name} does not count tokens)")
        return
    messages = chat.session.conversation.prompt_messages()
    if not messages:
        chat.screen.note(f"(this chat is empty; the context holds {engine.context_size:,} tokens)")
        return
    prompt = chat.session.preview(None)
    hidden = set(prompt.left_out)
    around = len(chat.session.prompt_of([user(".")]).tokens) - 1
    parts, unseen, number = [], [], 0
    for index, message in enumerate(messages):
        number += message.role is not Role.SYSTEM
        if index in hidden:
            unseen.append(number)
            continue
        tokens = 0
        if message.content or message.pictures:  # measured alone, so that the time is linear in their number
            alone = chat.session.prompt_of([user(message.content, *message.pictures)])
            tokens = max(0, len(alone.tokens) - around)
        parts.append((_label(message, number), tokens))
    if unseen:
        chat.screen.note(f"(messages {unseen[0]} to {unseen[-1]} no longer fit; the model does not see them)")
    markup = max(0, len(prompt.tokens) - sum(tokens for _, tokens in parts))
    chat.screen.context_bar([*parts, ("markup of the template", markup)], engine.context_size)


@SlashCommand("/stats")
def stats(chat: Chat, _argument: str) -> None:
    """Show how fast the last answer was."""
    last = chat.session.last
    if last is None:
        raise UsageError("there is no answer yet")
    rows = [
        ("first token", f"{last.timings.first_token:.2f} s after the request"),
        *_token_rows(last.usage, last.timings),
        ("ended", str(last.finish_reason)),
        ("seed", str(last.parameters.seed)),
    ]
    memory = _resident()
    if memory:
        rows.append(("memory", f"{binary_size(memory)} for this program, including the model"))
    chat.screen.table(rows)


def _token_rows(usage: Usage, timings: Timings) -> list[tuple[str, str]]:
    if not usage.is_counted:
        return [("tokens", "not counted by this engine")]
    read, written = usage.decoded_tokens, usage.completion_tokens
    return [
        ("prompt", f"{usage.prompt_tokens} tokens, {usage.cached_tokens} of them reused"),
        ("", f"{read} read in {timings.prompt:.2f} s{_rate(read, timings.prompt)}"),
        (
            "answer",
            f"{counted(written, 'token')} in {timings.generation:.2f} s"
            f"{_rate(written - 1, timings.generation)}",
        ),
    ]


def _label(message: Message, number: int) -> str:
    who = {Role.SYSTEM: "system", Role.USER: f"{number} you", Role.ASSISTANT: f"{number} answer"}
    return f"{who[message.role]}: {excerpt(in_words(message))}"


def _rate(tokens: int, seconds: float) -> str:
    return f", {tokens / seconds:.1f} tokens/s" if tokens > 0 and seconds > 0 else ""


def _info(chat: Chat) -> None:
    engine = chat.session.engine()
    model, conversation = engine.model, chat.session.conversation
    rows = [
        ("model", model.name),
        ("file", model.file),
        ("architecture", f"{model.architecture} {model.quantization}".strip()),
        ("context", f"{engine.context_size} tokens" if engine.context_size else "size unknown"),
        ("adapter", model.adapter and f"{model.adapter[:12]} at {model.adapter_scale:g}"),
        ("pictures", f"no: {reason}" if (reason := no_vision_reason(engine)) else "yes"),
        ("sha256", model.sha256),
        ("chat", conversation.id),
        ("title", conversation.title),
        ("messages", f"{len(conversation.path())} on this branch, {len(conversation)} on all branches"),
        ("transcript", str(chat.session.transcript or "(none)")),
    ]
    chat.screen.table([(name, value) for name, value in rows if value])


def _template(chat: Chat) -> None:
    engine = chat.session.engine()
    if not isinstance(engine, HasChatTemplate):
        chat.screen.note(f"({engine.model.name} has no template to show)")
        return
    chat.screen.text(engine.chat_template or "(none: the model continues a transcript, <user>...</user>)")


def _parameters(chat: Chat) -> None:
    engine = chat.session.engine()
    params = chat.session.options.parameters(engine)
    own = chat.session.options.sampling or {}
    rows = []
    for name in typing.get_type_hints(SamplingParams):
        value = getattr(params, name)
        shown = " ".join(map(repr, value)) if isinstance(value, tuple) else str(value)
        origin = "set" if name in own else ""
        if not origin and getattr(SamplingParams(), name) != value:
            origin = "recommended for this model"
        rows.append((name, "-" if value is None or value == () else shown, origin))
    thinking = {None: "the template's own", True: "on", False: "off"}[chat.session.options.thinking]
    size = str(engine.context_size or "unknown")
    chat.screen.table([*rows, ("thinking", thinking, ""), ("ctx_size", size, "")])


def _resident() -> int | None:
    """Resident memory of this process in bytes; None if it cannot be found out cheaply."""
    try:
        import resource

        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()
    except (ImportError, OSError):
        return None


@SlashCommand("/history", arguments="[N|all]", words=("all",))
def history(chat: Chat, argument: str) -> None:
    """List the messages of this chat; show message N, or all, in full."""
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


@SlashCommand("/reasoning", arguments="[N]")
def reasoning(chat: Chat, argument: str) -> None:
    """Show the reasoning of the last answer, or of message N.

    While reasoning arrives, Ctrl-O folds and unfolds it.
    """
    node = message_at(chat, argument) if argument else last_answer(chat)
    if not node.message.reasoning:
        which = f"message {argument}" if argument else "the last answer"
        raise UsageError(f"{which} has no reasoning")
    chat.screen.reasoning(node.message.reasoning.strip("\n"))


@SlashCommand("/search", arguments="WORDS")
def search(chat: Chat, argument: str) -> None:
    """Search the messages of all chats.

    Words, "phrases", begin*, role:user, model:NAME, after:2026-11, before:DATE, rated:good.
    """
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
