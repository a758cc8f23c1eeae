"""Blind duels on the screen: read two answers, press a key, read the next two."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from chatcli.errors import StorageError
from chatcli.feedback import records
from chatcli.feedback.records import Comparison, Winner
from chatcli.session.arena.answers import AnswerWriter
from chatcli.session.arena.arena import Arena, Pairing
from chatcli.session.judging import AnswerJudging
from chatcli.terminal.answer import FRAME
from chatcli.terminal.ballot.question import (
    BOTH_BAD,
    LEFT,
    QUIT,
    RIGHT,
    SKIP,
    TIE,
    TITLES,
    TRIED_AGAIN,
    UNDO,
    WINNERS,
    vote,
)
from chatcli.terminal.prompt.keyboard import on_ctrl_c
from chatcli.terminal.screen import Screen

if TYPE_CHECKING:
    from prompt_toolkit.output import Output

#: Number of duels whose answers are generated ahead.
AHEAD = 4
_LONGEST_EARLIER = 600  # characters


@dataclass(slots=True)
class ArenaOutcome:
    """How a session of duels went.

    Attributes:
        judged, skipped: number of duels that were judged, and that were skipped.
        same: number of duels that were not shown, because both answers are the same.
        unanswered: the reason for each duel that was not shown, because a contender cannot answer.
        interrupted: whether Ctrl-C ended the session.
    """

    judged: int
    skipped: int
    same: int
    unanswered: list[str]
    interrupted: bool = False


@dataclass(slots=True)
class ArenaSession:
    """Shows duel after duel, until all are judged or the person leaves.

    Attributes:
        writer: generates the answers.
        judge: keeps the judgements.
        most: most duels to judge; None for all.
        output: where questions are drawn; None is the terminal.
    """

    arena: Arena
    writer: AnswerWriter
    judge: AnswerJudging
    screen: Screen
    most: int | None = None
    output: "Output | None" = None
    _queue: list[Pairing] = field(default_factory=list, init=False)
    _former: list[tuple[Pairing, Comparison]] = field(default_factory=list, init=False)
    _outcome: ArenaOutcome = field(default_factory=lambda: ArenaOutcome(0, 0, 0, []), init=False)
    _stop: bool = field(default=False, init=False)

    def hold(self) -> ArenaOutcome:
        """Hold the session; Ctrl-C ends it at any time. All judgements are kept, even if it raises."""
        with self.screen.keyboard.held(), on_ctrl_c(self._interrupt):  # between two steps, never inside one
            try:
                while not self._stop and (self.most is None or self._outcome.judged < self.most):
                    self._queue += self.arena.upcoming_after(self._queue, AHEAD - len(self._queue))
                    if not self._queue:
                        break
                    self.writer.want(self._queue)
                    self._one(self._queue[0])
            except KeyboardInterrupt:
                self._stop = self._outcome.interrupted = True
        return self._outcome

    def _one(self, pairing: Pairing) -> None:
        """Show a duel and take its judgement, or put it aside."""
        self._wait(pairing)
        refusal = self.writer.refusal(pairing)
        if refusal is not None:
            self._outcome.unanswered.append(f"prompt {pairing.prompt + 1}: {refusal}")
            self._drop(pairing)
            return
        left = self.arena.answer(pairing.prompt, pairing.left)
        right = self.arena.answer(pairing.prompt, pairing.right)
        assert left is not None
        assert right is not None
        if left.content == right.content:
            self._outcome.same += 1
            self._drop(pairing)
            return
        if self._outcome.judged or self._outcome.skipped:
            self.screen.text("")
        self.screen.note(f"duel {self.arena.done + 1} of {self.arena.planned}")
        *earlier, asked = self.arena.prompts[pairing.prompt]
        for message in earlier:
            self.screen.note(f"{message.role}: {_beginning(message.content)}")
        self.screen.text(f"> {asked.content}")
        self.screen.side_by_side([(TITLES[0], left.content), (TITLES[1], right.content)])
        keys = (LEFT, RIGHT, TIE, BOTH_BAD, SKIP, *((UNDO,) if self._former else ()), QUIT)
        chosen = vote(self.screen, "Which is better?", keys, self.output)
        self.screen.keyboard.take()
        if chosen == QUIT.means:
            self._stop = True
        elif chosen == UNDO.means:
            self._undo()
        elif chosen == SKIP.means:
            self._outcome.skipped += 1
            self._drop(pairing)
        else:
            self._judge_it(pairing, WINNERS[chosen])

    def _judge_it(self, pairing: Pairing, winner: Winner) -> None:
        low, _ = pairing.pair
        left: Literal[0, 1] = 0 if pairing.left == low else 1
        conversation, nodes = self.arena.conversation, self.arena.nodes(pairing)
        before = self.judge.unsaved
        try:
            record = self.judge.compare(
                conversation, nodes, winner=winner, left=left, blind=True, origin="arena"
            )
        except StorageError as error:
            if self.judge.unsaved == before:
                raise
            self.screen.error(f"not saved yet: {error} ({TRIED_AGAIN})")
        else:
            self._former.append((pairing, record))
        self.arena.judged(pairing)
        self._queue.remove(pairing)
        self._outcome.judged += 1

    def _undo(self) -> None:
        """Take the last judgement back and show its duel again."""
        pairing, record = self._former.pop()
        self.judge.keep(records.retraction(record.id, origin="arena"))
        self.arena.undo(pairing)
        self._queue.insert(0, pairing)
        self._outcome.judged -= 1

    def _drop(self, pairing: Pairing) -> None:
        self.arena.put_aside(pairing)
        self._queue.remove(pairing)

    def _wait(self, pairing: Pairing) -> None:
        """Wait for both answers; Ctrl-C ends the session."""
        if self.writer.wait(pairing, 0.0) == 2:
            return
        screen = self.screen
        former = screen.waiting
        there = 0

        def progress() -> tuple[str, float | None]:
            return f"writing two answers{', one is done' if there else ''}", None

        screen.waiting = progress
        screen.begin_answer()
        try:
            while there < 2:
                there = self.writer.wait(pairing, FRAME)
                if self._stop:
                    raise KeyboardInterrupt
                screen.refresh()
                screen.keyboard.poll()
        finally:
            screen.end_answer(None)
            screen.waiting = former
            screen.keyboard.take()

    def _interrupt(self) -> None:
        self._stop = self._outcome.interrupted = True


def _beginning(text: str) -> str:
    """The beginning of an earlier message, and its length if that is not all."""
    return text if len(text) <= _LONGEST_EARLIER else f"{text[:_LONGEST_EARLIER]}… ({len(text):,} characters)"
