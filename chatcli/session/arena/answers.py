"""The answers of an arena: generated ahead in a thread while the person reads, and kept on disk."""

import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chatcli.chat.message import Message, Role
from chatcli.engine.base import Cancellation, Engine, Finished
from chatcli.errors import ChatcliError, ModelError
from chatcli.feedback.answers import Answer, answer_of, message_of, well_formed
from chatcli.files.record_log import DamagedLine, RecordLog
from chatcli.session.answering import BROKEN_OFF, Draft
from chatcli.session.arena.arena import Arena, Pairing
from chatcli.session.arena.contenders import Contender, open_contender
from chatcli.session.engine_slot import LoadingEngine, Open

_POLL_SECONDS = 0.1


class KeptAnswer(msgspec.Struct, frozen=True):
    """A line of the file: an answer, and its number in the conversation of the run."""

    id: int
    answer: Answer


def answers_file(folder: Path, arena: Arena) -> RecordLog[KeptAnswer]:
    """The file in ``folder`` that keeps the answers of a run, so that they are generated only once."""
    decoder = msgspec.json.Decoder(KeptAnswer)
    return RecordLog(folder / f"{arena.run}.jsonl", msgspec.json.encode, decoder.decode)


class AnswerWriter:
    """Generates the wanted answers, one at a time, in a thread of its own; close it to stop.

    Engines stay loaded as long as there is room for them. Answers of a loaded model come first, so that
    models are rarely exchanged.
    """

    def __init__(self, arena: Arena, open_engine: Open, file: RecordLog[KeptAnswer] | None) -> None:
        self._arena = arena
        self._open = open_engine
        self._file = file
        self._engines: dict[object, LoadingEngine] = {}
        self._wanted: deque[tuple[int, int]] = deque()
        self._writing: tuple[int, int] | None = None
        self._refused: dict[tuple[int, int], ChatcliError] = {}
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._cancel = Cancellation()
        if file is not None:
            self._take_kept(file)
        self._thread = threading.Thread(target=self._run, name="arena", daemon=True)
        self._thread.start()

    def want(self, pairings: Sequence[Pairing]) -> None:
        """Generate the answers of these duels, and no others except the one that is being generated."""
        with self._changed:
            self._wanted.clear()
            for pairing in pairings:
                for contender in pairing.pair:
                    place = (pairing.prompt, contender)
                    if place not in (*self._wanted, self._writing) and not self._is_done(place):
                        self._wanted.append(place)
            self._changed.notify_all()

    def wait(self, pairing: Pairing, seconds: float) -> int:
        """Wait up to ``seconds`` for the answers of a duel; returns how many exist, or raises the failure."""
        with self._changed:
            if self._count(pairing) < 2 and self._failure is None:
                self._changed.wait(seconds)
            if self._failure is not None:
                raise self._failure
            return self._count(pairing)

    def refusal(self, pairing: Pairing) -> ChatcliError | None:
        """Why one of the answers will never come, or None."""
        found = (self._refused.get((pairing.prompt, contender)) for contender in pairing.pair)
        return next((error for error in found if error is not None), None)

    def close(self) -> None:
        """Stop and free the engines; idempotent."""
        self._cancel.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join()
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()

    def __enter__(self) -> "AnswerWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take_kept(self, file: RecordLog[KeptAnswer]) -> None:
        for item in file.read():
            if not isinstance(item, DamagedLine):
                place = self._arena.place_of(item.id)
                if place is not None:
                    self._arena.add_answer(*place, message_of(item.answer))

    def _count(self, pairing: Pairing) -> int:
        return sum(self._is_done((pairing.prompt, contender)) for contender in pairing.pair)

    def _is_done(self, place: tuple[int, int]) -> bool:
        return place in self._refused or self._arena.answer(*place) is not None

    def _run(self) -> None:
        try:
            while not self._cancel.is_set():
                place = self._next()
                if place is not None:
                    self._write(*place)
        except BaseException as error:  # raised by ``wait``
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _next(self) -> tuple[int, int] | None:
        with self._changed:
            self._writing = None
            if not self._wanted:
                self._changed.wait(_POLL_SECONDS)
                return None
            loaded = (p for p in self._wanted if self._arena.contenders[p[1]].weights in self._engines)
            place = next(loaded, self._wanted[0])
            self._wanted.remove(place)
            self._writing = place
            return place

    def _write(self, prompt: int, index: int) -> None:
        contender = self._arena.contenders[index]
        engine = self._engine_of(contender)
        messages = list(self._arena.prompts[prompt])
        draft = Draft(None)
        message: Message | None = None
        try:
            params = contender.parameters(engine)
            for event in engine.generate(messages, params, cancel=self._cancel, thinking=contender.thinking):
                draft.take(event)
                if isinstance(event, Finished) and event.generation.finish_reason not in BROKEN_OFF:
                    message = Message(Role.ASSISTANT, draft.text, draft.reasoning, event.generation)
        except ChatcliError as error:  # for example a prompt that is too long; others may fit
            with self._changed:
                self._refused[prompt, index] = error
                self._changed.notify_all()
            return
        if message is not None:
            self._keep(prompt, index, message)

    def _keep(self, prompt: int, index: int, message: Message) -> None:
        answer = answer_of(message)
        answer = msgspec.structs.replace(answer, content=well_formed(answer.content))
        if self._file is not None:
            self._file.append(KeptAnswer(self._arena.answer_id(prompt, index), answer))
        with self._changed:
            self._arena.add_answer(prompt, index, message_of(answer))
            self._changed.notify_all()

    def _engine_of(self, contender: Contender) -> Engine:
        """The contender's engine; other engines are closed if it needs their memory."""
        found = self._engines.pop(contender.weights, None)
        while True:
            found = found or open_contender(contender, self._open)
            while not found.wait(_POLL_SECONDS) and not self._cancel.is_set():
                pass
            try:
                engine = found() if found.ready else None
            except ModelError:
                if not self._engines:  # no other engine is left to close
                    raise
                self._engines.pop(next(iter(self._engines))).close()
                found = None
                continue
            self._engines[contender.weights] = found  # the last used one comes last
            if engine is None:
                raise ModelError("loading was interrupted")
            return engine
