"""The interactive chat without a terminal: keys come through a pipe, what is printed goes into a string."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from chatcli.engine.base import Cancellation, Engine, Progress
from chatcli.engine.scripted.engine import ScriptedEngine
from chatcli.session.answering import SessionOptions
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.judging import AnswerJudging
from chatcli.session.session import Session
from chatcli.settings import Paths, Settings, load_settings
from chatcli.storage.feedback.guideline import GuidelineFile
from chatcli.storage.feedback.log import FeedbackLog
from chatcli.storage.transcripts.store import TranscriptStore
from chatcli.terminal.chat import Chat, Surroundings
from chatcli.terminal.commands.judging import judge_by_key
from chatcli.terminal.loop import run
from chatcli.terminal.prompt.completion import CommandCompleter
from chatcli.terminal.prompt.line_editor import LineEditor
from chatcli.terminal.screen import Screen


@dataclass
class Chatting:
    """A chat that waits for keys.

    Attributes:
        chat: what the commands work on.
        prompt: where its lines come from.
        keys: where keys are sent to.
        paths: where its user data lies.
    """

    chat: Chat
    prompt: LineEditor
    keys: PipeInput
    paths: Paths
    out: io.StringIO

    def type(self, *lines: str) -> str:
        """Type lines, each with Enter, and then leave; returns what was printed."""
        return self.press("".join(line + "\r" for line in lines) + "\x04")

    def press(self, keys: str) -> str:
        """Press keys until the chat ends; returns what was printed."""
        start = len(self.out.getvalue())
        self.chat.leaving = False
        self.keys.send_text(keys)
        run(self.chat, self.prompt)
        return self.out.getvalue()[start:]

    @property
    def said(self) -> list[str]:
        """What was said on the active path."""
        return [m.content for m in self.chat.session.conversation.messages()]


@contextmanager
def chatting(home: Path, environ: Mapping[str, str] | None = None, *, vi: bool = False) -> Iterator[Chatting]:
    """A chat with the scripted engine, its user data below ``home``."""
    variables = {"CHATCLI_HOME": str(home), "TERM": "dumb", **(environ or {})}
    paths = Paths.locate(variables)

    def settings(flags: Mapping[str, Any]) -> Settings:
        return load_settings({"model": "scripted:", **flags}, {}, paths.config_file)

    def open_scripted(wanted: Settings, _cancel: Cancellation, _progress: Progress) -> Engine:
        return ScriptedEngine.open(wanted.model)

    out = io.StringIO()
    screen = Screen(out, variables)
    with EngineSlot(open_scripted, settings({})) as slot, create_pipe_input() as keys:
        session = Session(slot, TranscriptStore(paths.transcripts), SessionOptions())
        surroundings = Surroundings(variables, out, paths, lambda name: settings({"persona": name}))
        guideline = GuidelineFile(paths.guideline, paths.former_guidelines)
        chat = Chat(
            session, screen, surroundings, AnswerJudging(FeedbackLog(paths.feedback_log), guideline.version)
        )
        prompt = LineEditor(
            paths.input_history,
            lambda: "",
            completer=CommandCompleter(chat),
            complain=screen.error,
            environ=variables,
            vi=vi,
            gestures=(("f2", lambda: judge_by_key(chat, 1)), ("alt-down", lambda: judge_by_key(chat, -1))),
            input=keys,
            output=DummyOutput(),
        )
        yield Chatting(chat, prompt, keys, paths, out)
        session.close()
        chat.judge.close()
