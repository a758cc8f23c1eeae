"""Keys and signals while no prompt is shown: keys are not echoed, and wait for the next prompt.

While a chat lasts, the terminal neither echoes keys nor waits for whole lines, so that a prompt reads key by
key what was typed before it appeared. While something runs, Ctrl-C and Ctrl-Z send their signals. Whatever
stops or ends the program, the terminal is restored.
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

_MOST_TYPED = 1 << 20  # bytes that are kept; more is an accident
# Keys that are not text: CSI and SS3 sequences, and Alt with a key.
_KEYS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)
_ERASE_KEYS = "\x7f\x08"


class Keyboard:
    """The keys that are pressed while no prompt is shown."""

    def __init__(self, stream: IO[Any] | None) -> None:
        self._fd = _terminal_fd(stream)
        self._typed = bytearray()
        self._modes: list[_QuietMode] = []

    @property
    def in_foreground(self) -> bool:
        """Whether we may draw on the terminal; False while the shell has it, after Ctrl-Z and ``bg``."""
        return self._fd is None or _in_foreground(self._fd)

    @contextmanager
    def held(
        self,
        on_leave: Callable[[], None] = lambda: None,
        on_return: Callable[[], None] = lambda: None,
        *,
        signals: bool = True,
    ) -> Iterator[None]:
        """Neither echo keys nor wait for lines inside the ``with`` block; blocks may be nested.

        Args:
            on_leave: called before a signal stops (Ctrl-Z) or ends the program.
            on_return: called when it goes on after a stop.
            signals: whether Ctrl-C and Ctrl-Z send signals; if not, the next prompt reads them as keys.
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
        """Read what was typed, so that a long paste does not fill the terminal's buffer."""
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
        """Whether a control character was typed an odd number of times since the last call; it is removed."""
        count = self._typed.count(key)
        if count:
            self._typed = self._typed.replace(key, b"")
        return count % 2 == 1

    def take(self) -> str:
        """The text typed since the last call, without newlines at its end."""
        data, self._typed = bytes(self._typed), bytearray()
        return typed_text(data)


def typed_text(data: bytes) -> str:
    """The text that some keys type: control keys are dropped, backspaces carried out."""
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
    except OSError:  # not our controlling terminal
        return True


class _QuietMode:
    """The terminal mode without echo and lines; in the background the shell's mode stays."""

    def __init__(self, fd: int, *, signals: bool) -> None:
        self._fd = fd
        self._signals = signals
        self._former: list[Any] | None = None

    def enter(self) -> None:
        import termios

        if not _in_foreground(self._fd):  # changing the mode would stop this process
            return
        try:
            self._former = termios.tcgetattr(self._fd)
            mode = termios.tcgetattr(self._fd)
            mode[0] &= ~termios.ICRNL  # Enter arrives as in the line editor, not as Ctrl-J
            # With IEXTEN, the terminal of a Mac would take Ctrl-O and Ctrl-V.
            mode[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)
            mode[3] |= termios.ISIG if self._signals else 0
            mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0  # some systems use these for other values
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
    """Restore the terminal before a signal stops or ends the program."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def step_aside(signal_number: int, _frame: FrameType | None) -> None:
        number = signal.Signals(signal_number)
        on_leave()
        mode.leave()
        ours = signal.signal(number, former[number])
        os.kill(os.getpid(), number)  # the default action; after a stop it returns here
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


@contextmanager
def on_ctrl_c(act: Callable[[], object]) -> Iterator[None]:
    """Make Ctrl-C call this, and nothing else, inside the ``with`` block.

    Child processes do not inherit a handler, unlike SIG_IGN, so they are free to react to Ctrl-C.
    """

    def handle(_number: int, _frame: FrameType | None) -> None:
        act()

    former = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
