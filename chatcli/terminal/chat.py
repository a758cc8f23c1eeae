"""The loop of the interactive chat: read a line, do what it says, show what happens."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from chatcli.engine.base import Event, Finished, LeftOut, PromptProgress, ReasoningDelta, TextDelta
from chatcli.errors import ChatcliError, UsageError
from chatcli.session.background import BackgroundAnswer
from chatcli.session.session import Session
from chatcli.terminal.commands import find
from chatcli.terminal.prompt import Prompt
from chatcli.terminal.screen import Screen


class Chat:
    """An interactive chat.

    Args:
        session: the conversation and its engine.
        screen: where things are shown.
        prompt: where lines come from.
    """

    def __init__(self, session: Session, screen: Screen, prompt: Prompt) -> None:
        self.session = session
        self.screen = screen
        self._prompt = prompt
        self._leaving = False
        self._draft = ""

    def run(self) -> None:
        """Chat until the person leaves."""
        warned = False
        while not self._leaving:
            try:
                line = self._prompt.read(self._draft)
            except EOFError:
                return
            except KeyboardInterrupt:
                if warned:
                    return
                warned = True
                self.screen.note("(Ctrl-D or /exit leaves; so does Ctrl-C again)")
                continue
            warned, self._draft = False, ""
            try:
                self._obey(line)
            except ChatcliError as error:
                self.screen.error(str(error))

    def start_over(self) -> None:
        """Begin a new conversation."""
        self.session.start_over()
        self.screen.note("(a new chat)")

    def leave(self) -> None:
        """End the loop after this line."""
        self._leaving = True

    def _obey(self, line: str) -> None:
        text = line.strip()
        if not text:
            return
        if text.startswith("/"):
            command, argument = find(text)
            if argument and not command.arguments:
                raise UsageError(f"{command.name} takes no argument")
            command.handler(self, argument)
            return
        self._answer(line)

    def _answer(self, text: str) -> None:
        answer = self.session.send(text)
        self.screen.begin_answer()
        generation = None
        try:
            with _ctrl_c_stops(answer):
                for event in answer:
                    if isinstance(event, Finished):
                        generation = event.generation
                    else:
                        self._show(event)
        except ChatcliError:
            self.screen.end_answer(None)
            self._draft = text
            raise
        self.screen.end_answer(generation)
        if not self.session.answered:
            self._draft = text  # stopped before the first word: it can be sent again

    def _show(self, event: Event) -> None:
        if isinstance(event, (LeftOut, PromptProgress, TextDelta, ReasoningDelta)):
            self.screen.show(event)


@contextmanager
def _ctrl_c_stops(answer: BackgroundAnswer) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        answer.cancel()

    former = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
