"""Keeps what is typed while no prompt is shown off the screen, and hands it to the next one.

For as long as a chat lasts the terminal neither echoes keys nor waits for whole lines, so that a prompt reads
what was typed before it was there key by key; while something is done, Ctrl-C and Ctrl-Z send their signals.
Whatever ends or stops the program meanwhile, the terminal is as it was.
"""

import codecs
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO, Any

_MOST_TYPED = 1 << 20  # bytes kept; more is not type-ahead but an accident
# Keys that are not text: CSI and SS3 sequences, Alt with a key.
_KEYS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)
_ERASE_KEYS = "\x7f\x08"


def _no_more() -> None:
    """Nothing else is to be done."""


class Keyboard:
    """The keys that are pressed while no prompt is shown.

    Args:
        stream: standard input; anything but a terminal is left alone.
    """

    def __init__(self, stream: IO[Any] | None) -> None:
        self._fd = _terminal_fd(stream)
        self._typed = bytearray()
        self._modes: list[_QuietMode] = []

    @property
    def in_foreground(self) -> bool:
        """Whether the terminal is ours to draw on; false while the shell has it, after Ctrl-Z and ``bg``."""
        return self._fd is None or _in_foreground(self._fd)

    @contextmanager
    def held(
        self,
        on_leave: Callable[[], None] = _no_more,
        on_return: Callable[[], None] = _no_more,
        *,
        signals: bool = True,
    ) -> Iterator[None]:
        """Neither echo keys nor take them as lines inside the ``with`` block; blocks may be nested.

        Args:
            on_leave: called before the program is stopped (Ctrl-Z) or ended by a signal.
            on_return: called when it goes on after a stop.
            signals: Ctrl-C and Ctrl-Z send their signals; otherwise the next prompt reads them as keys.
        """
        if self._fd is None:
            yield
            return
        mode = _QuietMode(self._fd, signals=signals)
        mode.enter()
        self._modes.append(mode)
        try:
            with _signals(mode, on_leave, on_return):
                yield
        finally:
            self._modes.pop()
            mode.leave()

    @contextmanager
    def released(self) -> Iterator[None]:
        """Give the terminal to another program inside the ``with`` block."""
        for mode in reversed(self._modes):
            mode.leave()
        try:
            yield
        finally:
            for mode in self._modes:
                mode.enter()

    def poll(self) -> None:
        """Take in what was typed, so that a long paste does not fill the terminal's buffer."""
        if self._fd is None or sys.platform == "win32":
            return
        import select

        while select.select([self._fd], [], [], 0)[0]:
            try:
                data = os.read(self._fd, 65536)
            except OSError:
                return
            if not data:
                return
            self._typed += data[: max(0, _MOST_TYPED - len(self._typed))]

    def caught(self, key: bytes) -> bool:
        """Whether a key was pressed since the last call, an odd number of times; it is no longer typed then.

        Args:
            key: a control character.
        """
        count = self._typed.count(key)
        if count:
            self._typed = self._typed.replace(key, b"")
        return count % 2 == 1

    def take(self) -> str:
        """What was typed since the last call, as it would stand in a line; newlines at its end are
        dropped."""
        data, self._typed = bytes(self._typed), bytearray()
        return typed_text(data)


def typed_text(data: bytes) -> str:
    """The text that some keys would have typed: without control keys, backspaces carried out."""
    text = codecs.decode(data, "utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    kept: list[str] = []
    for character in _KEYS.sub("", text):
        if character in _ERASE_KEYS:
            if kept:
                kept.pop()
        elif character == "\x15":  # Ctrl-U
            kept.clear()
        elif character in "\n\t" or character.isprintable():
            kept.append(character)
    return "".join(kept).rstrip("\n")


def _terminal_fd(stream: IO[Any] | None) -> int | None:
    if sys.platform == "win32" or stream is None:
        return None
    try:
        return stream.fileno() if stream.isatty() else None
    except (OSError, ValueError):
        return None


def _in_foreground(fd: int) -> bool:
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:  # not the terminal that controls us
        return True


class _QuietMode:
    """The terminal's mode without echo and without lines; in the background it stays as the shell has it."""

    def __init__(self, fd: int, *, signals: bool) -> None:
        self._fd = fd
        self._signals = signals
        self._former: list[Any] | None = None

    def enter(self) -> None:
        import termios

        if not _in_foreground(self._fd):  # the system would stop us
            return
        try:
            self._former = termios.tcgetattr(self._fd)
            mode = termios.tcgetattr(self._fd)
            mode[0] &= ~termios.ICRNL  # Enter is read as the line editor reads it, not as Ctrl-J
            # Without IEXTEN Ctrl-O and Ctrl-V are keys like others; on a Mac the terminal takes them.
            mode[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)
            mode[3] |= termios.ISIG if self._signals else 0
            mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0  # some systems keep other things there
            termios.tcsetattr(self._fd, termios.TCSANOW, mode)
        except termios.error:  # the terminal is gone
            self._former = None

    def leave(self) -> None:
        import termios

        if self._former is None:
            return
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(self._fd, termios.TCSANOW, self._former)
        self._former = None


@contextmanager
def _signals(mode: _QuietMode, on_leave: Callable[[], None], on_return: Callable[[], None]) -> Iterator[None]:
    """Give the terminal back before a signal stops or ends the program."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def step_aside(signal_number: int, _frame: FrameType | None) -> None:
        number = signal.Signals(signal_number)
        on_leave()
        mode.leave()
        ours = signal.signal(number, former[number])
        os.kill(os.getpid(), number)  # as if we had not been asked; a stop returns here
        signal.signal(number, ours)
        mode.enter()
        on_return()

    numbers = (signal.SIGTSTP, signal.SIGTERM, signal.SIGHUP)
    former = {number: signal.getsignal(number) or signal.SIG_DFL for number in numbers}
    for number in numbers:
        signal.signal(number, step_aside)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
