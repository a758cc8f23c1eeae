"""Has the model write titles while the person does nothing; any key of theirs comes first."""

from collections.abc import Iterator

from chatcli.chat.message import FinishReason, Message, Role
from chatcli.chat.pictures import in_words
from chatcli.engine.base import Cancellation, CountsTokens, Engine, Finished, TextDelta
from chatcli.errors import ChatcliError
from chatcli.sampling import SamplingParams
from chatcli.session.answering import BROKEN_OFF
from chatcli.session.background import Background
from chatcli.session.session import Session
from chatcli.storage.index.digest import title_from

_REQUEST = (
    "Give the conversation below a title of two to six words, in its language. Answer with the title only."
    "\n\n"
    "Question: {}\n\nAnswer: {}"
)
_MOST_READ = 600  # characters of the question and of the answer
_PARAMETERS = SamplingParams(temperature=0.0, seed=1, max_tokens=24)
_MOST_TRIES = 3


class Titler:
    """Has the model write titles for conversations that have none, from their first exchange.

    The engine's state for the chat is set aside meanwhile, so that the next answer costs nothing extra. All
    methods are for the thread that uses the session, which must not ask the model anything between ``begin``
    and ``end``.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._running: Background[str] | None = None
        self._tries: dict[str, int] = {}

    def begin(self) -> None:
        """Begin if there is something to do; returns at once."""
        if self._running is not None and self._running.cancelled:
            self.end()
        if self._running is None and self._is_wanted():
            self._running = Background(self._write)

    def stop(self) -> None:
        """Ask the thread to stop; returns at once."""
        if self._running is not None:
            self._running.cancel()

    def end(self) -> None:
        """Stop and wait until the model is free, which takes one decoding step."""
        if self._running is not None:
            self._running.end()
            self._running = None

    def _is_wanted(self) -> bool:
        conversation = self._session.conversation
        return (
            not conversation.title
            and self._session.transcript is not None
            and self._tries.get(conversation.id, 0) < _MOST_TRIES
            and self._exchange() is not None
        )

    def _exchange(self) -> tuple[str, str] | None:
        """The first question and its answer, or None if that broke off."""
        path = [n.message for n in self._session.conversation.path() if n.message.role is not Role.SYSTEM]
        if len(path) < 2 or (path[0].role, path[1].role) != (Role.USER, Role.ASSISTANT):
            return None
        generation = path[1].generation
        if generation is not None and generation.finish_reason in BROKEN_OFF:
            return None
        return in_words(path[0]), path[1].content

    def _write(self, cancel: Cancellation) -> Iterator[str]:
        """Write the title; runs in a thread. If this fails, there is no title."""
        session, name = self._session, self._session.conversation.id
        self._tries[name] = self._tries.get(name, 0) + 1
        engine, exchange = session.engine.engine, self._exchange()
        if engine is None or exchange is None or not session.kept.set_aside(engine):
            return
        try:
            if isinstance(engine, CountsTokens) and session.preview(None).left_out:
                return  # generating would make the engine forget which messages it left out
            answer = self._ask(engine, exchange, cancel)
            if answer is None:
                return  # the state is put back before the next answer, so that stopping takes no time
            self._tries[name] = _MOST_TRIES
            title = title_of(answer)
            if title:
                session.rename(title)
                yield title
        except ChatcliError:
            self._tries[name] = _MOST_TRIES
        session.kept.put_back(engine)

    @staticmethod
    def _ask(engine: Engine, exchange: tuple[str, str], cancel: Cancellation) -> str | None:
        """What the model writes, or None if it was stopped."""
        request = _REQUEST.format(*(text[:_MOST_READ] for text in exchange))
        text = ""
        for event in engine.generate(
            [Message(Role.USER, request)], _PARAMETERS, cancel=cancel, thinking=False
        ):
            if isinstance(event, TextDelta):
                text += event.text
            elif isinstance(event, Finished) and event.generation.finish_reason is FinishReason.INTERRUPTED:
                return None
        return text


def title_of(answer: str) -> str:
    """The title in a model's answer: its first line, without decoration; may be empty."""
    line = next((line for line in answer.split("\n") if line.strip(" \t#*_`\"'“”„«».-")), "")
    words = " ".join(line.split()).strip("#*_`\"'“”„«» ")
    label, colon, rest = words.partition(":")
    if colon and label.casefold() == "title":
        words = rest
    return title_from(words.strip("#*_`\"'“”„«» ").removesuffix("."))
