"""What the engine has read of a conversation, kept for the next time: resuming reads the new message only."""

from chatcli.chat.message import Usage
from chatcli.engine.base import Engine, KeepsState
from chatcli.errors import ChatcliError
from chatcli.storage.state_cache import StateCache

#: Shorter prompts are read again as fast as a file.
LEAST_TOKENS = 256


class KeptState:
    """Saves the state of the engine when a conversation is left, and loads it before its next prompt.

    Nothing here ever fails a chat: what cannot be saved or loaded is read again by the model. An engine that
    does not keep state reads everything again.

    Args:
        cache: where states are; None: nothing is saved or loaded.
    """

    def __init__(self, cache: StateCache | None) -> None:
        self._cache = cache
        self._resumed = ""
        self._engine: Engine | None = None
        self._worth_it = False
        self._aside: memoryview | None = None  # of this conversation, while the engine does something else

    def resume(self, name: str) -> None:
        """This conversation goes on; its state is loaded when the engine is needed."""
        self._resumed = name

    def prepare(self, engine: Engine) -> None:
        """Load the state of a conversation that was resumed, in the thread that uses the engine."""
        self.put_back(engine)
        name, self._resumed = self._resumed, ""
        if self._cache is None or not name or not isinstance(engine, KeepsState):
            return
        blob = self._cache.load(name, engine.state_conditions)
        if blob is not None:
            engine.load_state(blob)

    def note(self, engine: Engine, usage: Usage, *, pictures: bool = False) -> None:
        """The engine has answered in the present conversation.

        Args:
            usage: of the answer.
            pictures: there were some, which take longer to look at than as many tokens to read.
        """
        self._engine = engine
        self._worth_it = pictures or usage.prompt_tokens + usage.completion_tokens >= LEAST_TOKENS

    def set_aside(self, engine: Engine) -> bool:
        """Keep what the engine has read of the present conversation while it does something else.

        Returns:
            Whether nothing will be lost; otherwise the engine should not do anything else.
        """
        if not isinstance(engine, KeepsState):
            return True
        if self._aside is None and engine is self._engine:
            try:
                self._aside = engine.save_state()
            except ChatcliError:
                return False
        return self._aside is not None

    def put_back(self, engine: Engine) -> None:
        """Give the engine back what was set aside, if anything was."""
        blob, self._aside = self._aside, None
        if blob is not None and engine is self._engine and isinstance(engine, KeepsState):
            engine.load_state(blob)

    def leave(self, name: str, engine: Engine | None) -> None:
        """Save the state of the conversation that is left, if it is worth it. Nothing must be generating.

        Args:
            engine: the one in use; None: it is not there.
        """
        worth_it = self._worth_it and engine is self._engine
        aside, self._aside = self._aside, None
        self._engine, self._resumed = None, ""
        if engine is None or not isinstance(engine, KeepsState) or self._cache is None or not worth_it:
            return
        try:
            blob = engine.save_state() if aside is None else aside
        except ChatcliError:
            return
        if blob is not None:
            self._cache.store(name, engine.state_conditions, blob)
