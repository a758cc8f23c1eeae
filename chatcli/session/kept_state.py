"""What the engine has read of a conversation, kept for the next time: resuming reads the new message only."""

from chatcli.chat.message import Usage
from chatcli.engine.base import Engine
from chatcli.errors import ChatcliError
from chatcli.storage.state_cache import StateCache

#: Shorter prompts are read again as fast as a file.
LEAST_TOKENS = 256


class KeptState:
    """Saves the state of the engine when a conversation is left, and loads it before its next prompt.

    Nothing here ever fails a chat: what cannot be saved or loaded is read again by the model.

    Args:
        cache: where states are; None: nothing is saved or loaded.
    """

    def __init__(self, cache: StateCache | None) -> None:
        self._cache = cache
        self._resumed = ""
        self._engine: Engine | None = None
        self._tokens = 0

    def resume(self, name: str) -> None:
        """This conversation goes on; its state is loaded when the engine is needed."""
        self._resumed = name

    def prepare(self, engine: Engine) -> None:
        """Load the state of a conversation that was resumed, in the thread that uses the engine."""
        name, self._resumed = self._resumed, ""
        if self._cache is None or not name:
            return
        blob = self._cache.load(name, engine.state_conditions)
        if blob is not None:
            engine.load_state(blob)

    def note(self, engine: Engine, usage: Usage) -> None:
        """The engine has answered in the present conversation."""
        self._engine = engine
        self._tokens = usage.prompt_tokens + usage.completion_tokens

    def leave(self, name: str, engine: Engine | None) -> None:
        """Save the state of the conversation that is left, if it is worth it. Nothing must be generating.

        Args:
            engine: the one in use; None: it is not there.
        """
        answered, self._engine, self._resumed = self._engine, None, ""
        if self._cache is None or engine is None or engine is not answered or self._tokens < LEAST_TOKENS:
            return
        try:
            blob = engine.save_state()
        except ChatcliError:
            return
        if blob is not None:
            self._cache.store(name, engine.state_conditions, blob)
