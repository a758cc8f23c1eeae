"""An answer as it is seen while it arrives: waiting, reasoning, text."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chatcli.engine.base import Coming, LeftOut, PromptProgress, ReasoningDelta, Unseen
from chatcli.terminal.live import Abilities, LiveArea, bar, clipped
from chatcli.terminal.plain_text import WholeLines, WrappedLines
from chatcli.terminal.rows import Row
from chatcli.terminal.sanitize import sanitize, sanitize_line
from chatcli.terminal.theme import DIM

#: Seconds between two drawings.
FRAME = 1 / 25
#: A wait that is shorter is not worth a word, in seconds.
PATIENCE = 0.5
_SPIN = 0.125  # seconds
_PAUSE = 10  # times what a drawing took until the next, so that the model keeps the processor
_SPINNER = ("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\")
_INDENT = ("  ", "")

#: What is happening while nothing comes, and the share of it that is done, if that is known.
Waiting = Callable[[], tuple[str, float | None]]


class Rows(Protocol):
    """Text that comes in pieces and leaves as rows."""

    def feed(self, text: str) -> None:
        """Take the next piece."""

    def take(self, width: int, height: int) -> list[Row]:
        """Remove and return the rows that are certain."""
        ...

    def live(self, width: int) -> list[Row]:
        """The rows that may still change."""
        ...

    def finish(self, width: int) -> list[Row]:
        """The rows that are left."""
        ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How answers are shown.

    Attributes:
        markdown: headings, lists, tables and code look like what they are.
        show_thinking: reasoning is shown, not only that there is some.
    """

    markdown: bool = True
    show_thinking: bool = True


class AnswerView:
    """Shows one answer.

    Args:
        area: where it is drawn.
        manner: how.
        waiting: says what keeps the answer from coming.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        area: LiveArea,
        manner: Manner,
        waiting: Waiting,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._area = area
        self._manner = manner
        self._waiting = waiting
        self._clock = clock
        self._began = self._drawn = clock()
        self._cost = 0.0  # seconds that the last drawing took
        self._stale = False  # something came that has not been drawn
        self._progress: PromptProgress | None = None
        self._thoughts: _Thoughts | None = None  # the reasoning, while it comes
        self._unfolded = manner.show_thinking
        self._rows: Rows | None = None
        self._finished: list[Row] = []
        self._return = False  # the text so far ends in a carriage return that may belong to a newline
        self._raw = ""  # raw text that has not been written
        self._raw_line = False  # the cursor is inside a line of raw text
        self._empty = True

    def show(self, event: Coming) -> None:
        """Take what happened; it is drawn with the next frame."""
        self._stale = True
        if isinstance(event, PromptProgress):
            self._progress = event
        elif isinstance(event, LeftOut):
            self._finished.append(Row(((_left_out(len(event.indices)), DIM),)))
        elif isinstance(event, Unseen):
            self._finished.append(Row(((sanitize_line(f"[{event}]"), DIM),)))
        elif isinstance(event, ReasoningDelta):
            self._think(event.text)
        else:
            self._say(event.text)

    def refresh(self, *, at_once: bool = False) -> None:
        """Draw, if a frame is due and there is something new."""
        now = self._clock()
        interval = max(FRAME if self._stale else _SPIN, _PAUSE * self._cost)
        if not at_once and now - self._drawn < interval:
            return
        self._drawn, self._stale = now, False
        width, height = self._area.width, self._area.height
        finished, self._finished = self._finished, []
        live: list[Row] = []
        if self._rows is not None:
            finished += self._rows.take(width, height)
        if self._area.abilities.escapes:
            live = self._rows.live(width) if self._rows is not None else []
            if self._rows is None:
                live = self._wait_row(width, now)
        self._finish_raw_line(finished)
        if not self._raw_line:
            self._area.draw(finished, live)
        self._write_raw()
        self._cost = self._clock() - now

    def finish(self) -> None:
        """Draw what is left, for good."""
        self._stop_thinking()
        if self._return:
            self._say("\n")
        self._end_rows()
        self._area.draw(self._finished)
        self._finished = []
        self._write_raw()
        self._finish_raw_line([Row()])
        self._area.close()

    def fold(self) -> bool:
        """Show the reasoning from here on no more, or all that came of it; returns whether it can be shown.

        What is printed already stays. Once the answer itself has begun nothing happens.
        """
        if not self._empty:
            return self._unfolded
        self._unfolded = not self._unfolded
        if self._thoughts is not None and self._unfolded:
            self._unfold(self._thoughts)
        elif self._thoughts is not None:
            self._end_rows()
        self.refresh(at_once=True)
        return self._unfolded

    def _think(self, text: str) -> None:
        if self._thoughts is None:
            self._end_rows()
            self._thoughts = _Thoughts(self._clock())
            if self._unfolded:
                self._unfold(self._thoughts)
                text = text.lstrip("\n")
        self._thoughts.count(text)
        if self._rows is not None:
            self._rows.feed(sanitize(text))
        else:
            self._thoughts.folded.append(text)

    def _unfold(self, thoughts: "_Thoughts") -> None:
        self._finished.append(Row((("thinking…", DIM),)))
        self._rows = self._new_rows(reasoning=True)
        self._rows.feed(sanitize("".join(thoughts.folded).lstrip("\n")))
        thoughts.folded.clear()

    def _stop_thinking(self) -> None:
        if self._thoughts is None:
            return
        self._end_rows()
        thoughts, self._thoughts = self._thoughts, None
        count = f", {thoughts.words:,} words; /reasoning shows them" if thoughts.folded else ""
        seconds = self._clock() - thoughts.since
        self._finished += [Row(((f"thought for {seconds:.1f} s{count}", DIM),)), Row()]

    def _say(self, text: str) -> None:
        self._stop_thinking()
        if self._return:
            text = "\r" + text
        self._return = text.endswith("\r")
        text = sanitize(text.removesuffix("\r"))
        if self._empty:
            text = text.lstrip("\n")
        if not text:
            return
        self._empty = False
        if not self._manner.markdown and self._area.abilities.escapes:
            self._raw += text
            return
        if self._rows is None:
            self._rows = self._new_rows(reasoning=False)
        self._rows.feed(text)

    def _write_raw(self) -> None:
        if self._raw:
            self._area.close()
            self._area.raw(self._raw)
            self._raw_line = not self._raw.endswith("\n")
            self._raw = ""

    def _finish_raw_line(self, following: list[Row]) -> None:
        """Rows begin at the left edge, so a line of raw text that they follow ends."""
        if self._raw_line and following:
            self._area.raw("\n")
            self._raw_line = False

    def _new_rows(self, *, reasoning: bool) -> Rows:
        if reasoning:
            return reasoning_rows(self._area.abilities)
        if not self._area.abilities.escapes:
            return WholeLines()
        from chatcli.terminal.markdown.stream import MarkdownStream

        return MarkdownStream(unicode=self._area.abilities.unicode)

    def _end_rows(self) -> None:
        if self._rows is not None:
            self._finished += self._rows.finish(self._area.width)
            self._rows = None

    def _wait_row(self, width: int, now: float) -> list[Row]:
        """What is going on while there is no text: a spinner, and a bar if it is known how long it takes."""
        if now - self._began < PATIENCE or not self._empty:
            return []
        what, share = self._waiting()
        if self._thoughts is not None:
            seconds = now - self._thoughts.since
            what, share = f"thinking… {seconds:.0f} s, {self._thoughts.words:,} words (Ctrl-O)", None
        elif not what and self._progress is not None and self._progress.done < self._progress.total:
            what = f"reading {self._progress.done:,} of {self._progress.total:,} tokens"
            share = self._progress.done / max(1, self._progress.total)
        unicode = self._area.abilities.unicode
        if share is not None:
            room = min(30, width - len(what) - 8)
            text = what + (f" {bar(share, room, unicode=unicode)}" if room >= 5 else "") + f" {share:.0%}"
        else:
            text = f"{spinner(now, unicode=unicode)} {what or 'waiting for the first word'}"
        return [Row(((clipped(text, width), DIM),))]


def spinner(now: float, *, unicode: bool) -> str:
    """The picture of something that goes on, at this time in seconds."""
    frames = _SPINNER[0] if unicode else _SPINNER[1]
    return frames[int(now / _SPIN) % len(frames)]


def reasoning_rows(abilities: Abilities) -> Rows:
    """What makes rows of reasoning: dimmed and indented where that can be shown."""
    return WrappedLines(DIM, _INDENT) if abilities.escapes else WholeLines()


class _Thoughts:
    """Reasoning that is coming.

    Attributes:
        since: when it began.
        words: how many have come.
        folded: what was not shown.
    """

    def __init__(self, since: float) -> None:
        self.since = since
        self.words = 0
        self.folded: list[str] = []
        self._inside_word = False

    def count(self, text: str) -> None:
        """Count the words of the next piece; a piece may begin inside of one."""
        if text:
            self.words += len(text.split()) - (self._inside_word and not text[0].isspace())
            self._inside_word = not text[-1].isspace()


def _left_out(count: int) -> str:
    what = "message no longer fits" if count == 1 else "messages no longer fit"
    return f"[{count} oldest {what} the context; the model does not see {'it' if count == 1 else 'them'}]"
