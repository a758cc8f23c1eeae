"""The bottom line: the model, its adapter, the context in use and the speed, in as much room as there is."""

import threading
from pathlib import Path

import pytest

from chatcli.chat.message import FinishReason, Generation, ModelRef, Timings, Usage
from chatcli.engine.base import Cancellation, Engine, Progress
from chatcli.engine.scripted.engine import ScriptedEngine
from chatcli.errors import ModelError
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.session import Session
from chatcli.settings import Settings
from chatcli.storage.transcripts.store import TranscriptStore
from chatcli.terminal.status import status_line, waiting_for


class Adapted(ScriptedEngine):
    """A scripted engine with an adapter and a name that would act on a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.model = ModelRef("lk\x1bj", adapter="0123456789abcdef", context_size=4096)


def last() -> Generation:
    """How an answer of 50 tokens in 2 s came to be."""
    usage, timings = Usage(1000, 900, 100, 50), Timings(0.1, 0.2, 2.0)
    return Generation(ModelRef("m"), FinishReason.END, usage=usage, timings=timings)


def test_what_fits_is_said(tmp_path: Path) -> None:
    """From everything down to the share of the context; never wider than the screen if that is possible."""
    with EngineSlot(lambda *_: Adapted(), Settings()) as slot:
        slot()
        session = Session(slot, TranscriptStore(tmp_path))
        width = 80
        status = status_line(session, slot, lambda: width)
        assert status() == " lk^[j + 01234567 · context 4,096"
        session.last = last()
        lines = {}
        for width in range(1, 81):
            lines[width] = status()
        assert lines[80] == " lk^[j + 01234567 · context 1,050 of 4,096 · 25 tokens/s"
        assert lines[40] == " lk^[j + 01234567 · 26% · 25 tokens/s"
        assert lines[23] == " lk^[j + 01234567 · 26%"
        assert lines[5] == lines[1] == " 26%"
        assert all(len(line) <= width for width, line in lines.items() if width >= len(" 26%"))


def test_loading_and_failing_are_said(tmp_path: Path) -> None:
    """How far loading is, for the prompt and for an answer that waits; and that there is no model."""
    go_on, told = threading.Event(), threading.Event()

    def load(_settings: Settings, _cancel: Cancellation, progress: Progress) -> Engine:
        progress(0.4)
        told.set()
        go_on.wait()
        raise ModelError("it is broken")

    with EngineSlot(load, Settings()) as slot:
        told.wait()
        session = Session(slot, TranscriptStore(tmp_path))
        width = 80
        status = status_line(session, slot, lambda: width)
        assert status() == " loading the model, 40%"
        assert waiting_for(slot)() == ("loading the model", 0.4)
        go_on.set()
        with pytest.raises(ModelError):
            slot()
        assert "could not be loaded" in status()
        width = 30
        assert status() == " no model; Ctrl-D leaves"
        assert waiting_for(slot)() == ("", None)
