"""What a frame of an answer costs, and what is left for the model.

    python -m benchmarks.screen [--tokens N]
    python -m benchmarks.screen --share MODEL.gguf [--tokens N] [--threads N] [--no-repack]

Without ``--share``, answers of several kinds are drawn token by token, one frame a token (a chat draws at
most 25 a second), on a terminal in memory: markdown-it-py parses the open block, rich draws tables. The cost
must not grow with the answer: per token, the last tenth may take at most 1.2 times the first, and a frame at
most 8 ms at the median. CPU time, so that a busy machine does not blur it; the median over the runs.

With ``--share``, a model answers in a real terminal (a pty of 80 x 24) through the screen of the chat, its
tokens replaced by those of a mixed answer in markdown; measured is the share of wall time inside llama.cpp
between the first token and the last, in the way of ``benchmarks.decode``. It must be at least 0.97.
"""

import argparse
import io
import os
import pty
import statistics
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.decode import TimedLibrary
from chatcli.chat.message import user
from chatcli.engine.base import Cancellation, Event, Finished, TextDelta
from chatcli.engine.llama import native
from chatcli.engine.llama.engine import LlamaEngine
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.sampling import SamplingParams
from chatcli.session.background import BackgroundAnswer
from chatcli.terminal.answer import AnswerView, Manner
from chatcli.terminal.live import Abilities, LiveArea
from chatcli.terminal.screen import Screen

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


def microseconds(kind: str, count: int) -> list[list[float]]:
    """CPU time of each frame, in microseconds, for each tenth of an answer."""
    terminal = _Terminal()
    abilities = Abilities.of(terminal, {"TERM": "xterm"}, color=True, plain=False)
    view = AnswerView(LiveArea(terminal, abilities, lambda: (80, 24)), Manner(), lambda: ("", None))
    tokens = list(_tokens(kind, count))
    tenth, tenths = len(tokens) // 10, []
    for number in range(10):
        frames = []
        for token in tokens[number * tenth : (number + 1) * tenth]:
            start = time.process_time()
            view.show(TextDelta(token))
            view.refresh(at_once=True)
            frames.append((time.process_time() - start) * 1e6)
        tenths.append(frames)
        terminal.seek(0)
        terminal.truncate()
    return tenths


def share(model: Path, tokens: int, options: LoadOptions) -> float:
    """The share of wall time inside llama.cpp while an answer is drawn in a pty."""
    result, report = os.pipe()
    child, terminal = pty.fork()
    if not child:
        os.write(report, f"{_answered(model, tokens, options)}".encode())
        os._exit(0)
    os.close(report)
    termios.tcsetwinsize(terminal, (24, 80))
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:  # the child closed the terminal
        pass
    os.waitpid(child, 0)
    return float(os.read(result, 100) or "nan")


def _answered(model: Path, tokens: int, options: LoadOptions) -> float:
    loaded = native.load()
    timed = TimedLibrary(loaded.lib)
    loaded.lib = timed  # type: ignore[assignment]
    found: list[float] = []
    with LlamaEngine.open(model, options) as engine:

        def events(cancel: Cancellation) -> Iterator[Event]:
            text = _tokens("mixed", 10 * tokens)
            first = spent = 0.0
            params = SamplingParams(seed=1, max_tokens=tokens)
            for event in engine.generate([user("word " * 64)], params, cancel=cancel):
                if isinstance(event, TextDelta):
                    if not first:
                        first, spent = time.perf_counter(), timed.inside
                    yield TextDelta(next(text))
                elif isinstance(event, Finished):
                    found.append((timed.inside - spent) / (time.perf_counter() - first))
                    yield event

        Screen(sys.stdout, {"TERM": "xterm-256color"}, keys=sys.stdin).follow(BackgroundAnswer(events))
    return found[0]


_KINDS = (
    *("mixed", "one paragraph", "list", "python code", "table"),
    *("one line without spaces", "open markup"),
)


def main() -> None:
    """Print a table: kind of answer, first and last tenth, their ratio, the median frame."""
    parser = argparse.ArgumentParser(description="Cost of the screen.")
    parser.add_argument("--tokens", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--share", type=Path, metavar="MODEL", help="measure the share inside llama.cpp")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-repack", action="store_true", help="for CPUs that fault on AMX")
    options = parser.parse_args()
    if options.share:
        load = LoadOptions(context_size=4096, threads=options.threads, use_extra_bufts=not options.no_repack)
        shares = [share(options.share, min(options.tokens, 300), load) for _ in range(options.runs)]
        print(f"share inside llama.cpp in a pty: {statistics.median(shares):.3f}", sorted(shares))
        return
    print(
        "| answer | first tenth, us a token | last tenth | ratio | median frame, ms |\n|---|---|---|---|---|"
    )
    for kind in _KINDS:
        runs = [microseconds(kind, options.tokens) for _ in range(options.runs)]
        first, last = (statistics.median(statistics.mean(run[place]) for run in runs) for place in (0, -1))
        frame = statistics.median(us for run in runs for tenth in run for us in tenth) / 1000
        print(f"| {kind} | {first:.0f} | {last:.0f} | {last / first:.2f} | {frame:.2f} |")


if __name__ == "__main__":
    main()
