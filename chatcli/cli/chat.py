"""``chatcli`` on a terminal: the interactive chat."""

from chatcli import __version__
from chatcli.cli.invocation import Invocation
from chatcli.cli.options import ChatOptions
from chatcli.cli.wiring import background_engine, new_session


def chat(invocation: Invocation, options: ChatOptions) -> None:
    """Chat until the person leaves. The prompt appears at once; the model loads behind it.

    Raises:
        ChatcliError: a setting makes no sense, or the transcript cannot be written.
    """
    from chatcli.terminal.chat import Chat
    from chatcli.terminal.prompt import Prompt
    from chatcli.terminal.screen import Screen
    from chatcli.terminal.status import status_line, waiting_for

    settings = options.settings(invocation.environ, invocation.paths)
    screen = Screen(
        invocation.stdout,
        invocation.environ,
        color=settings.color,
        markdown=settings.markdown,
        plain=settings.plain,
        show_thinking=settings.show_thinking,
        keys=invocation.stdin,
    )
    screen.note(f"chatcli {__version__} · {settings.model} · /help lists the commands")
    history = invocation.paths.input_history if settings.log else None
    with background_engine(settings, invocation) as engine:
        screen.waiting = waiting_for(engine)
        session = new_session(settings, invocation, engine, resume=options.conversation)
        try:
            Chat(session, screen, Prompt(history, status_line(session, engine))).run()
        finally:
            session.close()
