"""The bottom line: which model, how full the context is, how fast the last answer was."""

from collections.abc import Callable

from chatcli.session.engine_slot import EngineSlot
from chatcli.session.session import Session
from chatcli.terminal.sanitize import sanitize_line


def status_line(session: Session, loading: EngineSlot) -> Callable[[], str]:
    """A function that says where the chat is now; cheap, since it is called at each redraw."""

    def status() -> str:
        engine = loading.engine
        if engine is None:
            if loading.ready:
                return " the model could not be loaded; send anything to see why, Ctrl-D leaves"
            return f" loading the model, {loading.progress:.0%}"
        parts = [sanitize_line(engine.model.name)]
        last = session.last
        if last is None:
            parts.append(f"context {engine.context_size}")
        else:
            used = last.usage.prompt_tokens + last.usage.completion_tokens
            parts.append(f"context {used}/{engine.context_size}")
            if last.timings.generation > 0:
                parts.append(f"{last.usage.completion_tokens / last.timings.generation:.0f} tokens/s")
        return " " + " · ".join(parts)

    return status
