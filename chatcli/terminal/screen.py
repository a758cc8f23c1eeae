"""What the chat prints: one object the loop talks to, so that the loop never formats anything itself."""

import sys
import time
from collections.abc import Mapping
from typing import TextIO

from rich.console import Console
from rich.text import Text

from chatcli.chat.message import FinishReason, Generation
from chatcli.engine.base import LeftOut, PromptProgress, ReasoningDelta, TextDelta
from chatcli.terminal.sanitize import sanitize

#: A prompt that is read in less than this shows no progress line, in seconds.
_PROGRESS_AFTER = 0.5


class Screen:
    """The scrollback of a chat.

    Args:
        out: where to print.
        environ: environment; ``NO_COLOR`` and ``TERM`` are obeyed.
        color: whether colours are wanted at all.
    """

    def __init__(self, out: TextIO, environ: Mapping[str, str], *, color: bool = True) -> None:
        self.console = Console(
            file=out,
            no_color=not color or None,
            highlight=False,
            markup=False,
            emoji=False,
            _environ=dict(environ),
        )
        self._progress_shown = False
        self._started = 0.0

    def note(self, text: str) -> None:
        """A remark of the program, dimmed."""
        self.console.print(Text(sanitize(text), style="dim"))

    def error(self, text: str) -> None:
        """Something that went wrong, in one line."""
        self.console.print(Text(sanitize(text), style="red"))

    def text(self, text: str) -> None:
        """Plain text the person asked for."""
        self.console.print(Text(sanitize(text)))

    def begin_answer(self) -> None:
        """An answer was asked for."""
        self._started = time.monotonic()

    def show(self, event: LeftOut | PromptProgress | TextDelta | ReasoningDelta) -> None:
        """Show the next thing that happened."""
        if isinstance(event, PromptProgress):
            self._show_progress(event)
            return
        self._clear_progress()
        if isinstance(event, TextDelta):
            self.console.file.write(sanitize(event.text))
            self.console.file.flush()
        elif isinstance(event, ReasoningDelta):
            self.console.print(Text(sanitize(event.text), style="dim italic"), end="")
        else:
            count = len(event.indices)
            what = "message no longer fits" if count == 1 else "messages no longer fit"
            self.note(f"[{count} oldest {what} the context; the model does not see them]")

    def end_answer(self, generation: Generation | None) -> None:
        """The answer ended, well or not; ``generation`` says how."""
        self._clear_progress()
        self.console.print()
        if generation is None:
            return
        if generation.finish_reason is FinishReason.INTERRUPTED:
            self.note("[stopped; what came is kept]")
        elif generation.finish_reason is FinishReason.LENGTH:
            self.note("[cut off: the longest answer or the end of the context was reached]")

    def _show_progress(self, event: PromptProgress) -> None:
        late = time.monotonic() - self._started > _PROGRESS_AFTER
        if (
            event.done < event.total
            and late
            and self.console.is_terminal
            and not self.console.is_dumb_terminal
        ):
            percent = 100 * event.done // event.total
            self.console.file.write(f"\rreading {event.done}/{event.total} tokens ({percent} %)")
            self.console.file.flush()
            self._progress_shown = True

    def _clear_progress(self) -> None:
        if self._progress_shown:
            self.console.file.write("\r\x1b[K")
            self._progress_shown = False


def standard_screen(environ: Mapping[str, str], *, color: bool) -> Screen:
    """The screen on this process's stdout."""
    return Screen(sys.stdout, environ, color=color)
