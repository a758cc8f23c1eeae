"""Runs an answer in a thread of its own, so that Ctrl-C acts at once and the screen never slows the model.

Python runs signal handlers only in the main thread and only between byte codes; a main thread inside
``llama_decode`` would answer Ctrl-C after the whole batch. So the main thread waits on a queue instead.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from chatcli.engine.base import Cancellation, Event

T = TypeVar("T")

_POLL_SECONDS = 0.1  # a wait without a time limit cannot be interrupted on Windows


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


class Background(Generic[T]):
    """Something that happens in a thread, event by event.

    Args:
        start: called in the thread with the flag that stops it; returns the events.

    Attributes:
        done: every event has been delivered and the thread has ended.
    """

    def __init__(self, start: Callable[[Cancellation], Iterator[T]]) -> None:
        self.done = False
        self._cancellation = Cancellation()
        self._error: BaseException | None = None
        self._queue: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(start,), name="answer", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Ask it to stop. What came so far stays valid; answers still end with ``Finished``."""
        self._cancellation.set()

    def end(self) -> None:
        """Stop, and wait until the thread has ended. Events that nobody took stay where they are."""
        self.cancel()
        self._thread.join()

    @property
    def cancelled(self) -> bool:
        """Whether ``cancel`` was called."""
        return self._cancellation.is_set()

    def __iter__(self) -> Iterator[T]:
        """Yield every event, waiting for it.

        Raises:
            ChatcliError: what the engine or the storage raised, after all events before it.
        """
        while not self.done:
            yield from self.wait(_POLL_SECONDS)

    def wait(self, seconds: float) -> list[T]:
        """Return all events that are there, waiting up to ``seconds`` for the first.

        Raises:
            ChatcliError: as ``__iter__``.
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
        if self._error is not None and not events:  # what came before the error is delivered first
            self.done = True
            raise self._error
        return events

    def _run(self, start: Callable[[Cancellation], Iterator[T]]) -> None:
        error: BaseException | None = None
        try:
            for event in start(self._cancellation):
                self._queue.put(event)
        except BaseException as caught:  # the thread that waits raises it
            error = caught
        self._queue.put(_End(error))


class BackgroundAnswer(Background[Event]):
    """An answer that is being generated in a thread."""
