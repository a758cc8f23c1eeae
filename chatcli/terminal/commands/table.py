"""All slash commands, each declared once: ``/help``, completion and the README read ``COMMANDS``.

A command is matched exactly; an unknown one suggests the nearest, and nothing is sent to the model.
"""

import difflib
from collections.abc import Iterator

from chatcli.errors import UsageError
from chatcli.feedback.reasons import DOWN, UP
from chatcli.session.attachments import is_picture_name
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands import (
    attaching,
    comparing,
    conversation,
    files,
    insight,
    judging,
    options,
    ranking,
)
from chatcli.terminal.commands.declaration import Offer, SlashCommand, help_text


def _help(chat: Chat, argument: str) -> None:
    if not argument:
        chat.screen.text(help_text(COMMANDS))
        return
    command = find(argument if argument.startswith("/") else f"/{argument}")
    chat.screen.text("\n".join(filter(None, (command.usage, f"  {command.help}", command.details))))


def _exit(chat: Chat, _argument: str) -> None:
    chat.leaving = True


def command_offers(_chat: Chat) -> Iterator[Offer]:
    """Every name of a command, with its help."""
    return ((name, command.help) for command in COMMANDS for name in command.names)


COMMANDS: tuple[SlashCommand, ...] = (
    SlashCommand(
        "/help", "list the commands and keys, or explain one", _help, ("/?",), "[COMMAND]", command_offers
    ),
    SlashCommand("/clear", "begin a new chat with the same system prompt", conversation.clear, ("/new",)),
    SlashCommand(
        "/regen", "answer again; earlier answers are kept", conversation.regenerate, ("/regenerate",)
    ),
    SlashCommand("/undo", "take your last message back, to change it and send it again", conversation.undo),
    SlashCommand(
        "/edit",
        "edit your last message, or message N, in $EDITOR",
        conversation.edit,
        arguments="[N]",
        details="  Editing your message asks again; editing an answer replaces it. /siblings keeps the\n"
        "  original. /context shows the numbers.",
    ),
    SlashCommand("/continue", "let the model continue the last answer, if it was cut", conversation.proceed),
    SlashCommand("/fork", "go on in a copy of this chat", conversation.fork),
    SlashCommand(
        "/siblings",
        "list the alternatives to an answer or a message, or choose one",
        conversation.siblings,
        arguments="[at MESSAGE] [next|back|N]",
        words=("next", "back", "at"),
        details="  Without MESSAGE: the newest that has alternatives. The chat goes on from the chosen one.",
    ),
    SlashCommand(
        "/compare",
        "get two answers side by side, blind, and choose the better one with a key",
        comparing.compare,
        arguments="[MODEL|ADAPTER] [NAME=VALUE...]",
        offers=options.model_offers,
        details="  Without arguments the same model answers twice. /compare temperature=1.2 compares it\n"
        "  with itself under other parameters. Your choice is kept as a judgement, and the chat goes on\n"
        "  from the better answer; /siblings has the other one.",
    ),
    SlashCommand(
        "/rank",
        "get several answers and put them in order, two at a time",
        ranking.rank,
        arguments="3..9",
        words=("3", "5"),
        details="  Answers may tie. The order is kept as a judgement, and the chat goes on from the best.",
    ),
    SlashCommand(
        "/good",
        "rate the last answer good",
        judging.good,
        ("/+1", "/👍"),
        "[REASON|COMMENT]",
        lambda _: UP.items(),
        details="  Give a reason or its beginning; several with commas. Any other text is a comment.\n"
        "  A second /good adds to the first, /bad replaces it, /unrate takes it back. A message\n"
        "  that is only a thumb does the same.",
    ),
    SlashCommand(
        "/bad",
        "rate the last answer bad",
        judging.bad,
        ("/-1", "/👎"),
        "[REASON|COMMENT]",
        lambda _: DOWN.items(),
        details="  Like /good. With a good answer to the same message (/regen) it makes a training pair.",
    ),
    SlashCommand(
        "/rate",
        "rate the last answer, or message N: 1 to 10, good or bad",
        judging.rate,
        arguments="[N] 1-10|good|bad [REASON|COMMENT]",
        offers=lambda _: {**UP, **DOWN}.items(),
        words=("good", "bad"),
        details="  /rate 8 rates the last answer, /rate 4 8 rates message 4; /context shows the numbers.\n"
        "  1 is useless, 6 is good enough, 10 is perfect.",
    ),
    SlashCommand(
        "/unrate", "take back the rating of the last answer, or of message N", judging.unrate, arguments="[N]"
    ),
    SlashCommand(
        "/fix",
        "correct the last answer, or message N, in $EDITOR",
        judging.fix,
        arguments="[N]",
        details="  Your text is kept as better than the model's, and the chat goes on from it.",
    ),
    SlashCommand(
        "/guidelines",
        "show your guidelines for judging, or edit them",
        judging.guidelines,
        arguments="[edit]",
        words=("edit",),
    ),
    SlashCommand(
        "/system",
        "show or change the system prompt",
        options.system,
        arguments="[TEXT|none]",
        details='  It applies from your next message on. For several lines: /system """...""".',
    ),
    SlashCommand(
        "/set",
        "change a parameter, for example /set temperature 0.2",
        options.set_,
        arguments="[parameter] NAME VALUE|NAME=VALUE",
        offers=options.parameter_offers,
        words=("parameter",),
        details="  The value default restores the model's own. /show parameters lists all parameters.",
    ),
    SlashCommand(
        "/show",
        "show facts about the model and this chat",
        insight.show,
        arguments="info|system|template|parameters",
        words=("info", "system", "template", "parameters"),
    ),
    SlashCommand(
        "/model",
        "list the models, or switch to another one",
        options.model,
        arguments="[NAME|PATH]",
        offers=options.model_offers,
    ),
    SlashCommand(
        "/persona",
        "list the personas, or switch to one",
        options.persona,
        arguments="[NAME|none]",
        offers=options.persona_offers,
        details="  A persona is a table [personas.NAME] in config.toml: system, model, thinking, ctx_size\n"
        "  and sampling parameters.",
    ),
    SlashCommand(
        "/reasoning",
        "show the reasoning of the last answer, or of message N",
        insight.reasoning,
        arguments="[N]",
        details="  While reasoning arrives, Ctrl-O folds and unfolds it.",
    ),
    SlashCommand(
        "/think", "let the model reason before it answers", lambda chat, _: options.think(chat, True)
    ),
    SlashCommand(
        "/nothink", "let the model answer without reasoning", lambda chat, _: options.think(chat, False)
    ),
    SlashCommand(
        "/read",
        "attach text files to your next message",
        attaching.read,
        ("/file",),
        "FILE...|--drop",
        files=bool,
        words=("--drop",),
        details="  Folders and patterns (src/**/*.py) work too. Without FILE it lists the attached files;\n"
        "  --drop removes them.",
    ),
    SlashCommand(
        "/image",
        "attach pictures to your next message",
        attaching.image,
        arguments="FILE...|--drop",
        files=is_picture_name,
        words=("--drop",),
        details="  Folders and patterns (photos/*.jpg) work too. So does a line with only the path of a\n"
        "  picture, which terminals type when a file is dropped onto them. Enter on an empty line\n"
        "  sends pictures without words. Without FILE it lists the attached pictures; --drop\n"
        "  removes them.",
    ),
    SlashCommand(
        "/load",
        "open another chat, by its name or from a list",
        conversation.load,
        arguments="[ID|TITLE|last]",
        offers=conversation.chat_offers,
    ),
    SlashCommand(
        "/history",
        "list the messages of this chat; show message N, or all, in full",
        insight.history,
        arguments="[N|all]",
        words=("all",),
    ),
    SlashCommand(
        "/search",
        "search the messages of all chats",
        insight.search,
        arguments="WORDS",
        details='  Words, "phrases", begin*, role:user, model:NAME, after:2026-11, before:DATE, rated:good.',
    ),
    SlashCommand(
        "/save",
        "write the last answer to a file, or with --all the whole chat",
        files.save,
        arguments="[--all] FILE",
        files=bool,
        words=("--all",),
    ),
    SlashCommand("/rename", "give this chat a title", conversation.rename, arguments="TITLE"),
    SlashCommand(
        "/export",
        "write the chat to a file: .txt, .md, .html or .json",
        files.export,
        arguments="FILE [FORMAT]",
        files=bool,
        details="  FORMAT: bare (.txt), markdown, html, json, sharegpt or trl; raw copies the transcript.",
    ),
    SlashCommand(
        "/copy",
        "copy the last answer, or its last (Nth) code block, to the clipboard",
        files.copy,
        arguments="[code [N]]",
        words=("code",),
    ),
    SlashCommand(
        "/context", "show what the model sees, in tokens per message", insight.context, ("/tokens",)
    ),
    SlashCommand("/stats", "show how fast the last answer was", insight.stats),
    SlashCommand("/exit", "leave (so does Ctrl-D on an empty line)", _exit, ("/quit", "/bye")),
)

NAMES = {name: command for command in COMMANDS for name in command.names}


def find(name: str) -> SlashCommand:
    """The command of this name, slash included; raises UsageError that suggests the nearest."""
    if name in NAMES:
        return NAMES[name]
    near = difflib.get_close_matches(name, NAMES, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(
        f"unknown command {name}; {hint}nothing was sent (/help lists commands; // sends a slash)"
    )
