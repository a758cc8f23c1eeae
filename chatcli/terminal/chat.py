"""An interactive chat: the object that the loop and the slash commands work on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TextIO

from chatcli.chat.message import Picture
from chatcli.errors import UsageError
from chatcli.library.stores import Places
from chatcli.session.attachments import Attachment, enclose
from chatcli.session.background import BackgroundAnswer
from chatcli.session.judgement_words import judged_words
from chatcli.session.judging import AnswerJudging
from chatcli.session.past_chats import PastChats
from chatcli.session.session import Session
from chatcli.settings import Paths, Settings
from chatcli.storage.feedback.guideline import GuidelineFile
from chatcli.terminal.prompt.editor import edit
from chatcli.terminal.prompt.keyboard import on_ctrl_c
from chatcli.terminal.screen import Screen


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The surroundings of a chat."""

    environ: Mapping[str, str]
    out: TextIO
    paths: Paths
    persona: Callable[[str], Settings]
    notices: list[str] = field(default_factory=list)  # remarks of the loading model, from its thread

    @property
    def places(self) -> Places:
        """Where models are stored."""
        return Places.of(self.environ, self.paths)

    @property
    def guideline(self) -> GuidelineFile:
        """The labelling instructions."""
        return GuidelineFile(self.paths.guideline, self.paths.former_guidelines)


class Chat:
    """An interactive chat.

    Attributes:
        choose: lets the person choose a stored chat, beginning with a search for a text; returns its name or
            None. The loop sets it, because it depends on where lines come from.
    """

    def __init__(
        self, session: Session, screen: Screen, surroundings: Surroundings, judge: AnswerJudging | None = None
    ) -> None:
        self.session = session
        self.screen = screen
        self.surroundings = surroundings
        self.judge = judge or AnswerJudging(None)
        self.attachments: list[Attachment] = []
        self.pictures: list[Picture] = []
        self.draft = ""
        self.leaving = False
        self.choose: Callable[[PastChats, str], str | None] = lambda _chats, _text: None

    def choose_chat(self, text: str = "") -> str | None:
        """Let the person choose a stored chat, starting with a search; return its name or None."""
        with PastChats(self.surroundings.paths) as chats:
            if not chats.find(""):
                raise UsageError("there are no other chats yet")
            return self.choose(chats, text)

    def say(self, text: str) -> None:
        """Send a message with the attached files and show the answer. On ChatcliError all is as before."""
        whole = "\n\n".join(part for part in (text, enclose(self.attachments)) if part)
        self.draft = text  # if nothing comes, it can be sent again
        if self.pictures:
            self._wait_for_engine()  # until then it is unknown whether it sees pictures
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
        """Show an answer as it comes. Ctrl-C stops it."""
        try:
            with on_ctrl_c(answer.cancel):
                self.screen.follow(answer, begun)
        finally:
            self.draft += self.screen.typed()
            notices = self.surroundings.notices
            while notices:
                self.screen.note(f"({notices.pop(0)})")

    def rating_mark(self, node_id: int) -> str:
        """The judgement of an answer in a few words; empty if there is none."""
        conversation = self.session.conversation
        return judged_words(
            self.judge.rating(conversation, node_id), self.judge.correction(conversation, node_id)
        )

    def edit(self, text: str) -> str:
        """Let the person edit a text in their editor; raises ChatcliError."""
        with self.screen.keyboard.released():
            return edit(text, self.surroundings.environ)
