"""Records of every kind, and golden-1.jsonl: the same as schema 1 was first written; it never changes.

Usage: python -m tests.feedback.golden
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from chatcli.chat.message import (
    FinishReason,
    Generation,
    Message,
    ModelRef,
    Role,
    Timings,
    Usage,
    assistant,
    system,
    user,
)
from chatcli.feedback.answers import Answer, Model, Provenance
from chatcli.feedback.codec import encode
from chatcli.feedback.records import (
    Choice,
    Judge,
    Record,
    Target,
    comparison,
    correction,
    ranking,
    rating,
    retraction,
)
from chatcli.sampling import SamplingParams

GOLDEN = Path(__file__).with_name("golden-1.jsonl")
START = datetime(2026, 11, 20, 22, 15, 3, 123456, tzinfo=UTC)
IDS = [
    f"{START + timedelta(minutes=n):%Y%m%d-%H%M%S-%f}-{tail}"
    for n, tail in enumerate(("k7qxd2", "0m3v9t", "zz81ab", "c4h5j6", "n8p9qr", "s0t1vw"))
]
PROMPT = [
    system("Answer briefly."),
    user("Hello?"),
    assistant("Hi there!", "A greeting."),
    user("What is a mutex?\n\n```c\nlock(&m);\n```\u2028Ünïcode, 👍🏽 and \x1b[31m"),
]
GENERATION = Generation(
    ModelRef("qwen3", "qwen3-4b-q4_k_m.gguf", "a" * 64, "qwen3", "Q4_K_M", "b" * 64, "c" * 64, 0.5, 8192),
    FinishReason.END,
    SamplingParams(temperature=0.8, seed=42, max_tokens=200, stop=("</s>", "\n\n"), grammar='root ::= "a"'),
    Usage(120, 100, 20, 33),
    Timings(0.25, 0.3, 1.75),
    {"chatcli": "0.1.0", "llama-cpp-python": "0.3.36"},
)
ANSWERS = [
    Message(Role.ASSISTANT, f"A mutex lets one thread in at a time. ({n})", reasoning, GENERATION)
    for n, reasoning in enumerate((None, "They want a definition.", "", "x"))
]


def golden_records() -> list[Record]:
    """One of each kind, and a rating of a model's about an imported answer."""
    times = [START + timedelta(minutes=n) for n in range(6)]
    guideline = "d" * 64
    foreign = Answer(content="", provenance=Provenance(model=Model(name="gpt-x")))
    judge = Judge(by="ai", model=Model(name="judge", file="judge.gguf"), principle="Prefer what is true.")
    return [
        rating(
            PROMPT, ANSWERS[0], Target(transcript="20261120-173012-k7qxd", messages=(5,)), thumb=1, score=8,
            reasons=("accurate_information", "other"), comment="short and right", tags=("code",),
            guideline=guideline, id=IDS[0], time=times[0],
        ),
        comparison(
            PROMPT, (ANSWERS[0], ANSWERS[1]), Target(transcript="arena:run-1", messages=(1, 2)),
            winner="right", left=1, blind=True, origin="arena", id=IDS[1], time=times[1],
        ),
        ranking(
            PROMPT, ANSWERS, Target(transcript="20261120-173012-k7qxd", messages=(5, 6, 7, 8)),
            ranks=(2, 1, 3, 2), blind=True, id=IDS[2], time=times[2],
            choices=(
                Choice(left=0, right=1, winner="right"),
                Choice(left=3, right=0, winner="tie"),
                Choice(left=0, right=2, winner="left"),
            ),
        ),
        correction(
            PROMPT, ANSWERS[3], Target(transcript="20261120-173012-k7qxd", messages=(8, 9)),
            edited="A mutex is a lock.", reasons=("too_verbose",), id=IDS[3], time=times[3],
        ),
        retraction(IDS[0], comment="wrong key", origin="rate", id=IDS[4], time=times[4]),
        rating(
            [user("?")], foreign, thumb=-1, judge=judge, origin="import:openwebui", foreign_id="fb-17",
            replaces=IDS[3], id=IDS[5], time=times[5],
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    GOLDEN.write_bytes(b"".join(encode(record) + b"\n" for record in golden_records()))
