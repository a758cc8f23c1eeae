"""Keeps the state of the engine for each conversation, so that resuming decodes the new message only."""

from chatcli.chat.message import Usage
from chatcli.engine.base import Engine, KeepsState
from chatcli.errors import ChatcliError
from chatcli.storage.state_cache import StateCache

#: Shorter prompts are decoded as fast as a state file is read.
LEAST_TOKENS = 256


class KeptState:
    """Saves the engine's state when a conversation is left, and loads it before its next prompt.

    A failure never stops the chat: what cannot be saved or loaded is decoded again. An engine that does not
    keep state decodes everything again.
    """

    def __init__(self, cache: StateCache | None) -> None:
        self._cache = cache
        self._resumed = ""
        self._engine: Engine | None = None
        self._worth_it = False
        self._aside: memoryview | None = None  # this conversation's state while the engine does other work

    def resume(self, name: str) -> None:
        """Load the state of this conversation when the engine is next needed."""
        self._resumed = name

    def prepare(self, engine: Engine) -> None:
        """Load the state of a resumed conversation, in the thread that uses the engine."""
        self.put_back(engine)
        name, self._resumed = self._resumed, ""
        if self._cache is None or not name or not isinstance(engine, KeepsState):
            return
        blob = self._cache.load(name, engine.state_conditions)
        if blob is not None:
            engine.load_state(blob)

    def note(self, engine: Engine, usage: Usage, *, pictures: bool = False) -> None:
        """Note that the engine has answered in this conversation.

        Args:
            pictures: whether it has any; to decode them again takes longer than as many tokens of text.
        """
        self._engine = engine
        self._worth_it = pictures or usage.prompt_tokens + usage.completion_tokens >= LEAST_TOKENS

    def set_aside(self, engine: Engine) -> bool:
        """Keep the state in memory while the engine does other work; returns whether nothing will be lost."""
        if not isinstance(engine, KeepsState):
            return True
        if self._aside is None and engine is self._engine:
            try:
                self._aside = engine.save_state()
            except ChatcliError:
                return False
        return self._aside is not None

    def put_back(self, engine: Engine) -> None:
        """Load the state that was set aside, if any."""
        blob, self._aside = self._aside, None
        if blob is not None and engine is self._engine and isinstance(engine, KeepsState):
            engine.load_state(blob)

    def leave(self, name: str, engine: Engine | None) -> None:
        """Save the state of the conversation that is left, if it is worth it. Nothing may be generating."""
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
