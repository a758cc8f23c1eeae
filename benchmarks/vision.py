"""What a picture costs: against libmtmd's own calls, at the next turn, and when the chat is resumed.

    python -m benchmarks.vision --model MODEL.gguf --mmproj FILE.gguf [--times 3] [--threads N] [--no-repack]

``--make-projector FILE --width N`` writes a projector of gemma3's kind with random weights instead, of the
size of a small vision encoder (86M parameters, 448 pixels, 256 tokens), for a text model of that width.
"""

import argparse
import statistics
import time
from pathlib import Path

from chatcli.chat.message import Message, assistant, user
from chatcli.engine.base import Finished
from chatcli.engine.llama.engine import LlamaEngine
from chatcli.engine.llama.load_options import LoadOptions, physical_cores
from chatcli.sampling import SamplingParams
from tests.engine import seeing
from tests.engine.projector_files import write_projector

_ONE_TOKEN = SamplingParams(temperature=0.0, max_tokens=1)
_QUESTION = "What is in this picture?"


def _first_token(engine: LlamaEngine, chat: list[Message]) -> tuple[float, int]:
    """Seconds until the first token of the answer, and how many tokens and cells were decoded."""
    start = time.perf_counter()
    events = list(engine.generate(chat, _ONE_TOKEN))
    end = events[-1]
    assert isinstance(end, Finished)
    return time.perf_counter() - start, end.generation.usage.decoded_tokens


def _by_libmtmd(reference: seeing.Reference, seed: int) -> float:
    """Seconds that libmtmd's own tokenizer and evaluation take for about the same prompt."""
    picture = seeing.picture(seed, (1200, 900))
    start = time.perf_counter()
    reference.logits(
        f"<|im_start|>user\n<__media__>{_QUESTION}<|im_end|>\n<|im_start|>assistant\n", [picture]
    )
    return time.perf_counter() - start


def main() -> None:
    """Measure and print one Markdown block for LOG.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--mmproj", type=Path)
    parser.add_argument("--make-projector", type=Path)
    parser.add_argument("--width", type=int)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--threads", type=int, default=physical_cores())
    parser.add_argument("--no-repack", action="store_true", help="for CPUs that fault on AMX")
    args = parser.parse_args()
    if args.make_projector:
        write_projector(
            args.make_projector,
            width=args.width,
            kind="gemma3",
            image_size=448,
            hidden=768,
            heads=12,
            feed_forward=3072,
            blocks=12,
        )
        return
    options = LoadOptions(
        context_size=2048, threads=args.threads, use_extra_bufts=not args.no_repack, projector=args.mmproj
    )
    ours, theirs, next_turn, resumed = [], [], [], []
    with LlamaEngine.open(args.model, options) as engine:
        reference = seeing.Reference(args.model, args.mmproj, 256, args.threads)
        for time_ in range(args.times):
            chat = [user(_QUESTION, seeing.picture(time_, (1200, 900)))]
            theirs.append(_by_libmtmd(reference, time_))
            seconds, cells = _first_token(engine, chat)
            ours.append(seconds)
            state = engine.save_state()
            chat += [assistant("A cat."), user("What colour is it?")]
            seconds, new = _first_token(engine, chat)
            next_turn.append(seconds)
            engine.set_adapter(None)  # empties the memory
            start = time.perf_counter()
            assert state is not None
            assert engine.load_state(state)
            resumed.append(time.perf_counter() - start + _first_token(engine, chat)[0])
    first, rival = statistics.median(ours), statistics.median(theirs)
    later, back = statistics.median(next_turn), statistics.median(resumed)
    print(
        f"`python -m benchmarks.vision`: {args.model.name} with {args.mmproj.name}, medians of {args.times}"
    )
    print(
        f"first answer about a picture {first:.2f} s ({cells} tokens and cells), libmtmd alone {rival:.2f} s:"
    )
    print(
        f"ratio **{first / rival:.2f}**; next turn {later:.3f} s ({new} decoded): {later / first:.3f} of it;"
    )
    print(f"resumed {back:.3f} s: {back / first:.3f} of it")


if __name__ == "__main__":
    main()
