"""The program: ``chatcli`` and its commands; the one place where an error becomes a line and an exit code."""

import os
import signal
import sys
from typing import Annotated, NoReturn

import typer

from chatcli import __version__
from chatcli.cli import arena, config
from chatcli.cli.ask import ask
from chatcli.cli.doctor import doctor
from chatcli.cli.feedback import commands as feedback
from chatcli.cli.invocation import Invocation
from chatcli.cli.models import commands as models
from chatcli.cli.options import ChatOptions, takes_model_options
from chatcli.cli.pull import pull
from chatcli.cli.rate import rate
from chatcli.cli.transcripts import commands as transcripts
from chatcli.errors import ChatcliError, ExitCode
from chatcli.terminal.sanitize import sanitize_line

_SHOWN = 200  # characters of a name in a message

app = typer.Typer(
    name="chatcli",
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
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    options: ChatOptions = ChatOptions(),  # noqa: B008  (frozen)
) -> None:
    """Chat with a model on this machine. With text piped in, answer it and end."""
    invocation = Invocation.from_process()
    context.obj = options
    if context.invoked_subcommand is not None:
        return
    if invocation.interactive:
        from chatcli.cli.chat import chat as interactive_chat

        interactive_chat(invocation, options)
    else:
        from chatcli.cli.ask import answer_once

        answer_once(invocation, options, words=[])


app.command("ask")(ask)
app.command("doctor")(doctor)
app.command("pull")(pull)
app.command("rate")(rate)
app.add_typer(arena.app, name="arena")
app.add_typer(config.app, name="config")
app.add_typer(feedback.app, name="feedback")
app.add_typer(models.app, name="models")
app.add_typer(transcripts.app, name="transcripts")


def main() -> NoReturn:
    """Run the program and exit with the code of errors.py. Never a traceback without ``--debug``."""
    debug = "--debug" in sys.argv[1:]
    _open_streams()
    try:
        ended = app(prog_name="chatcli", standalone_mode=False)  # a number for Exit and Ctrl-C
        code = ended if isinstance(ended, int) else int(ExitCode.OK)
    except ChatcliError as error:
        if debug:
            raise
        code = _complain(str(error), error.exit_code)
    except typer.Abort:
        code = ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        code = ExitCode.OK  # whoever read the answer has enough
    except typer.TyperException as error:
        code = _complain(f"{error.format_message()} (--help lists the options)", ExitCode.USAGE)
    except Exception as error:
        if debug:
            raise
        code = _complain(_unforeseen(error), ExitCode.FAILED)
    _leave(code)


def _open_streams() -> None:
    """Where a standard stream is closed, open nothing in its place.

    Else the next file that is opened gets its number, and with it what C code writes to stderr.
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


def _unforeseen(error: Exception) -> str:
    """What to say of an error that is no ChatcliError: the locale's, or ours."""
    if isinstance(error, UnicodeEncodeError) and sys.getfilesystemencoding() != "utf-8":
        name = error.object[:_SHOWN]
        return f"this locale cannot name the file {name!r}; set PYTHONUTF8=1, or LC_ALL=C.UTF-8"
    return f"internal error: {type(error).__name__}: {error} (run with --debug and report it)"


def _complain(message: str, code: int) -> int:
    print(f"chatcli: {sanitize_line(message)}", file=sys.stderr)
    return code


def _leave(code: int) -> NoReturn:
    """Exit without Python complaining about a closed pipe or a second Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)
