"""How much of the time between the first and the last token is spent inside llama.cpp.

    python -m benchmarks.decode --model MODEL.gguf [--tokens 200] [--prompt 64] [--repeat 3] [--no-repack]

Three answers to that question, since each alone could fool us:

- share: the consumer of ``LlamaEngine.generate`` takes the time from its first event of text to ``Finished``;
  shims around llama.cpp's functions add up the time inside them. The shims' own cost counts as Python.
- rate against the same loop in bare calls, without text and with it, without shims.
- rate against ``create_completion(stream=True)`` of the binding.

Every number is the median of ``--repeat`` runs, taken in turns, so that a busy machine is unfair to all.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.rivals import Work, bare_loop, binding_stream
from chatcli.chat.message import FinishReason, user
from chatcli.engine.base import Finished, TextDelta
from chatcli.engine.llama import native
from chatcli.engine.llama.engine import LlamaEngine
from chatcli.engine.llama.load_options import LoadOptions, physical_cores
from chatcli.sampling import SamplingParams


class TimedLibrary:
    """The binding's module with a stopwatch around every function."""

    def __init__(self, module: Any) -> None:
        self.inside = 0.0
        self._module = module

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._module, name)
        if not name.startswith("llama_") or not callable(member) or isinstance(member, type):
            return member

        def timed(*arguments: Any) -> Any:
            start = time.perf_counter()
            result = member(*arguments)
            self.inside += time.perf_counter() - start
            return result

        setattr(self, name, timed)
        return timed


def measure(
    engine: LlamaEngine, question: str, tokens: int, inside: Callable[[], float]
) -> tuple[float, float]:
    """Generate exactly ``tokens`` tokens.

    Returns:
        Tokens per second between the first text and the end, and the share of that time inside llama.cpp.
    """
    for seed in range(100):
        first = spent = 0.0
        finished: Finished | None = None
        for event in engine.generate([user(question)], SamplingParams(seed=seed, max_tokens=tokens)):
            if isinstance(event, TextDelta) and not first:
                first, spent = time.perf_counter(), inside()
            elif isinstance(event, Finished):
                finished = event
        wall, spent = time.perf_counter() - first, inside() - spent
        assert finished is not None
        if finished.generation.finish_reason is FinishReason.LENGTH:
            return (tokens - 1) / wall, spent / wall
    raise SystemExit("the model ends its answers before --tokens; ask for fewer")


def main() -> None:
    """Measure and print one Markdown block for LOG.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--prompt", type=int, default=64, help="words of the question")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=physical_cores())
    parser.add_argument("--no-repack", action="store_true", help="for CPUs that fault on AMX")
    args = parser.parse_args()
    loaded = native.load()
    module, timed = loaded.lib, TimedLibrary(loaded.lib)
    options = LoadOptions(context_size=4096, threads=args.threads, use_extra_bufts=not args.no_repack)
    question = "word " * args.prompt
    rows: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        rows.setdefault(name, []).append(value)

    for _ in range(args.repeat):
        with LlamaEngine.open(args.model, options) as engine:
            ids = tuple(token.id for token in engine.prompt([user(question)], SamplingParams()).tokens)
            note("chatcli, tokens/s", measure(engine, question, args.tokens, lambda: 0.0)[0])
        work = Work(args.model, ids, args.tokens, 4096, args.threads, 256, not args.no_repack)
        note("bare loop without text, tokens/s", bare_loop(work, text=False))
        note("bare loop with text, tokens/s", bare_loop(work, text=True))
        note("create_completion(stream=True), tokens/s", binding_stream(work))
        loaded.lib = timed  # type: ignore[assignment]
        try:
            with LlamaEngine.open(args.model, options) as engine:
                rate, share = measure(engine, question, args.tokens, lambda: timed.inside)
        finally:
            loaded.lib = module
        note("chatcli with shims, tokens/s", rate)
        note("share of wall time inside llama.cpp", share)
    print(f"### {datetime.now(UTC):%Y-%m-%d} decode, {args.model.name}, {platform.machine()}\n")
    print(
        f"{args.threads} threads, prompt {len(ids)} tokens, {args.tokens} generated, median of {args.repeat}"
    )
    for name, values in rows.items():
        spread = f"{min(values):.4g} to {max(values):.4g}"
        print(f"- {name}: {statistics.median(values):.4g} ({spread})")


if __name__ == "__main__":
    main()
