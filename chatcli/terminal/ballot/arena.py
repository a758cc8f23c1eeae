"""A session of blind duels on the screen: read two answers, press a key, read the next two."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Literal

from chatcli.errors import StorageError
from chatcli.feedback import records
from chatcli.feedback.records import Comparison, Winner
from chatcli.session.arena.answers import AnswerWriter
from chatcli.session.arena.arena import Arena, Pairing
from chatcli.session.judging import Judge
from chatcli.terminal.answer import FRAME
from chatcli.terminal.ballot.question import BOTH_BAD, LEFT, QUIT, RIGHT, SKIP, TIE, TITLES, UNDO, vote
from chatcli.terminal.screen import Screen

if TYPE_CHECKING:
    from prompt_toolkit.output import Output

#: How many duels ahead answers are written.
AHEAD = 4
_LONGEST_EARLIER = 600  # characters
_WINNERS: dict[str, Winner] = {"left": "left", "right": "right", "tie": "tie", "both_bad": "both_bad"}


@dataclass(slots=True)
class Outcome:
    """How a session went.

    Attributes:
        judged: duels that were.
        skipped: duels that were put off.
        same: duels that were not shown, since both answers have the same words.
        unanswered: duels that were not shown, since a contender cannot answer; the reasons.
        interrupted: Ctrl-C ended it.
    """

    judged: int
    skipped: int
    same: int
    unanswered: list[str]
    interrupted: bool = False


class ArenaSession:
    """Duel after duel, until all are judged or the person leaves.

    Args:
        arena: the plan.
        writer: has the answers.
        judge: keeps the judgements.
        screen: where answers are shown.
        most: how many duels to judge at most; None: all.
        output: where questions are drawn; None is the terminal.
    """

    def __init__(
        self,
        arena: Arena,
        writer: AnswerWriter,
        judge: Judge,
        screen: Screen,
        *,
        most: int | None = None,
        output: "Output | None" = None,
    ) -> None:
        self._arena = arena
        self._writer = writer
        self._judge = judge
        self._screen = screen
        self._most = most
        self._output = output
        self._queue: list[Pairing] = []
        self._former: list[tuple[Pairing, Comparison]] = []
        self._outcome = Outcome(0, 0, 0, [])
        self._stop = False

    def hold(self) -> Outcome:
        """Hold the session. Ctrl-C ends it at any moment; what was judged is kept.

        Raises:
            ChatcliError: a model cannot be loaded, or an answer cannot be kept.
        """
        with self._screen.keyboard.held(), self._ctrl_c():
            try:
                while not self._stop and (self._most is None or self._outcome.judged < self._most):
                    self._queue += self._arena.upcoming_after(self._queue, AHEAD - len(self._queue))
                    if not self._queue:
                        break
                    self._writer.want(self._queue)
                    self._one(self._queue[0])
            except KeyboardInterrupt:
                self._stop = self._outcome.interrupted = True
        return self._outcome

    def _one(self, pairing: Pairing) -> None:
        """Show a duel and take its judgement, or put it aside."""
        self._wait(pairing)
        refusal = self._writer.refusal(pairing)
        if refusal is not None:
            self._outcome.unanswered.append(f"prompt {pairing.prompt + 1}: {refusal}")
            self._drop(pairing)
            return
        left = self._arena.answer(pairing.prompt, pairing.left)
        right = self._arena.answer(pairing.prompt, pairing.right)
        assert left is not None
        assert right is not None
        if left.content == right.content:
            self._outcome.same += 1
            self._drop(pairing)
            return
        if self._outcome.judged or self._outcome.skipped:
            self._screen.text("")
        self._screen.note(f"duel {self._arena.done + 1} of {self._arena.planned}")
        *earlier, asked = self._arena.prompts[pairing.prompt]
        for message in earlier:
            self._screen.note(f"{message.role}: {_beginning(message.content)}")
        self._screen.text(f"> {asked.content}")
        self._screen.side_by_side([(TITLES[0], left.content), (TITLES[1], right.content)])
        keys = (LEFT, RIGHT, TIE, BOTH_BAD, SKIP, *((UNDO,) if self._former else ()), QUIT)
        chosen = vote(self._screen, "Which is better?", keys, self._output)
        self._screen.keyboard.take()
        if chosen == QUIT.means:
            self._stop = True
        elif chosen == UNDO.means:
            self._undo()
        elif chosen == SKIP.means:
            self._outcome.skipped += 1
            self._drop(pairing)
        else:
            self._judge_it(pairing, _WINNERS[chosen])

    def _judge_it(self, pairing: Pairing, winner: Winner) -> None:
        low, _ = pairing.pair
        left: Literal[0, 1] = 0 if pairing.left == low else 1
        conversation, nodes = self._arena.conversation, self._arena.nodes(pairing)
        before = self._judge.unsaved
        try:
            record = self._judge.compare(
                conversation, nodes, winner=winner, left=left, blind=True, origin="arena"
            )
        except StorageError as error:
            if self._judge.unsaved == before:
                raise
            self._screen.error(f"not saved yet: {error} (the next judgement and the end try again)")
        else:
            self._former.append((pairing, record))
        self._arena.judged(pairing)
        self._queue.remove(pairing)
        self._outcome.judged += 1

    def _undo(self) -> None:
        """Take the last judgement back and show its duel again."""
        pairing, record = self._former.pop()
        self._judge.keep(records.retraction(record.id, origin="arena"))
        self._arena.undo(pairing)
        self._queue.insert(0, pairing)
        self._outcome.judged -= 1

    def _drop(self, pairing: Pairing) -> None:
        self._arena.put_aside(pairing)
        self._queue.remove(pairing)

    def _wait(self, pairing: Pairing) -> None:
        """Wait for both answers; Ctrl-C ends the session."""
        if self._writer.wait(pairing, 0.0) == 2:
            return
        screen = self._screen
        former = screen.waiting
        there = 0

        def progress() -> tuple[str, float | None]:
            return f"two answers are being written{', one is there' if there else ''}", None

        screen.waiting = progress
        screen.begin_answer()
        try:
            while there < 2:
                there = self._writer.wait(pairing, FRAME)
                if self._stop:
                    raise KeyboardInterrupt
                screen.refresh()
                screen.keyboard.poll()
        finally:
            screen.end_answer(None)
            screen.waiting = former
            screen.keyboard.take()

    @contextmanager
    def _ctrl_c(self) -> Iterator[None]:
        """Ctrl-C ends the session between two steps, never inside one."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            self._stop = self._outcome.interrupted = True

        former = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, former)


def _beginning(text: str) -> str:
    """As much of an earlier message as tells what it was about."""
    return text if len(text) <= _LONGEST_EARLIER else f"{text[:_LONGEST_EARLIER]}… ({len(text):,} characters)"
