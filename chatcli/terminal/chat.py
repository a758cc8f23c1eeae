"""A chat on a screen: what the loop and the commands work on."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TextIO

from chatcli.chat.message import Picture
from chatcli.errors import UsageError
from chatcli.library.stores import Places
from chatcli.session.attachments import Attachment, enclose
from chatcli.session.background import Background, BackgroundAnswer
from chatcli.session.judging import Judge
from chatcli.session.past_chats import PastChats
from chatcli.session.session import Session
from chatcli.settings import Paths, Settings
from chatcli.storage.feedback.guideline import GuidelineFile
from chatcli.terminal.prompt.editor import edit
from chatcli.terminal.screen import Screen
from chatcli.terminal.verdicts import mark_of


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the chat knows of the world around it.

    Attributes:
        environ: environment variables.
        out: the terminal.
        paths: where user data lives.
        persona: the settings of this run with another persona.
        notices: of the model that loads, said as soon as the screen is free; other threads add to them.
    """

    environ: Mapping[str, str]
    out: TextIO
    paths: Paths
    persona: Callable[[str], Settings]
    notices: list[str] = field(default_factory=list)

    @property
    def places(self) -> Places:
        """Where models lie."""
        return Places.of(self.environ, self.paths)

    @property
    def guideline(self) -> GuidelineFile:
        """The labelling instructions."""
        return GuidelineFile(self.paths.guideline, self.paths.former_guidelines)


class Chat:
    """An interactive chat.

    Args:
        session: the conversation and its engine.
        screen: where things are shown.
        surroundings: of this run.
        judge: keeps what the person thinks of answers; None: until the chat ends.

    Attributes:
        attachments: files that go into the next message.
        pictures: those that go into it.
        draft: what the next prompt begins with.
        leaving: the chat is to end.
        choose: lets the person choose one of the chats that are kept, beginning with those that a text finds;
            returns its name, or None. The loop sets it: how depends on where lines come from.
    """

    def __init__(
        self, session: Session, screen: Screen, surroundings: Surroundings, judge: Judge | None = None
    ) -> None:
        self.session = session
        self.screen = screen
        self.surroundings = surroundings
        self.judge = judge or Judge(None)
        self.attachments: list[Attachment] = []
        self.pictures: list[Picture] = []
        self.draft = ""
        self.leaving = False
        self.choose: Callable[[PastChats, str], str | None] = _nothing_chosen

    def choose_chat(self, text: str = "") -> str | None:
        """Let the person choose one of the chats that are kept; returns its name, None if they choose none.

        Args:
            text: what is searched for at first.

        Raises:
            UsageError: there is none to choose from.
            StorageError: they cannot be listed.
        """
        with PastChats(self.surroundings.paths) as chats:
            if not chats.find(""):
                raise UsageError("there is no chat yet that could be loaded")
            return self.choose(chats, text)

    def say(self, text: str) -> None:
        """Send a message with what is attached and show the answer. If nothing comes, all is as before.

        Raises:
            ChatcliError: whatever keeps the model from answering.
        """
        whole = "\n\n".join(part for part in (text, enclose(self.attachments)) if part)
        self.draft = text  # until something came: it can be sent again
        if self.pictures:
            self._wait_for_engine()  # whether it sees is known then
        self.show(self.session.send(whole, self.pictures))
        if self.session.came:
            self.draft = self.draft.removeprefix(text)  # what was typed meanwhile stays
            self.attachments.clear()
            self.pictures.clear()

    def _wait_for_engine(self) -> None:
        engine = self.session.engine
        if not engine.ready:
            try:
                self.screen.wait(engine.wait)
            finally:
                self.draft += self.screen.typed()

    def show(self, answer: BackgroundAnswer, begun: str = "") -> None:
        """Show an answer as it comes. Ctrl-C stops it.

        Args:
            begun: the text that it goes on from, shown again before it.

        Raises:
            ChatcliError: as the answer; what came before is shown.
        """
        try:
            with ctrl_c_stops(answer):
                self.screen.follow(answer, begun)
        finally:
            self.draft += self.screen.typed()
            notices = self.surroundings.notices
            while notices:
                self.screen.note(f"({notices.pop(0)})")

    def rating_mark(self, node_id: int) -> str:
        """How an answer was judged, in a word or a few; empty: it was not."""
        conversation = self.session.conversation
        return mark_of(self.judge.rating(conversation, node_id), self.judge.correction(conversation, node_id))

    def edit(self, text: str) -> str:
        """A text as the person leaves it in an editor.

        Raises:
            ChatcliError: see ``editor.edit``.
        """
        with self.screen.keyboard.released():
            return edit(text, self.surroundings.environ)


def _nothing_chosen(_chats: PastChats, _text: str) -> None:
    """Nobody can be asked."""


@contextmanager
def ctrl_c_stops(answer: Background[Any]) -> Iterator[None]:
    """Ctrl-C stops the answer, and nothing else, inside the ``with`` block."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        answer.cancel()

    former = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
