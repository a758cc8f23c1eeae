"""Runs an answer in its own thread, so that Ctrl-C acts at once and the screen never slows the model.

Python runs signal handlers only in the main thread, between byte codes. A main thread inside
``llama_decode`` would react after the whole batch, so it waits on a queue instead.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from chatcli.engine.base import Cancellation, Event

T = TypeVar("T")

_POLL_SECONDS = 0.1  # on Windows, a wait without a time limit cannot be interrupted


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


class Background(Generic[T]):
    """Events that are produced in a thread."""

    def __init__(self, start: Callable[[Cancellation], Iterator[T]]) -> None:
        self.done = False
        self._cancellation = Cancellation()
        self._error: BaseException | None = None
        self._queue: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(start,), name="answer", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Ask the thread to stop. What came stays valid; an answer still ends with ``Finished``."""
        self._cancellation.set()

    def end(self) -> None:
        """Stop the thread and wait until it has ended. Events that nobody took are kept."""
        self.cancel()
        self._thread.join()

    @property
    def cancelled(self) -> bool:
        """Whether ``cancel`` was called."""
        return self._cancellation.is_set()

    def __iter__(self) -> Iterator[T]:
        """Yield every event, waiting for it; then raise the error that ended the thread, if any."""
        while not self.done:
            yield from self.wait(_POLL_SECONDS)

    def wait(self, seconds: float) -> list[T]:
        """Return all events that are there, waiting up to ``seconds`` for the first.

        Raises the error that ended the thread, after all events before it.
        """
        events: list[T] = []
        while self._error is None and not self.done:
            try:
                item = self._queue.get(timeout=0 if events else seconds)
            except queue.Empty:
                return events
            if isinstance(item, _End):
                self._thread.join()
                self._error = item.error
                self.done = item.error is None
                break
            events.append(item)
        if self._error is not None and not events:  # the events before the error are delivered first
            self.done = True
            raise self._error
        return events

    def _run(self, start: Callable[[Cancellation], Iterator[T]]) -> None:
        error: BaseException | None = None
        try:
            for event in start(self._cancellation):
                self._queue.put(event)
        except BaseException as caught:  # raised in the thread that waits
            error = caught
        self._queue.put(_End(error))


#: An answer that is being generated in a thread.
BackgroundAnswer = Background[Event]
