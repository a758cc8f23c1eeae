"""``chatcli`` on a terminal: the interactive chat."""

from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from typing import TYPE_CHECKING

from chatcli import __version__
from chatcli.cli.invocation import Invocation
from chatcli.cli.leaving import leaves_on_signals
from chatcli.cli.options import ChatOptions
from chatcli.cli.wiring import background_engine, judge_of, new_session, transcript_store
from chatcli.errors import AmbiguousReference, UsageError
from chatcli.settings import Settings

if TYPE_CHECKING:
    from chatcli.terminal.chat import Chat
    from chatcli.terminal.loop import InputLines


def chat(invocation: Invocation, options: ChatOptions) -> None:
    """Chat until the person leaves. The prompt appears at once; the model loads behind it.

    Raises:
        ChatcliError: a setting or a file makes no sense, or the conversation to go on with cannot be.
    """
    from chatcli.session.attachments import read_files, read_pictures
    from chatcli.terminal.chat import Chat, Surroundings
    from chatcli.terminal.commands.attaching import attached_hint
    from chatcli.terminal.commands.conversation import show_where_it_stands
    from chatcli.terminal.commands.judging import key_hint
    from chatcli.terminal.loop import run
    from chatcli.terminal.screen import Screen
    from chatcli.terminal.status import status_line, waiting_for

    paths = invocation.paths
    settings = options.settings(invocation.environ, paths)
    files, pictures = read_files(options.file or []), read_pictures(options.image or [])
    screen = Screen(
        invocation.stdout,
        invocation.environ,
        color=settings.color,
        markdown=settings.markdown,
        plain=settings.plain,
        show_thinking=settings.show_thinking,
        keys=invocation.stdin,
    )
    held = nullcontext() if _reads_lines(settings, invocation) else screen.keyboard.held()
    screen.note(f"chatcli {__version__} · {settings.model} · /help lists the commands")
    for line in _hint(settings, invocation):
        screen.note(line)
    notices: list[str] = []
    with held, background_engine(settings, invocation, notices.append) as engine:
        screen.keyboard.poll()  # before the terminal was held, Enter and Ctrl-J were the same
        screen.waiting = waiting_for(engine)
        resumed = _resumed(options, settings, invocation)
        if resumed == "":
            return
        session = new_session(settings, invocation, engine, resume=resumed)
        surroundings = Surroundings(
            invocation.environ,
            invocation.stdout,
            paths,
            lambda name: options.settings(invocation.environ, paths, persona=name),
            notices,
        )
        chat = Chat(session, screen, surroundings, judge_of(settings, invocation))
        keys = (settings.key_good, settings.key_bad)
        status = status_line(session, engine, verdict=lambda: attached_hint(chat) or key_hint(chat, keys))
        prompt = _prompt(chat, settings, invocation, status)
        if resumed is not None:
            show_where_it_stands(chat)
        chat.draft = screen.typed()
        chat.attachments += files
        chat.pictures += pictures
        _say_attached(chat)
        with leaves_on_signals(), closing(chat.judge), closing(session):
            run(chat, prompt)


def _say_attached(chat: "Chat") -> None:
    from chatcli.terminal.commands.attaching import pictures_listed

    names = [file.name for file in chat.attachments] + ([pictures_listed(chat)] if chat.pictures else [])
    if names:
        chat.screen.note(f"(in your first message: {', '.join(names)})")


def _resumed(options: ChatOptions, settings: Settings, invocation: Invocation) -> str | None:
    """The conversation to go on with, chosen by the person where none, or more than one, is named.

    Returns:
        Its name; None: a new one; empty: the person did not choose.

    Raises:
        UsageError: there is none that is meant.
    """
    from chatcli.session.past_chats import PastChats

    if options.pick and (options.continue_last or options.resume is not None):
        raise UsageError("--pick excludes -c and -r")
    if not options.pick:
        named = options.conversation
        if named is None:
            return None
        with suppress(AmbiguousReference):
            return transcript_store(settings, invocation).resolve(named)
    with PastChats(invocation.paths) as chats:
        if not chats.find(""):
            raise UsageError("there is no conversation yet to choose from")
        text = options.resume or ""
        if _reads_lines(settings, invocation):
            from chatcli.terminal.plain_prompt import PlainPrompt

            return PlainPrompt(invocation.stdin, invocation.stdout).choose(chats, text) or ""
        from chatcli.terminal.picker import pick

        with leaves_on_signals():
            return pick(chats, text) or ""


def _reads_lines(settings: Settings, invocation: Invocation) -> bool:
    """Whether plain lines are read, because nothing may move on the screen."""
    return settings.plain or invocation.environ.get("TERM") == "dumb"


def _prompt(
    chat: "Chat", settings: Settings, invocation: Invocation, status: Callable[[], str]
) -> "InputLines":
    """The line editor, or plain lines."""
    if _reads_lines(settings, invocation):
        from chatcli.terminal.plain_prompt import PlainPrompt

        return PlainPrompt(invocation.stdin, invocation.stdout)
    from chatcli.session.titling import Titler
    from chatcli.terminal.commands.judging import judge_by_key
    from chatcli.terminal.completion import CommandCompleter
    from chatcli.terminal.prompt import LineEditor

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
    """What newcomers should know: that the bundled model is a toy, and how to get a real one."""
    from chatcli.library.bundled import NAME
    from chatcli.library.names import known_models
    from chatcli.library.stores import Places

    places = Places.of(invocation.environ, invocation.paths)
    if settings.model != NAME or known_models(places) != [NAME]:
        return []
    from chatcli.library.catalog import entries
    from chatcli.library.recommend import measured, recommend

    fitting = recommend(measured(places, gpu=False), entries())  # llama.cpp loads too slowly to ask it here
    fetch = f"chatcli pull {fitting[0].entry.name} (others:" if fitting else "see"
    return [
        f"{NAME} is a tiny model that comes with the program; it knows little.",
        f"A real one that fits: {fetch} chatcli models recommend{')' if fitting else ''}",
    ]
