"""How long the first new token takes after resuming a chat, against reading the whole chat again.

    python -m benchmarks.resume --model MODEL.gguf [--tokens 4000] [--times 3] [--threads N] [--no-repack]

Cold: an empty memory reads the chat and the new message. Resumed: the state is loaded from the cache folder,
checked, and the new message is read. Both in turns in one process, the model being loaded already.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from chatcli.chat.message import Message, Usage, assistant, user
from chatcli.engine.base import Finished
from chatcli.engine.llama.engine import LlamaEngine
from chatcli.engine.llama.load_options import LoadOptions, physical_cores
from chatcli.sampling import SamplingParams
from chatcli.session.kept_state import KeptState
from chatcli.storage.state_cache import StateCache

_NAME = "benchmark"
_ONE_TOKEN = SamplingParams(temperature=0.0, max_tokens=1)


def first_token(engine: LlamaEngine, chat: list[Message], kept: KeptState) -> tuple[float, Usage]:
    """Seconds until the first token of the answer, loading the state included, and the counts."""
    start = time.perf_counter()
    kept.prepare(engine)
    usage = Usage()
    for event in engine.generate(chat, _ONE_TOKEN):
        if isinstance(event, Finished):
            usage = event.generation.usage
    return time.perf_counter() - start, usage


def chat_of(engine: LlamaEngine, tokens: int) -> list[Message]:
    """Questions and answers of about so many tokens."""
    chat: list[Message] = []
    while not chat or len(engine.prompt([*chat, user("?")], _ONE_TOKEN).tokens) < tokens:
        chat += [user(f"question {len(chat)} " + "ab " * 60), assistant("an answer " + "cd " * 60)]
    return chat


def main() -> None:
    """Measure and print one Markdown block for LOG.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=4000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--threads", type=int, default=physical_cores())
    parser.add_argument("--no-repack", action="store_true", help="for CPUs that fault on AMX")
    args = parser.parse_args()
    options = LoadOptions(context_size=8192, threads=args.threads, use_extra_bufts=not args.no_repack)
    cold, resumed, saved = [], [], []
    with tempfile.TemporaryDirectory() as folder, LlamaEngine.open(args.model, options) as engine:
        cache = StateCache(Path(folder), 2**32)
        chat = chat_of(engine, args.tokens)
        chat_and_new = [*chat, user("and now?")]
        for _ in range(args.times):
            engine.set_adapter(None)  # empties the memory
            seconds, usage = first_token(engine, chat_and_new, KeptState(None))
            cold.append(seconds)
            engine.set_adapter(None)
            leaving = KeptState(cache)
            leaving.note(engine, first_token(engine, chat, leaving)[1])
            start = time.perf_counter()
            leaving.leave(_NAME, engine)
            saved.append(time.perf_counter() - start)
            engine.set_adapter(None)
            resuming = KeptState(cache)
            resuming.resume(_NAME)
            seconds, after = first_token(engine, chat_and_new, resuming)
            resumed.append(seconds)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    share = statistics.median(resumed) / statistics.median(cold)
    print(
        f"{args.model.name}, chat of {usage.prompt_tokens} tokens, {args.threads} threads, {args.times} times"
    )
    print(f"(load average {os.getloadavg()[0]:.1f}), median (range):\n")
    for what, times in (("cold", cold), ("resumed", resumed), ("saving", saved)):
        print(f"- {what}: {statistics.median(times):.3f} s ({min(times):.3f} to {max(times):.3f})")
    print(
        f"- resumed / cold: **{share:.3f}**; tokens decoded {usage.decoded_tokens} and {after.decoded_tokens}"
    )
    print(f"- state on disk: {size / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
