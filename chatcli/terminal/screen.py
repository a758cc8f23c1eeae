"""What the chat prints: one object the loop talks to, so that the loop never formats anything itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import IO, Any, TextIO

from chatcli.chat.message import FinishReason, Generation
from chatcli.engine.base import Coming, Finished, TextDelta
from chatcli.session.background import BackgroundAnswer
from chatcli.terminal import figures, tables
from chatcli.terminal.answer import FRAME, AnswerView, Manner, Waiting, reasoning_rows
from chatcli.terminal.ballot.view import BallotView
from chatcli.terminal.live import Abilities, LiveArea, Size, size_of, text_rows
from chatcli.terminal.prompt.keyboard import Keyboard
from chatcli.terminal.rows import Row
from chatcli.terminal.sanitize import sanitize, sanitize_line
from chatcli.terminal.theme import BOLD, DIM, PLAIN, RED

#: Ctrl-O.
FOLD_KEY = b"\x0f"
_STOPPED_EARLY = "[stopped before the first word]"
_MARKS = {
    FinishReason.INTERRUPTED: "[stopped; what came is kept]",
    FinishReason.LENGTH: "[cut off: the longest answer or the end of the context was reached]",
    FinishReason.ERROR: "[the model failed; what came is kept]",
}


def _not_waiting() -> tuple[str, float | None]:
    return "", None


class Screen:
    """The scrollback of a chat.

    Everything given to it may come from anywhere: it is made harmless here, and never read as markup, except
    that answers are markdown. For a line: ``note``, ``error``, ``text``. For figures: ``table``,
    ``side_by_side``, ``context_bar``, ``tree``. For an answer: ``follow``, or ``begin_answer``, ``show`` and
    ``refresh`` again and again, ``end_answer``; ``typed`` is what was typed meanwhile.

    Args:
        out: where to print.
        environ: environment; ``NO_COLOR`` and ``TERM`` are obeyed.
        color: whether colours are wanted at all.
        markdown: answers are shown as markdown, otherwise as they are.
        plain: whole lines only, nothing that moves, no styles.
        show_thinking: reasoning is shown, not only that there is some.
        keys: standard input, so that keys are not echoed into an answer; None leaves it alone.
        waiting: says what keeps an answer from coming, such as a model that loads.
        size: columns and rows; None asks the terminal.

    Attributes:
        keyboard: keys pressed while no prompt is shown.
    """

    def __init__(
        self,
        out: TextIO,
        environ: Mapping[str, str],
        *,
        color: bool = True,
        markdown: bool = True,
        plain: bool = False,
        show_thinking: bool = True,
        keys: IO[Any] | None = None,
        waiting: Waiting = _not_waiting,
        size: Callable[[], Size] | None = None,
    ) -> None:
        self.waiting = waiting
        self._manner = Manner(markdown, show_thinking)
        abilities = Abilities.of(out, environ, color=color, plain=plain)
        self._area = LiveArea(out, abilities, size or (lambda: size_of(out)))
        self.keyboard = Keyboard(keys)
        self._view: AnswerView | None = None

    @property
    def width(self) -> int:
        """Columns of the terminal, now."""
        return self._area.width

    @property
    def abilities(self) -> Abilities:
        """What may be sent to the terminal."""
        return self._area.abilities

    @property
    def show_thinking(self) -> bool:
        """Whether reasoning is shown, not only that there is some."""
        return self._manner.show_thinking

    @show_thinking.setter
    def show_thinking(self, wanted: bool) -> None:
        self._manner = replace(self._manner, show_thinking=wanted)

    def note(self, text: str) -> None:
        """A remark of the program, dimmed."""
        self._print(text_rows(sanitize(text), DIM))

    def error(self, text: str) -> None:
        """Something that went wrong, in one line."""
        self._print(text_rows(sanitize_line(text), RED))

    def text(self, text: str) -> None:
        """Plain text the person asked for."""
        self._print(text_rows(sanitize(text), PLAIN))

    def answer(self, text: str, title: str = "") -> None:
        """An answer that is there already, as it looks when it has arrived."""
        if title:
            self._print(text_rows(sanitize_line(title), BOLD))
        view = self._new_view()
        view.show(TextDelta(text))
        view.finish()

    def reasoning(self, text: str) -> None:
        """Reasoning that is there already, unfolded."""
        rows = reasoning_rows(self._area.abilities)
        rows.feed(sanitize(text))
        self._print(rows.finish(self.width))

    def table(self, rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> None:
        """A table; as records where the screen is too narrow for columns."""
        shown = [[((sanitize_line(cell), PLAIN),) for cell in row] for row in (head, *rows)]
        self._print(tables.table(shown[1:], shown[0], self.width, unicode=self._area.abilities.unicode))

    def found(self, label: str, snippet: str, matches: Sequence[tuple[int, int]]) -> None:
        """A part of a text with what was searched for in it (ranges of characters) marked."""
        pieces = [(sanitize_line(label), DIM)]
        at = 0
        for begin, end in matches:
            pieces += [(sanitize_line(snippet[at:begin]), PLAIN), (sanitize_line(snippet[begin:end]), BOLD)]
            at = end
        self._print([Row((*pieces, (sanitize_line(snippet[at:]), PLAIN)))])

    def side_by_side(self, answers: Sequence[tuple[str, str]]) -> None:
        """Answers, each with a title, in columns, or one below the other where the screen is narrow."""
        clean = [(sanitize_line(title), sanitize(text)) for title, text in answers]
        look = self._area.abilities
        markdown = self._manner.markdown and look.escapes
        if not look.escapes:  # to be read out one after the other
            rows = [row for pair in clean for text in (*pair, "") for row in text_rows(text)]
        else:
            rows = figures.side_by_side(clean, self.width, markdown=markdown, unicode=look.unicode)
        self._print(rows)

    def ballot(self, titles: tuple[str, str]) -> BallotView:
        """A view of two answers that arrive at the same time, with these titles."""
        return BallotView(self._area, titles, markdown=self._manner.markdown)

    def context_bar(self, parts: Sequence[tuple[str, int]], size: int) -> None:
        """How many tokens of a context of ``size`` each part takes."""
        clean = [(sanitize_line(label), tokens) for label, tokens in parts]
        self._print(figures.context_bar(clean, size, self.width, unicode=self._area.abilities.unicode))

    def tree(self, nodes: Sequence[tuple[int, str, bool]]) -> None:
        """Messages as a tree: depth, text, and whether the message is on the current path."""
        clean = [(depth, sanitize_line(text), current) for depth, text, current in nodes]
        self._print(figures.tree(clean, self.width, unicode=self._area.abilities.unicode))

    def follow(self, answer: BackgroundAnswer, begun: str = "") -> Generation | None:
        """Show an answer until it ends; returns how it came to be.

        Args:
            answer: while it comes, keys are not echoed.
            begun: the text it goes on from, shown again before it.

        Raises:
            ChatcliError: what the engine or the storage raised; what came before it is shown.
        """
        generation: Generation | None = None
        self.begin_answer()
        if begun:
            self.show(TextDelta(begun))
        try:
            with self.keyboard.held(self._area.suspend, self._redraw):
                try:
                    while not answer.done:
                        for event in answer.wait(FRAME):
                            if isinstance(event, Finished):
                                generation = event.generation
                            else:
                                self.show(event)
                        self.refresh()
                        self.keyboard.poll()
                        if self.keyboard.caught(FOLD_KEY):
                            self.fold()
                finally:
                    self.keyboard.poll()
                    self.end_answer(generation)
        finally:
            self._view = None
        return generation

    def wait(self, is_ready: Callable[[float], bool], waiting: Waiting | None = None) -> None:
        """Show what ``waiting`` says until something is ready. Ctrl-C interrupts.

        Args:
            is_ready: waits for it so many seconds, and says whether it is.
            waiting: None says what keeps an answer from coming.
        """
        self._view = AnswerView(self._area, self._manner, waiting or self.waiting)
        try:
            with self.keyboard.held(self._area.suspend, self._redraw):
                while not is_ready(FRAME):
                    self.refresh()
                    self.keyboard.poll()
        finally:
            self.end_answer(None)

    def typed(self) -> str:
        """What was typed while the last answer came; at the prompt it can be edited and sent."""
        return self.keyboard.take()

    def begin_answer(self) -> None:
        """An answer was asked for."""
        self._view = self._new_view()

    def show(self, event: Coming) -> None:
        """Take the next thing that happened; ``refresh`` draws it."""
        if self._view is None:
            self.begin_answer()
        assert self._view is not None
        self._view.show(event)
        self._view.refresh()

    def refresh(self) -> None:
        """Draw what came, if a frame is due. To be called several times a second, also when nothing comes."""
        if self._view is not None:
            self._view.refresh()

    def fold(self) -> None:
        """Hide the reasoning that is coming, or show it; later answers begin the same way."""
        if self._view is not None:
            self.show_thinking = self._view.fold()

    def end_answer(self, generation: Generation | None) -> None:
        """The answer ended, well or not; ``generation`` says how."""
        if self._view is None:
            return
        view, self._view = self._view, None
        view.finish()
        if generation is None or generation.finish_reason not in _MARKS:
            return
        stopped = generation.finish_reason is FinishReason.INTERRUPTED
        nothing_came = stopped and not generation.usage.completion_tokens
        self.note(_STOPPED_EARLY if nothing_came else _MARKS[generation.finish_reason])

    def _redraw(self) -> None:
        if self._view is not None:
            self._view.refresh(at_once=True)

    def _new_view(self) -> AnswerView:
        return AnswerView(self._area, self._manner, self.waiting)

    def _print(self, rows: Sequence[Row]) -> None:
        self._area.draw(rows)
