"""``chatcli`` on a terminal: the interactive chat."""

from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from typing import TYPE_CHECKING

from chatcli import __version__
from chatcli.cli.invocation import Invocation, exit_on_signals
from chatcli.cli.options import ChatOptions
from chatcli.errors import AmbiguousReference, UsageError
from chatcli.settings import Settings

if TYPE_CHECKING:
    from chatcli.terminal.chat import Chat
    from chatcli.terminal.prompt.line_editor import LineEditor
    from chatcli.terminal.prompt.plain import PlainPrompt


def chat(invocation: Invocation, options: ChatOptions) -> None:
    """Run a chat until the user leaves. The prompt appears at once; the model loads in the background."""
    from chatcli.session.attachments import read_files, read_pictures
    from chatcli.terminal.chat import Chat, Surroundings
    from chatcli.terminal.commands.attaching import attached_hint, pictures_listed
    from chatcli.terminal.commands.conversation import show_where_it_stands
    from chatcli.terminal.commands.judging import key_hint
    from chatcli.terminal.loop import run
    from chatcli.terminal.status import status_line, waiting_for

    paths = invocation.paths
    settings = options.settings(invocation.environ, paths)
    files, pictures = read_files(options.file or []), read_pictures(options.image or [])
    screen, sessions = invocation.screen(settings), invocation.sessions
    held = nullcontext() if _reads_lines(settings, invocation) else screen.keyboard.held()
    screen.note(f"chatcli {__version__} · {settings.model} · /help lists the commands")
    for line in _hint(settings, invocation):
        screen.note(line)
    notices: list[str] = []
    with held, sessions.engine(settings, notices.append) as engine:
        screen.keyboard.poll()  # keys typed before the terminal was held: Enter and Ctrl-J are the same there
        screen.waiting = waiting_for(engine)
        resumed = _resumed(options, settings, invocation)
        if resumed == "":
            return
        session = sessions.session(settings, engine, resume=resumed)
        surroundings = Surroundings(
            invocation.environ,
            invocation.stdout,
            paths,
            lambda name: options.settings(invocation.environ, paths, persona=name),
            notices,
        )
        chat = Chat(session, screen, surroundings, sessions.judge(settings))
        keys = (settings.key_good, settings.key_bad)
        status = status_line(session, engine, verdict=lambda: attached_hint(chat) or key_hint(chat, keys))
        prompt = _prompt(chat, settings, invocation, status)
        if resumed is not None:
            show_where_it_stands(chat)
        chat.draft = screen.typed()
        chat.attachments += files
        chat.pictures += pictures
        names = [file.name for file in files] + ([pictures_listed(chat)] if pictures else [])
        if names:
            screen.note(f"(in your first message: {', '.join(names)})")
        with exit_on_signals(), closing(chat.judge), closing(session):
            run(chat, prompt)


def _resumed(options: ChatOptions, settings: Settings, invocation: Invocation) -> str | None:
    """Return the name of the conversation to continue; the user chooses if the options leave it open.

    Returns:
        The name; None for a new conversation; '' if the user chose none.
    """
    from chatcli.session.past_chats import PastChats

    if options.pick and (options.continue_last or options.resume is not None):
        raise UsageError("--pick excludes -c and -r")
    if not options.pick:
        named = options.conversation
        if named is None:
            return None
        with suppress(AmbiguousReference):
            return invocation.sessions.store(settings).resolve(named)
    with PastChats(invocation.paths) as chats:
        if not chats.find(""):
            raise UsageError("there is no conversation to choose from yet")
        text = options.resume or ""
        if _reads_lines(settings, invocation):
            from chatcli.terminal.prompt.plain import PlainPrompt

            return PlainPrompt(invocation.stdin, invocation.stdout).choose(chats, text) or ""
        from chatcli.terminal.prompt.picker import pick

        with exit_on_signals():
            return pick(chats, text) or ""


def _reads_lines(settings: Settings, invocation: Invocation) -> bool:
    """Whether to read plain lines, because nothing may move on the screen."""
    return settings.plain or invocation.environ.get("TERM") == "dumb"


def _prompt(
    chat: "Chat", settings: Settings, invocation: Invocation, status: Callable[[], str]
) -> "LineEditor | PlainPrompt":
    """Return the line editor, or the reader of plain lines."""
    if _reads_lines(settings, invocation):
        from chatcli.terminal.prompt.plain import PlainPrompt

        return PlainPrompt(invocation.stdin, invocation.stdout)
    from chatcli.session.titling import Titler
    from chatcli.terminal.commands.judging import judge_by_key
    from chatcli.terminal.prompt.completion import CommandCompleter
    from chatcli.terminal.prompt.line_editor import LineEditor

    return LineEditor(
        invocation.paths.input_history if settings.log else None,
        status,
        completer=CommandCompleter(chat),
        complain=chat.screen.error,
        environ=invocation.environ,
        vi=settings.keys == "vi",
        idle=Titler(chat.session) if settings.titles == "model" else None,
        gestures=(
            (settings.key_good, lambda: judge_by_key(chat, 1)),
            (settings.key_bad, lambda: judge_by_key(chat, -1)),
        ),
    )


def _hint(settings: Settings, invocation: Invocation) -> list[str]:
    """Return what to tell a user who has the bundled model only: how to get a better one."""
    from chatcli.library.catalog import BUNDLED, entries
    from chatcli.library.names.finding import known_models
    from chatcli.library.stores import Places

    places = Places.of(invocation.environ, invocation.paths)
    if settings.model != BUNDLED or known_models(places) != [BUNDLED]:
        return []
    from chatcli.library.fit.recommend import measured, recommend

    fitting = recommend(measured(places, gpu=False), entries())  # asking llama.cpp takes too long here
    fetch = f"chatcli pull {fitting[0].entry.name} (others:" if fitting else "see"
    return [
        f"{BUNDLED} is the tiny model that comes with chatcli; it knows little.",
        f"A larger model for this machine: {fetch} chatcli models recommend{')' if fitting else ''}",
    ]
