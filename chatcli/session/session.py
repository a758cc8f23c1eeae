"""One live chat: the conversation, the engine that answers, the transcript that keeps it. Never prints."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import Generation, Message, Picture, Role
from chatcli.engine.base import CountsTokens, Prompt
from chatcli.errors import StorageError, UsageError
from chatcli.session.answering import CONTINUES, EDITS, FORK_OF, REFERENCES, Request
from chatcli.session.background import BackgroundAnswer
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.exchange import CUT, Exchange, Told
from chatcli.session.kept_state import KeptState
from chatcli.session.options import SessionOptions, Store
from chatcli.session.saved_conversation import WrittenConversation
from chatcli.session.sight import check_sight
from chatcli.settings import Settings
from chatcli.storage.state_cache import StateCache
from chatcli.storage.transcripts.log import NoLog, TranscriptLog
from chatcli.storage.transcripts.store import Opened


class Session:
    """A live chat. Changes are durable when a method returns, or it raises and the chat is as before.

    Args:
        engine: gives the engine, waiting for it if it is still loading.
        store: makes, keeps and finds conversations.
        options: how to answer.
        states: keeps what the engine has read of a conversation that is left; None: nothing does.

    Attributes:
        options: how it answers; replace it to change that.
        last: how the last answer came to be.
        kept: what the engine has read of the chat.
    """

    def __init__(
        self,
        engine: EngineSlot,
        store: Store,
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
        self._written = WrittenConversation(*store.create(assistant=self.options.assistant))

    @property
    def conversation(self) -> Conversation:
        """What has been said."""
        return self._written.conversation

    @property
    def transcript(self) -> Path | None:
        """The file that keeps the conversation; None: there is none, or not yet."""
        return self._written.path

    @property
    def came(self) -> bool:
        """Whether the last request to the model brought anything, so that the chat went on."""
        return self._exchange is not None and self._exchange.came

    # Asking the model

    def send(self, text: str, pictures: Sequence[Picture] = ()) -> BackgroundAnswer:
        """Say something and let the model answer; the message is on disk before the model starts.

        If nothing comes (an error, or stopped before the first word), the message stays in the transcript,
        but the conversation is as it was, so that it can be sent again.

        Args:
            pictures: what the words are about; with any it waits for the engine, to know whether it sees.

        Raises:
            ModelError: there are pictures, and the model does not see; nothing was sent.
            StorageError: the message could not be written; nothing was sent.
        """
        message = self._new(text, pictures)
        return self._say(message, {})

    def regenerate(self) -> BackgroundAnswer:
        """Answer the last message of the user's once more, with another seed. The answers become siblings.

        Raises:
            UsageError: there is nothing to answer.
        """
        path = self.conversation.path()
        asked = next((n for n in reversed(path) if n.message.role is Role.USER), None)
        if asked is None:
            raise UsageError("there is nothing to answer yet")
        messages = self.conversation.prompt_messages(asked.id)
        return self._ask(Request(messages, asked.id, self.conversation.head, new_seed=True))

    def proceed(self) -> BackgroundAnswer:
        """Let the last answer go on from where it was cut.

        The whole of it becomes a sibling of its beginning, marked with ``CONTINUES``; the beginning stays in
        the tree. Its generation is the one that went on, so its counts are those of the added part.

        Raises:
            UsageError: the last message is no answer, or an answer that came to its end.
        """
        node = self._last_answer()
        generation = node.message.generation
        if generation is not None and generation.finish_reason not in CUT:
            raise UsageError(
                "the last answer came to its end; there is nothing to continue (/regen asks again)"
            )
        messages = self.conversation.prompt_messages()
        extra = {CONTINUES: str(node.id)}
        return self._ask(Request(messages, node.parent, node.id, begun=node.message, extra=extra))

    def preview(self, text: str | None, pictures: Sequence[Picture] = ()) -> Prompt:
        """What the model would read if ``text`` were sent now (None: as things are); nothing is kept.

        Raises:
            ContextOverflow: it does not fit.
            ModelError: as ``send``.
            UsageError: the engine does not count tokens.
        """
        if text is None:
            return self.prompt_of(self.conversation.prompt_messages())
        return self.prompt_of([*self._upcoming(), self._new(text, pictures)])

    def prompt_of(self, messages: list[Message]) -> Prompt:
        """The prompt of any messages under the present options.

        Raises:
            ContextOverflow: they do not fit.
            UsageError: the engine does not count tokens.
        """
        engine = self.engine()
        if not isinstance(engine, CountsTokens):
            raise UsageError(f"{engine.model.name} cannot show its prompt: this engine does not count tokens")
        return engine.prompt(messages, self.options.parameters(engine), thinking=self.options.thinking)

    # Moving in the tree

    def undo(self) -> Message:
        """Step back before the last message of the user's, and return it.

        Raises:
            UsageError: there is none.
        """
        before = self.conversation.head
        node = self.conversation.undo()
        self._written.head_moved(before)
        return node.message

    def select(self, node_id: int, *, exactly: bool = False) -> None:
        """Go to the branch a message is on, at its newest end, or to ``exactly`` that message.

        Raises:
            UsageError: there is no such message.
        """
        before = self.conversation.head
        (self.conversation.move_head if exactly else self.conversation.select)(node_id)
        self._written.head_moved(before)

    def alternatives(self, node_id: int) -> list[Node]:
        """The siblings of a message, itself among them, without beginnings that were continued."""
        found = self.conversation.siblings(node_id)
        continued = {n.extra[CONTINUES] for n in found if CONTINUES in n.extra}
        return [n for n in found if n.id == node_id or str(n.id) not in continued]

    def edit_question(self, node_id: int, text: str) -> BackgroundAnswer:
        """Say something else in place of a message of the user's, about the same pictures; it is answered.

        Raises:
            UsageError: there is no such message.
            StorageError: as ``send``.
        """
        node = self.conversation.node(node_id)
        message = Message(Role.USER, text, pictures=node.message.pictures)
        return self._say(message, {EDITS: str(node_id)}, at=(node.parent,))

    def edit_answer(self, node_id: int, text: str) -> None:
        """Put another text in place of an answer; the chat goes on from it.

        Raises:
            UsageError: there is no such message.
            StorageError: it could not be written.
        """
        node = self.conversation.node(node_id)
        message = Message(node.message.role, text, node.message.reasoning)
        self._written.add(message, {EDITS: str(node_id)}, at=(node.parent,))

    def add_answer(self, question: int, message: Message, extra: Mapping[str, str] | None = None) -> Node:
        """Keep an answer that was generated elsewhere as one more to a message; the chat goes on from it.

        Raises:
            StorageError: it could not be written yet; it is part of the conversation all the same.
        """
        return self._written.keep(message, question, extra)

    # Conversations

    def start_over(self) -> None:
        """Leave this conversation as it is and begin a new one with the same system prompt."""
        self._replace(*self._store.create(assistant=self.options.assistant))

    def fork(self) -> None:
        """Go on in a new conversation that holds the present path; the old one stays as it is.

        Raises:
            UsageError: nothing has been said yet.
            StorageError: it could not be written.
        """
        old = self.conversation
        now = datetime.now(UTC).replace(microsecond=0)
        copy = Conversation("", now, old.title, old.assistant, {**old.extra, FORK_OF: old.id})
        for node in old.path():
            copy.append(node.message, extra={k: v for k, v in node.extra.items() if k not in REFERENCES})
        self._replace(copy, self._store.add(copy))

    def open(self, ref: str) -> Opened:
        """Go on with a conversation of the store, with its own system prompt. Returns what was opened.

        Problems of its file are reported once: those that were there when it was opened before are left out.

        Raises:
            UsageError: there is none, or more than one, that is meant.
            StorageError: it cannot be read, or another process has it.
            TranscriptError: it is damaged.
        """
        name = self._store.resolve(ref)
        if name == self.conversation.id:
            raise UsageError(f"conversation {name} is the one that is open")
        opened = self._store.open(name)
        self._replace(opened.conversation, opened.log)
        self.kept.resume(opened.conversation.id)
        path = [node.message for node in opened.conversation.path()]
        system = next((m.content for m in reversed(path) if m.role is Role.SYSTEM), None)
        self.options = replace(self.options, system=system or None)
        answers = (m.generation for m in reversed(path) if m.generation is not None)
        self.last = next(answers, None)
        places = {(name, problem.line, problem.column): problem for problem in opened.problems}
        new = tuple(problem for place, problem in places.items() if place not in self._told)
        self._told.update(places)
        return opened._replace(problems=new)

    def rename(self, title: str) -> None:
        """Give the conversation a title.

        Raises:
            StorageError: it could not be written; the title is as before.
        """
        self._written.rename(title)

    def switch(self, settings: Settings) -> None:
        """Go on with another model, or the same one under other settings; it loads behind.

        What the present one has read is kept as ``close`` keeps it, for when it comes back. Nothing must be
        generating.
        """
        self._keep_state()
        self.engine.switch(settings)
        self.kept.resume(self.conversation.id)

    def close(self) -> None:
        """Stop the answer that is coming, if any, keep its part, and let go of the transcript.

        Raises:
            StorageError: something that could not be written before still cannot.
        """
        if self._running is not None:
            self._running.end()
            self._running = None
        try:
            self._written.save()
        finally:
            self._keep_state()
            self._written.log.close()

    def _replace(self, conversation: Conversation, log: TranscriptLog | NoLog) -> None:
        try:
            self.close()
        finally:
            self.last = None
            self._unseen = set()
            self._written = WrittenConversation(conversation, log)

    def _keep_state(self) -> None:
        if self.transcript is not None:
            self.kept.leave(self.conversation.id, self.engine.engine)

    def _last_answer(self) -> Node:
        path = self.conversation.path()
        if not path or path[-1].message.role is not Role.ASSISTANT:
            raise UsageError("there is no answer yet")
        return path[-1]

    def _new(self, text: str, pictures: Sequence[Picture]) -> Message:
        """A message that is about to be sent.

        Raises:
            ModelError: as ``send``.
        """
        if pictures:
            check_sight(self.engine(), pictures)
        return Message(Role.USER, text, pictures=tuple(pictures))

    def _upcoming(self) -> list[Message]:
        """What the next message will be put after: the path, under the system prompt of the options."""
        system = [Message(Role.SYSTEM, self.options.system)] if self.options.system else []
        return [*system, *(m for m in self.conversation.prompt_messages() if m.role is not Role.SYSTEM)]

    def _say(
        self, message: Message, extra: Mapping[str, str], at: tuple[int | None] | None = None
    ) -> BackgroundAnswer:
        """Add a message of the user's (``at``: after that one, not at the head) and ask for the answer."""
        before = self.conversation.head
        try:
            if at is not None:
                self.conversation.move_head(at[0])
            self._add_system_prompt()
            back = self.conversation.head if at is None else before
            node = self._written.add(message, extra)
        except StorageError:
            self.conversation.move_head(before)
            raise
        return self._ask(Request(self.conversation.prompt_messages(), node.id, back, asked=True))

    def _add_system_prompt(self) -> None:
        """Write the system prompt down where the path does not have it yet."""
        path = self.conversation.path()
        present = next((n.message.content for n in reversed(path) if n.message.role is Role.SYSTEM), "")
        if (self.options.system or "") != present:
            self._written.add(Message(Role.SYSTEM, self.options.system or ""), {})

    def _ask(self, request: Request) -> BackgroundAnswer:
        self._exchange = Exchange(
            request,
            self.engine,
            self.options,
            self._written,
            self.kept,
            told=self._unseen,
            note=self._answered,
        )
        self._running = BackgroundAnswer(self._exchange.run)
        return self._running

    def _answered(self, generation: Generation | None) -> None:
        self.last = generation
