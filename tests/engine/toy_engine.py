"""A second engine, registered from outside: it answers, and has none of the optional capabilities.

Run as a program it is chatcli with this engine registered. Nothing in ``chatcli`` knows it.
"""

from collections.abc import Iterator, Sequence
from typing import Self

from chatcli.chat.message import FinishReason, Generation, Message, ModelRef
from chatcli.cli.main import main
from chatcli.engine.base import Cancellation, Engine, Event, Finished, TextDelta
from chatcli.engine.registry import EngineKind, Opening, register
from chatcli.errors import ModelNotFound
from chatcli.sampling import SamplingParams
from chatcli.settings import Settings

NAMES = ("toy:anna", "toy:bert")


class ToyEngine:
    """Answers with its own name and the last message. It counts no tokens and keeps no state.

    Args:
        name: what the user calls it.
    """

    def __init__(self, name: str) -> None:
        self.model = ModelRef(name)
        self.context_size = 0
        self.recommended = SamplingParams()

    def generate(
        self,
        messages: Sequence[Message],
        params: SamplingParams,
        *,
        cancel: Cancellation | None = None,
        thinking: bool | None = None,
    ) -> Iterator[Event]:
        """Three pieces, unless it is stopped between them."""
        reason = FinishReason.END
        who = self.model.name.partition(":")[2].upper()
        for piece in (who, " on ", messages[-1].content):
            if cancel is not None and cancel.is_set():
                reason = FinishReason.INTERRUPTED
                break
            yield TextDelta(piece)
        yield Finished(Generation(self.model, reason, params, thinking=thinking))

    def close(self) -> None:
        """Nothing to free."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open(opening: Opening) -> Engine:
    return ToyEngine(opening.settings.model)


def _check(settings: Settings) -> None:
    if settings.model not in NAMES:
        raise ModelNotFound(f"there is no {settings.model}; there are {', '.join(NAMES)}")


KIND = EngineKind("toy:", _open, _check, lambda _settings: NAMES, local=False)

if __name__ == "__main__":
    register(KIND)
    main()
