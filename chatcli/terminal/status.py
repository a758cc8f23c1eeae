"""Where the chat is now: the bottom line of the prompt, and what an answer waits for."""

from collections.abc import Callable

from chatcli.chat.message import Generation, Usage
from chatcli.engine.base import Engine
from chatcli.engine.registry import is_local
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.session import Session
from chatcli.terminal.answer import Waiting
from chatcli.terminal.rows import cells
from chatcli.terminal.sanitize import sanitize_line

_SEPARATOR = " · "


def status_line(
    session: Session,
    loading: EngineSlot,
    columns: Callable[[], int] | None = None,
    verdict: Callable[[], str] = str,
) -> Callable[[], str]:
    """A function that says which model is in use, how full the context is and how fast the last answer was.

    Args:
        verdict: says what goes with the next message, what was thought of the last answer, or which keys
            tell it; empty: nothing.
        columns: of the terminal, now; None asks the prompt that is being drawn.
    """

    def status() -> str:
        engine = loading.engine
        if engine is None:
            if loading.ready:
                long = "the model could not be loaded; send anything to see why, Ctrl-D leaves"
                return _fitted([[long], ["no model; Ctrl-D leaves"]], (columns or _prompt_columns)())
            doing, share = _doing(loading)
            return f" {doing}" if share is None else f" {doing}, {share:.0%}"
        name, adapter = sanitize_line(engine.model.name), engine.model.adapter[:8]
        model = f"{name} + {adapter}" if adapter else name
        last = session.last
        where = [] if is_local(loading.settings.model) else ["not on this machine"]
        context, brief = _gauge(engine, last.usage if last is not None else None)
        speed = _speed(last) if last is not None else []
        said = [text] if (text := verdict()) else []
        forms = [
            [model, *where, *context, *speed, *said],
            [model, *where, *brief, *speed, *said],
            [model, *where, *brief, *said],
            [*brief, *said],
            [*brief, *speed],
            brief or [model],
        ]
        return _fitted(forms, (columns or _prompt_columns)())

    return status


def waiting_for(loading: EngineSlot) -> Waiting:
    """What keeps an answer from coming that the answer itself does not say: the model is still loading."""
    return lambda: ("", None) if loading.ready else _doing(loading)


def _doing(loading: EngineSlot) -> tuple[str, float | None]:
    """What is done to the model, and the share of it that is done."""
    share = loading.progress
    return ("loading the model" if share is not None else "trying the model, which is new here"), share


def _gauge(engine: Engine, usage: Usage | None) -> tuple[list[str], list[str]]:
    """How full the context is, at length and in brief; nothing if the engine does not know."""
    size = engine.context_size
    if usage is not None and not usage.is_counted:
        return [], []
    if usage is None:
        return ([f"context {size:,}"], [f"{size:,}"]) if size else ([], [])
    used = usage.prompt_tokens + usage.completion_tokens
    if not size:
        return [f"{used:,} tokens"], [f"{used:,}"]
    return [f"context {used:,} of {size:,}"], [f"{used / size:.0%}"]


def _speed(last: Generation) -> list[str]:
    count, seconds = last.usage.completion_tokens, last.timings.generation
    return [f"{count / seconds:,.0f} tokens/s"] if seconds > 0 and last.usage.is_counted else []


def _fitted(forms: list[list[str]], columns: int) -> str:
    """The first form that fits, else the last."""
    lines = [" " + _SEPARATOR.join(parts) for parts in forms]
    return next((line for line in lines if cells(line) <= columns), lines[-1])


def _prompt_columns() -> int:
    from prompt_toolkit.application import get_app

    return get_app().output.get_size().columns
