"""The program ``chatcli``: its commands, and how errors become one line and an exit code."""

import os
import signal
import sys
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from chatcli import __version__
from chatcli.cli.invocation import Invocation
from chatcli.cli.options import ChatOptions, takes_model_options
from chatcli.errors import ChatcliError, ExitCode
from chatcli.terminal.sanitize import sanitize_line

_LONGEST_NAME = 200  # characters of a file name in a message


# The commands by name: place of the function or the group, help.
_COMMANDS = {
    "arena": (
        "chatcli.cli.arena:app",
        "Compare models, adapters or settings in blind duels: arena FILE --contender A --contender B",
    ),
    "ask": ("chatcli.cli.ask:ask", "Answer one question and exit."),
    "config": ("chatcli.cli.config:app", "Show the settings, or write a commented config.toml."),
    "doctor": (
        "chatcli.cli.doctor:doctor",
        "Show what this machine can do, where files are, and whether the model runs.",
    ),
    "feedback": ("chatcli.cli.feedback.commands:app", "List, edit, count, export and import judgements."),
    "models": (
        "chatcli.cli.models.commands:app",
        "List, show, recommend, download, check, name and remove models.",
    ),
    "pull": (
        "chatcli.cli.pull:pull",
        "Download models into the cache that huggingface_hub and llama.cpp share. "
        "An interrupted download continues.",
    ),
    "rate": (
        "chatcli.cli.rate:rate",
        "Rate past answers with single keys, unrated answers first.\n\n"
        'With --last, rate the last answer without questions: chatcli rate --last good "to the point".',
    ),
    "transcripts": (
        "chatcli.cli.transcripts.commands:app",
        "List, show, search, rename, remove, export and import conversations.",
    ),
}


class LazyCommands(TyperGroup):
    """The commands of ``chatcli``. A module is imported when its command runs, so ``--help`` imports none."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        for name, (_place, help) in _COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command to run, and import it."""
        if args[0] in _COMMANDS:
            self.commands[args[0]] = self.load(args[0])
        return super().resolve_command(ctx, args)

    def load(self, name: str) -> Any:
        """Import a command and return it."""
        place, help = _COMMANDS[name]
        module, _, attribute = place.partition(":")
        target = getattr(import_module(module), attribute)
        parent = typer.Typer()
        if isinstance(target, typer.Typer):
            parent.add_typer(target, name=name, help=help)
        else:
            parent.command(name, help=help)(target)
        return typer.main.get_group(parent).commands[name]


app = typer.Typer(
    name="chatcli",
    cls=LazyCommands,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Everything stays on this machine. In a chat, /help lists the commands.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chatcli {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
@takes_model_options
def chat(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and exit."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    options: ChatOptions = ChatOptions(),  # noqa: B008  (frozen)
) -> None:
    """Chat with a model on this machine. With text from a pipe: answer it and exit."""
    context.obj = options
    if context.invoked_subcommand is not None:
        return
    invocation = Invocation.from_process()
    if invocation.interactive:
        from chatcli.cli.chat import chat as interactive_chat

        interactive_chat(invocation, options)
    else:
        from chatcli.cli.ask import answer_once

        answer_once(invocation, options, words=[])


def main() -> NoReturn:
    """Run the program and exit with a code of ``ExitCode``. Tracebacks appear only with ``--debug``."""
    debug = "--debug" in sys.argv[1:]
    _replace_closed_streams()
    try:
        ended = app(prog_name="chatcli", standalone_mode=False)  # a number for Exit and Ctrl-C
        code = ended if isinstance(ended, int) else int(ExitCode.OK)
    except ChatcliError as error:
        if debug:
            raise
        code = _report(str(error), error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        code = ExitCode.INTERRUPTED
    except SystemExit as ended:
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        code = ExitCode.OK  # click exits with 1 here, but the reader of the pipe has what it wants
    except typer.TyperException as error:
        message = error.format_message()  # '' if a group without a command printed its help
        code = _report(f"{message} (--help lists the options)", ExitCode.USAGE) if message else ExitCode.USAGE
    except Exception as error:
        if debug:
            raise
        code = _report(_describe_unexpected(error), ExitCode.FAILED)
    _exit(code)


def _replace_closed_streams() -> None:
    """Open /dev/null in place of each closed standard stream.

    Otherwise the next opened file gets the number of the stream, and C code writes its messages into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def _describe_unexpected(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError) and sys.getfilesystemencoding() != "utf-8":
        name = error.object[:_LONGEST_NAME]
        return f"this locale cannot name the file {name!r}; set PYTHONUTF8=1, or LC_ALL=C.UTF-8"
    return f"internal error: {type(error).__name__}: {error} (run with --debug and report it)"


def _report(message: str, code: int) -> int:
    print(f"chatcli: {sanitize_line(message)}", file=sys.stderr)
    return code


def _exit(code: int) -> NoReturn:
    """Exit without messages of Python about a closed pipe or a second Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)
