"""All slash commands, each declared once: ``/help``, completion and the README's table read ``COMMANDS``.

A command is matched exactly; an unknown one suggests the nearest and sends nothing to the model.
"""

import difflib

from chatcli.errors import UsageError
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
    reading,
)
from chatcli.terminal.commands.declaration import Completes, SlashCommand


def _help(chat: Chat, argument: str) -> None:
    if not argument:
        chat.screen.text(help_text())
        return
    command = find(argument if argument.startswith("/") else f"/{argument}")
    chat.screen.text("\n".join(filter(None, (command.usage, f"  {command.help}", command.details))))


def _exit(chat: Chat, _argument: str) -> None:
    chat.leaving = True


COMMANDS: tuple[SlashCommand, ...] = (
    SlashCommand(
        "/help", "list the commands and keys, or explain one", _help, ("/?",), "[COMMAND]", Completes.COMMAND
    ),
    SlashCommand("/clear", "begin a new chat; the system prompt stays", conversation.clear, ("/new",)),
    SlashCommand("/regen", "another answer; all are kept", conversation.regenerate, ("/regenerate",)),
    SlashCommand("/undo", "take your last message back, to change and send it again", conversation.undo),
    SlashCommand(
        "/edit",
        "change your last message, or message N, in $EDITOR",
        conversation.edit,
        arguments="[N]",
        details="  Your own message is asked again, an answer is replaced. The original stays: /siblings.\n"
        "  /context shows the numbers.",
    ),
    SlashCommand("/continue", "let the last answer go on where it was cut", conversation.proceed),
    SlashCommand("/fork", "go on in a copy of this chat", conversation.fork),
    SlashCommand(
        "/siblings",
        "list the alternatives of an answer or a message, or go to one",
        conversation.siblings,
        arguments="[at MESSAGE] [next|back|N]",
        words=("next", "back", "at"),
        details="  Without MESSAGE: the newest that has any. The chat goes on from the one you go to.",
    ),
    SlashCommand(
        "/compare",
        "two answers side by side, blind: choose one with a key",
        comparing.compare,
        arguments="[MODEL|ADAPTER] [NAME=VALUE...]",
        completes=Completes.MODEL,
        details="  Without arguments the same model answers twice. /compare temperature=1.2 sets the model\n"
        "  against itself with other parameters. The choice is kept as a judgement, and the chat goes on\n"
        "  from the better answer; /siblings has the other.",
    ),
    SlashCommand(
        "/rank",
        "several answers, put in order by choosing between two at a time",
        ranking.rank,
        arguments="3..9",
        words=("3", "5"),
        details="  Answers may tie. The order is kept as a judgement, and the chat goes on from the best.",
    ),
    SlashCommand(
        "/good",
        "the last answer is good",
        judging.good,
        ("/+1", "/👍"),
        "[REASON|COMMENT]",
        Completes.GOOD_REASON,
        details="  A reason, or the beginning of one; several with commas. Anything else is a comment.\n"
        "  The same again adds to it, /bad replaces it, /unrate takes it back. A message that is nothing\n"
        "  but a thumb does the same.",
    ),
    SlashCommand(
        "/bad",
        "the last answer is bad",
        judging.bad,
        ("/-1", "/👎"),
        "[REASON|COMMENT]",
        Completes.BAD_REASON,
        details="  As /good. With a good answer to the same message (/regen) it makes a pair to learn from.",
    ),
    SlashCommand(
        "/rate",
        "give the last answer, or message N, 1 to 10, good or bad",
        judging.rate,
        arguments="[N] 1-10|good|bad [REASON|COMMENT]",
        completes=Completes.REASON,
        words=("good", "bad"),
        details="  /rate 8 is the last answer, /rate 4 8 message 4; /context shows the numbers.\n"
        "  1 is useless, 6 good enough, 10 has nothing to improve.",
    ),
    SlashCommand(
        "/unrate",
        "take back what was said of the last answer, or of message N",
        judging.unrate,
        arguments="[N]",
    ),
    SlashCommand(
        "/fix",
        "write the last answer, or message N, as it should be, in $EDITOR",
        judging.fix,
        arguments="[N]",
        details="  Your text is kept as preferred to the model's, and the chat goes on from it.",
    ),
    SlashCommand(
        "/guidelines",
        "what judgements go by; edit makes it your own",
        judging.guidelines,
        arguments="[edit]",
        words=("edit",),
    ),
    SlashCommand(
        "/system",
        "show or change the system prompt",
        options.system,
        arguments="[TEXT|none]",
        details='  It holds from your next message on. Several lines: /system """...""".',
    ),
    SlashCommand(
        "/set",
        "change a parameter: /set temperature 0.2",
        options.set_,
        arguments="[parameter] NAME VALUE|NAME=VALUE",
        completes=Completes.PARAMETER,
        words=("parameter",),
        details="  The value default takes the model's own. /show parameters lists all.",
    ),
    SlashCommand(
        "/show",
        "tell about the model and this chat",
        insight.show,
        arguments="info|system|template|parameters",
        words=("info", "system", "template", "parameters"),
    ),
    SlashCommand(
        "/model",
        "list the models, or go on with another",
        options.model,
        arguments="[NAME|PATH]",
        completes=Completes.MODEL,
    ),
    SlashCommand(
        "/persona",
        "list the personas, or take one on",
        options.persona,
        arguments="[NAME|none]",
        completes=Completes.PERSONA,
        details="  A persona is a table [personas.NAME] of config.toml: system, model, thinking, ctx_size\n"
        "  and sampling parameters.",
    ),
    SlashCommand(
        "/reasoning",
        "show the reasoning before the last answer, or before message N",
        reading.reasoning,
        arguments="[N]",
        details="  While reasoning arrives Ctrl-O folds and unfolds it.",
    ),
    SlashCommand("/think", "let the model reason before it answers", options.think),
    SlashCommand("/nothink", "let the model answer at once", options.nothink),
    SlashCommand(
        "/read",
        "put text files into your next message",
        attaching.read,
        ("/file",),
        "FILE...|--drop",
        Completes.FILE,
        words=("--drop",),
        details="  Folders and patterns (src/**/*.py) too. Without FILE: what is in it; --drop empties it.",
    ),
    SlashCommand(
        "/image",
        "show pictures to the model with your next message",
        attaching.image,
        arguments="FILE...|--drop",
        completes=Completes.PICTURE,
        words=("--drop",),
        details="  Folders and patterns (photos/*.jpg) too. So does the path of a picture alone on\n"
        "  a line, as terminals type it when a file is dropped onto them. Enter on an\n"
        "  empty line sends pictures without words. Without FILE: what is in it; --drop\n"
        "  empties it.",
    ),
    SlashCommand(
        "/load",
        "go on with another chat; choose one from a list, or name it",
        conversation.load,
        arguments="[ID|TITLE|last]",
        completes=Completes.TRANSCRIPT,
    ),
    SlashCommand(
        "/history",
        "list what was said in this chat; show message N, or all, in full",
        reading.history,
        arguments="[N|all]",
        words=("all",),
    ),
    SlashCommand(
        "/search",
        "find what was said, in all chats",
        reading.search,
        arguments="WORDS",
        details='  Words, "phrases", begin*, role:user, model:NAME, after:2026-11, before:DATE, rated:good.',
    ),
    SlashCommand(
        "/save",
        "write the last answer to a file; with --all the chat",
        files.save,
        arguments="[--all] FILE",
        completes=Completes.FILE,
        words=("--all",),
    ),
    SlashCommand("/rename", "give this chat a title", conversation.rename, arguments="TITLE"),
    SlashCommand(
        "/export",
        "write the chat to a file: .txt, .md, .html or .json",
        files.export,
        arguments="FILE [FORMAT]",
        completes=Completes.FILE,
        details="  FORMAT: bare (.txt), markdown, html, json, sharegpt, trl; raw is the transcript as it is.",
    ),
    SlashCommand(
        "/copy",
        "the last answer into the clipboard; or its last (Nth) code block",
        files.copy,
        arguments="[code [N]]",
        words=("code",),
    ),
    SlashCommand("/context", "what the model sees, in tokens by message", insight.context, ("/tokens",)),
    SlashCommand("/stats", "how fast the last answer was", insight.stats),
    SlashCommand("/exit", "leave (so does Ctrl-D on an empty line)", _exit, ("/quit", "/bye")),
)

NAMES = {name: command for command in COMMANDS for name in command.names}

KEYS = (
    ("Enter", "send; a pasted text is shown first and never sent by itself"),
    ("Ctrl-J, Alt-Enter", "a new line; or begin and end a block with three double quotes"),
    ("Ctrl-X Ctrl-E, Ctrl-G", "write the message in $VISUAL or $EDITOR"),
    ("Tab", "complete commands, parameters, models, files, chats, personas"),
    ("F2, F3", "the last answer is good, is bad (settings: key_good, key_bad)"),
    ("Ctrl-R", "search what you typed before; Right takes the grey suggestion"),
    ("Ctrl-O", "fold and unfold the reasoning that is coming; at the prompt: show the last"),
    ("Ctrl-C", "stop the answer and keep what came; at the prompt: clear the line"),
    ("Ctrl-D", "leave, on an empty line"),
)

_RULE = (
    "A text of one line that begins with / is a command.\n// begins a message with a slash; "
    "a path such as /etc/hosts, and a text of\nseveral lines, is a message anyway."
)


def find(name: str) -> SlashCommand:
    """The command of this name, with its slash.

    Raises:
        UsageError: there is no such command; names the nearest.
    """
    if name in NAMES:
        return NAMES[name]
    near = difflib.get_close_matches(name, NAMES, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(
        f"there is no command {name}; {hint}nothing was sent (/help lists them, // sends a slash)"
    )


def help_text() -> str:
    """What ``/help`` prints."""
    rows = [(command.usage, command.help) for command in COMMANDS]
    width = max(len(left) for left, _ in KEYS)
    lines = [
        f"{left}\n    {right}" if len(left) > width else f"{left:<{width}}  {right}" for left, right in rows
    ]
    keys = [f"{left:<{width}}  {right}" for left, right in KEYS]
    return "\n".join((*lines, "", *keys, "", _RULE))
