"""A live chat: its conversation, the engine that answers and the transcript that keeps it. Never prints."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import Generation, Message, Picture, Role
from chatcli.engine.base import CountsTokens, Prompt
from chatcli.errors import StorageError, UsageError
from chatcli.session.answering import (
    CONTINUES,
    CUT,
    EDITS,
    FORK_OF,
    REFERENCES,
    Exchange,
    Request,
    SessionOptions,
    Told,
)
from chatcli.session.attachments import require_vision
from chatcli.session.background import BackgroundAnswer
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.kept_state import KeptState
from chatcli.session.saved_conversation import ConversationStore, SavedConversation
from chatcli.settings import Settings
from chatcli.storage.state_cache import StateCache
from chatcli.storage.transcripts.log import NoLog, TranscriptLog
from chatcli.storage.transcripts.store import Opened


class Session:
    """A live chat. A method's changes are on disk when it returns; if it raises, the chat is unchanged."""

    def __init__(
        self,
        engine: EngineSlot,
        store: ConversationStore,
        options: SessionOptions | None = None,
        states: StateCache | None = None,
    ) -> None:
        self.options = options or SessionOptions()
        self.engine = engine
        self.last: Generation | None = None
        self._store = store
        self.kept = KeptState(states)
        self._exchange: Exchange | None = None
        self._running: BackgroundAnswer | None = None
        self._unseen: Told = set()
        self._told: set[tuple[str, int, int]] = set()
        self._saved = SavedConversation(*store.create(assistant=self.options.assistant))

    @property
    def conversation(self) -> Conversation:
        """The conversation so far."""
        return self._saved.conversation

    @property
    def transcript(self) -> Path | None:
        """Path of the transcript, or None if there is none yet."""
        return self._saved.path

    @property
    def came(self) -> bool:
        """Whether anything came of the last request, so that the chat went on."""
        return self._exchange is not None and self._exchange.came

    # Asking the model

    def send(self, text: str, pictures: Sequence[Picture] = ()) -> BackgroundAnswer:
        """Send a message and let the model answer. The message is on disk before the model starts.

        If nothing comes, because of an error or an early stop, the message stays in the transcript but the
        conversation is as before, so that it can be sent again. With pictures, this waits for the engine.

        Raises:
            ModelError: the model cannot see pictures; nothing was sent.
            StorageError: the message could not be written; nothing was sent.
        """
        message = self._new(text, pictures)
        return self._say(message, {})

    def regenerate(self) -> BackgroundAnswer:
        """Answer the user's last message again with another seed, as a sibling; UsageError without one."""
        asked = self.conversation.last(Role.USER)
        if asked is None:
            raise UsageError("there is no message to answer yet")
        messages = self.conversation.prompt_messages(asked.id)
        return self._ask(Request(messages, asked.id, self.conversation.head, new_seed=True))

    def proceed(self) -> BackgroundAnswer:
        """Let the model continue the last answer from where it was cut.

        The whole becomes a sibling of its beginning, marked with ``CONTINUES``; the beginning stays in the
        tree. Its token counts are those of the added part.
        """
        node = self._last_answer()
        generation = node.message.generation
        if generation is not None and generation.finish_reason not in CUT:
            raise UsageError("the last answer is complete; /regen asks for another one")
        messages = self.conversation.prompt_messages()
        extra = {CONTINUES: str(node.id)}
        return self._ask(Request(messages, node.parent, node.id, begun=node.message, extra=extra))

    def preview(self, text: str | None, pictures: Sequence[Picture] = ()) -> Prompt:
        """The prompt if ``text`` were sent now (None: the prompt as it is); nothing is kept."""
        if text is None:
            return self.prompt_of(self.conversation.prompt_messages())
        return self.prompt_of([*self._upcoming(), self._new(text, pictures)])

    def prompt_of(self, messages: list[Message]) -> Prompt:
        """The prompt of any messages; raises ContextOverflow, or UsageError if tokens are not counted."""
        engine = self.engine()
        if not isinstance(engine, CountsTokens):
            raise UsageError(f"{engine.model.name} cannot show its prompt: this engine does not count tokens")
        return engine.prompt(messages, self.options.parameters(engine), thinking=self.options.thinking)

    # Moving in the tree

    def undo(self) -> Message:
        """Step back before the user's last message and return it; raises UsageError if there is none."""
        before = self.conversation.head
        node = self.conversation.undo()
        self._saved.head_moved(before)
        return node.message

    def select(self, node_id: int, *, exactly: bool = False) -> None:
        """Go to the newest message of the branch that a message is on, or ``exactly`` to that message."""
        before = self.conversation.head
        (self.conversation.move_head if exactly else self.conversation.select)(node_id)
        self._saved.head_moved(before)

    def alternatives(self, node_id: int) -> list[Node]:
        """The siblings of a message, itself included, without beginnings that were continued."""
        found = self.conversation.siblings(node_id)
        continued = {n.extra[CONTINUES] for n in found if CONTINUES in n.extra}
        return [n for n in found if n.id == node_id or str(n.id) not in continued]

    def edit_question(self, node_id: int, text: str) -> BackgroundAnswer:
        """Replace a user message by another text with the same pictures and answer it; raises as ``send``."""
        node = self.conversation.node(node_id)
        message = Message(Role.USER, text, pictures=node.message.pictures)
        return self._say(message, {EDITS: str(node_id)}, at=(node.parent,))

    def edit_answer(self, node_id: int, text: str) -> None:
        """Replace an answer by another text and go on from it; StorageError if it could not be written."""
        node = self.conversation.node(node_id)
        message = Message(node.message.role, text, node.message.reasoning)
        self._saved.add(message, {EDITS: str(node_id)}, at=(node.parent,))

    def add_answer(self, question: int, message: Message, extra: Mapping[str, str] | None = None) -> Node:
        """Add an answer that was generated elsewhere; it stays in the conversation despite a StorageError."""
        return self._saved.keep(message, question, extra)

    # Conversations

    def start_over(self) -> None:
        """Leave this conversation and begin a new one with the same system prompt."""
        self._replace(*self._store.create(assistant=self.options.assistant))

    def fork(self) -> None:
        """Go on in a copy of the active path; raises UsageError if it is empty, or StorageError."""
        old = self.conversation
        now = datetime.now(UTC).replace(microsecond=0)
        copy = Conversation("", now, old.title, old.assistant, {**old.extra, FORK_OF: old.id})
        for node in old.path():
            copy.append(node.message, extra={k: v for k, v in node.extra.items() if k not in REFERENCES})
        self._replace(copy, self._store.add(copy))

    def open(self, ref: str) -> Opened:
        """Go on with a stored chat and its own system prompt; raises UsageError, StorageError or DataError.

        Problems of its file are reported once, not each time it is opened.
        """
        name = self._store.resolve(ref)
        if name == self.conversation.id:
            raise UsageError(f"conversation {name} is already open")
        opened = self._store.open(name)
        self._replace(opened.conversation, opened.log)
        self.kept.resume(opened.conversation.id)
        system = self.conversation.last(Role.SYSTEM)
        self.options = replace(self.options, system=(system.message.content or None) if system else None)
        answers = (m.generation for m in reversed(self.conversation.messages()) if m.generation is not None)
        self.last = next(answers, None)
        places = {(name, problem.line, problem.column): problem for problem in opened.problems}
        new = tuple(problem for place, problem in places.items() if place not in self._told)
        self._told.update(places)
        return opened._replace(problems=new)

    def rename(self, title: str) -> None:
        """Give the conversation a title, or raise StorageError and keep the old one."""
        self._saved.rename(title)

    def switch(self, settings: Settings) -> None:
        """Go on with another model or other loading settings; it loads in the background.

        The engine's state is kept for when the present model comes back. Nothing may be generating.
        """
        self._keep_state()
        self.engine.switch(settings)
        self.kept.resume(self.conversation.id)

    def close(self) -> None:
        """Stop a running answer, keep what came, close the transcript; StorageError if that fails."""
        if self._running is not None:
            self._running.end()
            self._running = None
        try:
            self._saved.save()
        finally:
            self._keep_state()
            self._saved.log.close()

    def _replace(self, conversation: Conversation, log: TranscriptLog | NoLog) -> None:
        try:
            self.close()
        finally:
            self.last = None
            self._unseen = set()
            self._saved = SavedConversation(conversation, log)

    def _keep_state(self) -> None:
        if self.transcript is not None:
            self.kept.leave(self.conversation.id, self.engine.engine)

    def _last_answer(self) -> Node:
        path = self.conversation.path()
        if not path or path[-1].message.role is not Role.ASSISTANT:
            raise UsageError("there is no answer yet")
        return path[-1]

    def _new(self, text: str, pictures: Sequence[Picture]) -> Message:
        """A message about to be sent; raises ModelError if it has pictures and the model cannot see."""
        if pictures:
            require_vision(self.engine(), pictures)
        return Message(Role.USER, text, pictures=tuple(pictures))

    def _upcoming(self) -> list[Message]:
        """The messages before the next one: the path, under the system prompt of the options."""
        system = [Message(Role.SYSTEM, self.options.system)] if self.options.system else []
        return [*system, *(m for m in self.conversation.prompt_messages() if m.role is not Role.SYSTEM)]

    def _say(
        self, message: Message, extra: Mapping[str, str], at: tuple[int | None] | None = None
    ) -> BackgroundAnswer:
        """Add a user message after the head (or after ``at``) and ask for the answer."""
        before = self.conversation.head
        try:
            if at is not None:
                self.conversation.move_head(at[0])
            self._add_system_prompt()
            back = self.conversation.head if at is None else before
            node = self._saved.add(message, extra)
        except StorageError:
            self.conversation.move_head(before)
            raise
        return self._ask(Request(self.conversation.prompt_messages(), node.id, back, asked=True))

    def _add_system_prompt(self) -> None:
        """Write the system prompt to the transcript if the path does not have it yet."""
        present = self.conversation.last(Role.SYSTEM)
        if (self.options.system or "") != (present.message.content if present else ""):
            self._saved.add(Message(Role.SYSTEM, self.options.system or ""), {})

    def _ask(self, request: Request) -> BackgroundAnswer:
        self._exchange = Exchange(
            request, self.engine, self.options, self._saved, self.kept, self._unseen, self._answered
        )
        self._running = BackgroundAnswer(self._exchange.run)
        return self._running

    def _answered(self, generation: Generation | None) -> None:
        self.last = generation
