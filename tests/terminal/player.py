"""Plays an answer on this process's terminal: ``python player.py FILE [SECONDS [CHARACTERS]] [OPTION...]``.

The answer is the file's text, in pieces of so many characters every so many seconds. Options: ``raw`` (no
markdown), ``plain``, ``hide`` (reasoning), ``think`` (the first half is reasoning), ``slow`` (a long prompt
before). What was typed meanwhile is printed at the end.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from chatcli.chat.message import FinishReason, Generation, ModelRef
from chatcli.engine.base import Cancellation, Event, Finished, PromptProgress, ReasoningDelta, TextDelta
from chatcli.session.background import BackgroundAnswer
from chatcli.terminal.screen import Screen


def main(path: str, seconds: str = "0", characters: str = "5", *options: str) -> None:
    """Play the file."""
    text = Path(path).read_text(encoding="utf-8")
    size = int(characters)

    def events(cancel: Cancellation) -> Iterator[Event]:
        if "slow" in options:
            for step in range(20):
                yield PromptProgress(step * 100, 2000, 0)
                time.sleep(0.05)
        thoughts = len(text) // 2 if "think" in options else 0
        for at in range(0, len(text), size):
            if cancel.is_set():
                break
            piece = text[at : at + size]
            yield ReasoningDelta(piece) if at < thoughts else TextDelta(piece)
            time.sleep(float(seconds))
        reason = FinishReason.INTERRUPTED if cancel.is_set() else FinishReason.END
        yield Finished(Generation(ModelRef("player"), reason))

    screen = Screen(
        sys.stdout,
        os.environ,
        markdown="raw" not in options,
        plain="plain" in options,
        show_thinking="hide" not in options,
        keys=sys.stdin,
    )
    screen.follow(BackgroundAnswer(events))
    screen.note(f"typed {screen.typed()!r}")
    screen.note("END")


if __name__ == "__main__":
    main(*sys.argv[1:])
