"""How long a Ctrl-C takes to act while a long prompt is read.

    python -m benchmarks.interrupt --model MODEL.gguf [--prompt 2048] [--times 8] [--no-repack]

The answer is generated in a thread, as the program does it. The flag is set at a random moment of the prompt;
what is measured is the time until ``Finished`` has arrived, and whether the next turn counts what was read.
"""

import argparse
import random
import statistics
import threading
import time
from pathlib import Path

from chatcli.chat.message import FinishReason, Usage, user
from chatcli.engine.base import Cancellation, Finished
from chatcli.engine.llama.engine import LlamaEngine
from chatcli.engine.llama.load_options import LoadOptions, physical_cores
from chatcli.sampling import SamplingParams


def interrupt(engine: LlamaEngine, question: str, after: float) -> tuple[float, Usage]:
    """Cancel ``after`` seconds; returns the seconds until the answer had ended, and its counts."""
    cancel = Cancellation()
    ended: list[tuple[float, Finished]] = []

    def answer() -> None:
        events = engine.generate([user(question)], SamplingParams(max_tokens=4, seed=1), cancel=cancel)
        ended.extend((time.perf_counter(), event) for event in events if isinstance(event, Finished))

    thread = threading.Thread(target=answer)
    thread.start()
    time.sleep(after)
    cancelled = time.perf_counter()
    cancel.set()
    thread.join()
    stamp, finished = ended[0]
    if finished.generation.finish_reason is not FinishReason.INTERRUPTED:
        raise SystemExit("the prompt was read before it was cancelled; ask for a longer one")
    return stamp - cancelled, finished.generation.usage


def main() -> None:
    """Measure and print one Markdown block for LOG.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--prompt", type=int, default=2048, help="tokens, roughly")
    parser.add_argument("--times", type=int, default=8)
    parser.add_argument("--threads", type=int, default=physical_cores())
    parser.add_argument("--no-repack", action="store_true", help="for CPUs that fault on AMX")
    args = parser.parse_args()
    options = LoadOptions(context_size=8192, threads=args.threads, use_extra_bufts=not args.no_repack)
    delays: list[float] = []
    with LlamaEngine.open(args.model, options) as engine:
        measured = len(engine.prompt([user("ab " * 1000)], SamplingParams()).tokens)
        words = args.prompt * 1000 // measured
        for run in range(args.times):
            question = f"{run} " + "ab " * words  # begins anew: nothing is cached
            delay, usage = interrupt(engine, question, random.uniform(0.2, 2.0))
            delays.append(delay)
            _, following = interrupt(engine, question, 0.05)
            assert following.cached_tokens == usage.cached_tokens + usage.decoded_tokens
    print(
        f"{args.model.name}, prompt {usage.prompt_tokens} tokens, {args.threads} threads, {args.times} times"
    )
    print(f"- from cancel to stop: median {statistics.median(delays):.3f} s, worst {max(delays):.3f} s")


if __name__ == "__main__":
    main()
