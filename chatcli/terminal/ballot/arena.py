"""Blind duels on the screen: read two answers, press a key, read the next two."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from chatcli.feedback import records
from chatcli.feedback.records import Comparison, Winner
from chatcli.session.arena.answers import AnswerWriter
from chatcli.session.arena.arena import Arena, Pairing
from chatcli.session.judging import AnswerJudging
from chatcli.terminal.ballot.question import (
    BOTH_BAD,
    LEFT,
    QUIT,
    RIGHT,
    SKIP,
    TIE,
    TITLES,
    UNDO,
    WINNERS,
    report_unsaved,
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
class ArenaSession:
    """Shows duel after duel, until all are judged or the person leaves.

    Attributes:
        most: most duels to judge; None for all.
        output: where questions are drawn; None is the terminal.
        same: number of duels that were not shown, because both answers are the same.
        unanswered: the reason for each duel that was not shown, because a contender cannot answer.
        interrupted: whether Ctrl-C ended the session.
    """

    arena: Arena
    writer: AnswerWriter
    judge: AnswerJudging
    screen: Screen
    most: int | None = None
    output: "Output | None" = None
    judged: int = field(default=0, init=False)
    skipped: int = field(default=0, init=False)
    same: int = field(default=0, init=False)
    unanswered: list[str] = field(default_factory=list, init=False)
    interrupted: bool = field(default=False, init=False)
    _queue: list[Pairing] = field(default_factory=list, init=False)
    _former: list[tuple[Pairing, Comparison]] = field(default_factory=list, init=False)
    _stop: bool = field(default=False, init=False)

    def hold(self) -> None:
        """Hold the session; Ctrl-C ends it at any time. All judgements are kept, even if it raises."""
        with self.screen.keyboard.held(), on_ctrl_c(self._interrupt):  # between two steps, never inside one
            try:
                while not self._stop and (self.most is None or self.judged < self.most):
                    self._queue += self.arena.upcoming_after(self._queue, AHEAD - len(self._queue))
                    if not self._queue:
                        break
                    self.writer.want(self._queue)
                    self._one(self._queue[0])
            except KeyboardInterrupt:
                self._stop = self.interrupted = True

    def _one(self, pairing: Pairing) -> None:
        """Show a duel and take its judgement, or put it aside."""
        self._wait(pairing)
        refusal = self.writer.refusal(pairing)
        if refusal is not None:
            self.unanswered.append(f"prompt {pairing.prompt + 1}: {refusal}")
            self._drop(pairing)
            return
        left = self.arena.answer(pairing.prompt, pairing.left)
        right = self.arena.answer(pairing.prompt, pairing.right)
        assert left is not None
        assert right is not None
        if left.content == right.content:
            self.same += 1
            self._drop(pairing)
            return
        if self.judged or self.skipped:
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
            self.skipped += 1
            self._drop(pairing)
        else:
            self._judge_it(pairing, WINNERS[chosen])

    def _judge_it(self, pairing: Pairing, winner: Winner) -> None:
        low, _ = pairing.pair
        left: Literal[0, 1] = 0 if pairing.left == low else 1
        conversation, nodes = self.arena.conversation, self.arena.nodes(pairing)
        record = None
        with report_unsaved(self.screen, self.judge):
            record = self.judge.compare(
                conversation, nodes, winner=winner, left=left, blind=True, origin="arena"
            )
        if record is not None:
            self._former.append((pairing, record))
        self.arena.judged(pairing)
        self._queue.remove(pairing)
        self.judged += 1

    def _undo(self) -> None:
        """Take the last judgement back and show its duel again."""
        pairing, record = self._former.pop()
        self.judge.keep(records.retraction(record.id, origin="arena"))
        self.arena.undo(pairing)
        self._queue.insert(0, pairing)
        self.judged -= 1

    def _drop(self, pairing: Pairing) -> None:
        self.arena.put_aside(pairing)
        self._queue.remove(pairing)

    def _wait(self, pairing: Pairing) -> None:
        """Wait for both answers; Ctrl-C ends the session."""
        there = self.writer.wait(pairing, 0.0)
        if there == 2:
            return

        def is_ready(seconds: float) -> bool:
            nonlocal there
            there = self.writer.wait(pairing, seconds)
            if self._stop:
                raise KeyboardInterrupt
            return there == 2

        try:
            self.screen.wait(
                is_ready, lambda: (f"writing two answers{', one is done' if there else ''}", None)
            )
        finally:
            self.screen.keyboard.take()

    def _interrupt(self) -> None:
        self._stop = self.interrupted = True


def _beginning(text: str) -> str:
    """The beginning of an earlier message, and its length if that is not all."""
    return text if len(text) <= _LONGEST_EARLIER else f"{text[:_LONGEST_EARLIER]}… ({len(text):,} characters)"
