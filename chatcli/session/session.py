"""One live chat: the conversation, the engine that answers, the transcript that keeps it. Never prints."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import FinishReason, Generation, Message, Role
from chatcli.engine.base import Cancellation, Engine, Event, Finished, Prompt
from chatcli.errors import ChatcliError, StorageError, UsageError
from chatcli.sampling import SamplingParams
from chatcli.session.answering import CONTINUES, EDITS, FORK_OF, REFERENCES, Draft, Request
from chatcli.session.background import BackgroundAnswer
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.kept_state import KeptState
from chatcli.session.options import SessionOptions, Store
from chatcli.session.written import WrittenConversation
from chatcli.settings import Settings
from chatcli.storage.state_cache import StateCache
from chatcli.storage.transcript_log import NoLog, TranscriptLog
from chatcli.storage.transcripts import Opened

_POLL_SECONDS = 0.1
_DIED = FinishReason.INTERRUPTED  # what is recorded of an answer whose process died
_CUT = {FinishReason.INTERRUPTED, FinishReason.LENGTH, FinishReason.ERROR}


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
        came: whether the last request to the model brought anything, so that the chat went on.
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
        self.came = False
        self._store = store
        self.kept = KeptState(states)
        self._running: BackgroundAnswer | None = None
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

    # Asking the model

    def send(self, text: str) -> BackgroundAnswer:
        """Say something and let the model answer; the message is on disk before the model starts.

        If nothing comes (an error, or stopped before the first word), the message stays in the transcript,
        but the conversation is as it was, so that it can be sent again.

        Raises:
            StorageError: the message could not be written; nothing was sent.
        """
        return self._say(Message(Role.USER, text), {})

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
        if generation is not None and generation.finish_reason not in _CUT:
            raise UsageError(
                "the last answer came to its end; there is nothing to continue (/regen asks again)"
            )
        messages = self.conversation.prompt_messages()
        extra = {CONTINUES: str(node.id)}
        return self._ask(Request(messages, node.parent, node.id, begun=node.message, extra=extra))

    def preview(self, text: str | None) -> Prompt:
        """What the model would read if ``text`` were sent now (None: as things are); nothing is kept.

        Raises:
            ContextOverflow: it does not fit.
        """
        messages = self._upcoming() if text is not None else self.conversation.prompt_messages()
        if text is not None:
            messages.append(Message(Role.USER, text))
        return self.prompt_of(messages)

    def prompt_of(self, messages: list[Message]) -> Prompt:
        """The prompt of any messages under the present options.

        Raises:
            ContextOverflow: they do not fit.
        """
        engine = self.engine()
        return engine.prompt(messages, self.parameters(engine), thinking=self.options.thinking)

    def parameters(self, engine: Engine) -> SamplingParams:
        """The sampling parameters of the next answer.

        Raises:
            UsageError: those that were set do not go together.
        """
        chosen = replace(engine.recommended, **(self.options.sampling or {}))
        return replace(chosen, grammar=self.options.grammar) if self.options.grammar else chosen

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
        """Say something else in place of a message of the user's and let the model answer that.

        Raises:
            UsageError: there is no such message.
            StorageError: as ``send``.
        """
        node = self.conversation.node(node_id)
        return self._say(Message(Role.USER, text), {EDITS: str(node_id)}, at=(node.parent,))

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
            self._written = WrittenConversation(conversation, log)

    def _keep_state(self) -> None:
        if self.transcript is not None:
            self.kept.leave(self.conversation.id, self.engine.engine)

    def _last_answer(self) -> Node:
        path = self.conversation.path()
        if not path or path[-1].message.role is not Role.ASSISTANT:
            raise UsageError("there is no answer yet")
        return path[-1]

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
        self.came = False
        self._running = BackgroundAnswer(lambda cancel: self._answer(request, cancel))
        return self._running

    def _answer(self, request: Request, cancel: Cancellation) -> Iterator[Event]:
        """Runs in the thread of the answer."""
        draft = Draft(request.begun)
        finished = False
        try:
            while not self.engine.wait(_POLL_SECONDS):
                if cancel.is_set():
                    break
            if cancel.is_set():
                self._keep(request, draft, None)
                return
            engine = self.engine()
            parameters = self.parameters(engine)
            if request.new_seed:
                parameters = replace(parameters, seed=None)
            thinking = self.options.thinking
            self.kept.prepare(engine)
            began = Generation(engine.model, _DIED, parameters, thinking=thinking)
            draft.begin(self._unfinished(request, began), self._written.log)
            for event in engine.generate(request.messages, parameters, cancel=cancel, thinking=thinking):
                draft.take(event)
                if isinstance(event, Finished):
                    finished = True
                    self.kept.note(engine, event.generation.usage)
                    try:
                        self._keep(request, draft, event.generation)
                    except StorageError:
                        yield event  # the answer is valid whether it could be saved or not
                        raise
                yield event
        except ChatcliError:
            if not finished:
                self._keep(request, draft, None)
            raise

    def _unfinished(self, request: Request, generation: Generation) -> Node:
        """The answer before anything came of it, as it will stand in the conversation."""
        begun = request.begun or Message(Role.ASSISTANT, "")
        node_id = self.conversation.next_id
        return Node(node_id, request.parent, replace(begun, generation=generation), request.extra)

    def _keep(self, request: Request, draft: Draft, generation: Generation | None) -> None:
        """Write the answer down, or step back if there is none."""
        reason = generation.finish_reason if generation is not None else FinishReason.ERROR
        nothing = {FinishReason.INTERRUPTED, FinishReason.ERROR} if request.begun is None else _CUT
        self.came = draft.grown or reason not in nothing
        if not self.came:
            draft.written()
            self.conversation.move_head(request.before)
            if request.asked:
                self._written.log.move_head(request.before)
            return
        self.last = generation
        message = Message(Role.ASSISTANT, draft.text, draft.reasoning, generation)
        self._written.keep(message, request.parent, {**request.extra, **draft.extra})
        draft.written()
