"""A question that a single key answers, without Enter."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from chatcli.errors import StorageError
from chatcli.feedback.records import Winner
from chatcli.session.judging import AnswerJudging
from chatcli.terminal.rows import wrap
from chatcli.terminal.screen import Screen
from chatcli.words import counted

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

_SEPARATOR = " · "
_PLAIN = (("←/", ""), ("→/", ""), ("↑", "up"), ("↓", "down"), ("·", "-"))


@dataclass(frozen=True, slots=True)
class Key:
    """A key that answers a question."""

    means: str
    names: tuple[str, ...]
    shown: str


#: Titles of two answers.
TITLES = ("1 (left)", "2 (right)")
# Which of two answers is better. The arrows come first, because they point to it.
LEFT = Key("left", ("left", "1"), "←/1 left")
RIGHT = Key("right", ("right", "2"), "→/2 right")
TIE = Key("tie", ("t", "="), "t tie")
BOTH_BAD = Key("both_bad", ("b",), "b both bad")
SKIP = Key("skip", ("s",), "s skip")
UNDO = Key("undo", ("u", "backspace"), "u undo")
QUIT = Key("quit", ("q",), "q quit")
#: The keys that judge two answers, by what they mean.
WINNERS: dict[str, Winner] = {"left": "left", "right": "right", "tie": "tie", "both_bad": "both_bad"}


def vote(screen: Screen, question: str, keys: Sequence[Key], output: "Output | None" = None) -> str:
    """Ask a question that one of the keys answers, and return what the key means."""
    look = screen.abilities
    text = f"{question} {_SEPARATOR.join(key.shown for key in keys if key.shown)}"
    if not look.unicode:
        for fancy, plain in _PLAIN:
            text = text.replace(fancy, plain)
    if not look.escapes:
        screen.note(text)
    return press(text, keys, shown=look.escapes, output=output)


@contextmanager
def report_unsaved(screen: Screen, judge: AnswerJudging) -> Iterator[None]:
    """Report a judgement that cannot be written yet inside the ``with`` block, and go on."""
    before = judge.unsaved
    try:
        yield
    except StorageError as error:
        if judge.unsaved == before:  # it does not wait to be written
            raise
        waiting = (
            f"{counted(judge.unsaved, 'judgement')} {'waits' if judge.unsaved == 1 else 'wait'} in memory"
        )
        again = "saving is tried again with the next judgement and at the end"
        screen.error(f"not saved yet: {error} ({waiting}; {again})")


def drawn_on(stream: TextIO) -> "Output":
    """An output that draws questions on another stream than standard output."""
    from prompt_toolkit.output import create_output

    return create_output(stdout=stream)


def press(
    text: str,
    keys: Sequence[Key],
    *,
    shown: bool = True,
    input: "Input | None" = None,
    output: "Output | None" = None,
) -> str:
    """Wait for one of the keys and return what it means; other keys do nothing.

    Args:
        shown: whether to draw the text; where nothing may move, the caller has printed it.
    """
    from prompt_toolkit.application import Application
    from prompt_toolkit.layout import Layout, Window
    from prompt_toolkit.layout.controls import FormattedTextControl
    from prompt_toolkit.output import DummyOutput

    def fitted() -> str:
        columns = app.output.get_size().columns
        return "\n".join(row.text for row in wrap([(text, "")], max(1, columns)))

    window = Window(FormattedTextControl(fitted), dont_extend_height=True, always_hide_cursor=True)
    app: Application[str] = Application(
        layout=Layout(window),
        key_bindings=_bindings({name: key.means for key in keys for name in key.names}),
        erase_when_done=True,
        input=input,
        output=output if shown else DummyOutput(),
    )
    app.ttimeoutlen = 0.05
    try:
        return app.run()
    except EOFError:
        raise KeyboardInterrupt from None


def _bindings(meanings: Mapping[str, str]) -> Any:
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    bindings = KeyBindings()
    for name, means in meanings.items():

        @bindings.add(name)
        def _(event: KeyPressEvent, means: str = means) -> None:
            if not event.app.is_done:
                event.app.exit(result=means)

    @bindings.add("c-c")
    @bindings.add("c-d")
    @bindings.add("<sigint>")
    def _(event: KeyPressEvent) -> None:
        if not event.app.is_done:
            event.app.exit(exception=KeyboardInterrupt)

    return bindings
