"""Answers in a thread: order, errors, stopping."""

from collections.abc import Iterator

import pytest

from chatcli.engine.base import Cancellation, Event, TextDelta
from chatcli.errors import ModelError
from chatcli.session.background import BackgroundAnswer


def test_events_arrive_in_order_and_then_the_end() -> None:
    """Every event is delivered once, in order, and ``done`` is true after the last."""
    answer = BackgroundAnswer(lambda cancel: iter([TextDelta(str(n)) for n in range(1000)]))
    assert [e.text for e in answer if isinstance(e, TextDelta)] == [str(n) for n in range(1000)]
    assert answer.done
    assert list(answer) == []
    assert answer.wait(0) == []


def test_an_error_comes_after_the_events_before_it() -> None:
    """What came before a failure is not lost."""

    def failing(_cancel: Cancellation) -> Iterator[Event]:
        yield TextDelta("a")
        raise ModelError("broken")

    answer = BackgroundAnswer(failing)
    events = iter(answer)
    assert next(events) == TextDelta("a")
    with pytest.raises(ModelError, match="broken"):
        next(events)
    assert answer.done


def test_cancel_reaches_the_thread() -> None:
    """The thread sees the flag and ends by itself."""

    def endless(cancel: Cancellation) -> Iterator[Event]:
        while not cancel.is_set():
            yield TextDelta("x")

    answer = BackgroundAnswer(endless)
    assert answer.wait(5)
    answer.cancel()
    assert answer.cancelled
    assert all(isinstance(event, TextDelta) for event in answer)
    assert answer.done
