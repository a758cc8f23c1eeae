"""What one more token costs on the screen, as the answer grows: ``python -m benchmarks.screen [--tokens N]``.

Answers of several kinds are drawn token by token, one frame a token (a chat draws at most 25 a second), on
a terminal in memory. The cost must not grow with the answer: per token, the last tenth may take at most 1.2
times the first. CPU time, so that a busy machine does not blur it; the median over the runs.
"""

import argparse
import io
import statistics
import time
from collections.abc import Iterator

from chatcli.engine.base import TextDelta
from chatcli.terminal.answer import AnswerView, Manner
from chatcli.terminal.live import Abilities, LiveArea

_WORDS = ("the", "model", "reads", "`context`", "and", "**answers**", "with", "words", "in", "*turn*")


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def _tokens(kind: str, count: int) -> Iterator[str]:
    """The tokens of an answer of a kind, as many as wanted."""
    if kind == "python code":
        yield "```python\n"
    for number in range(count):
        word = _WORDS[number % len(_WORDS)]
        if kind == "one paragraph":
            yield f"{word} "
        elif kind == "one line without spaces":
            yield "abcde"
        elif kind == "python code":
            yield f"value_{number % 7} = {number % 10}" + ("\n" if number % 3 == 2 else "; ")
        elif kind == "list":
            yield ("- " if number % 12 == 0 else "") + word + ("\n" if number % 12 == 11 else " ")
        elif kind == "table":
            if number == 0:
                yield "| a | b |\n|---|---|\n"
            yield f"| {word} " + ("|\n" if number % 2 else "")
        elif kind == "open markup":
            yield f"[{word} ** "
        else:
            yield word + (("\n\n", "\n\n# ", "\n- ")[number // 60 % 3] if number % 60 == 59 else " ")


def microseconds(kind: str, count: int) -> list[float]:
    """CPU time a token, in microseconds, for each tenth of an answer."""
    terminal = _Terminal()
    abilities = Abilities.of(terminal, {"TERM": "xterm"}, color=True, plain=False)
    view = AnswerView(LiveArea(terminal, abilities, lambda: (80, 24)), Manner(), lambda: ("", None))
    tokens = list(_tokens(kind, count))
    tenth, tenths = len(tokens) // 10, []
    for number in range(10):
        start = time.process_time()
        for token in tokens[number * tenth : (number + 1) * tenth]:
            view.show(TextDelta(token))
            view.refresh(at_once=True)
        tenths.append((time.process_time() - start) / tenth * 1e6)
        terminal.seek(0)
        terminal.truncate()
    return tenths


_KINDS = (
    *("mixed", "one paragraph", "list", "python code", "table"),
    *("one line without spaces", "open markup"),
)


def main() -> None:
    """Print a table: kind of answer, first and last tenth, their ratio."""
    parser = argparse.ArgumentParser(description="Cost of one more token on the screen.")
    parser.add_argument("--tokens", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print("| answer | first tenth, us a token | last tenth | ratio |\n|---|---|---|---|")
    for kind in _KINDS:
        runs = [microseconds(kind, options.tokens) for _ in range(options.runs)]
        first, last = (statistics.median(run[place] for run in runs) for place in (0, -1))
        print(f"| {kind} | {first:.0f} | {last:.0f} | {last / first:.2f} |")


if __name__ == "__main__":
    main()
