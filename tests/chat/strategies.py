"""Arbitrary conversations, made of the strings that could confuse a reader of transcripts."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from chatcli.chat.conversation import Conversation
from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Picture, Role, Timings, Usage
from chatcli.sampling import SamplingParams

NAMES = st.sampled_from(
    ["lkjsxclm", "bot", "gpt-4.1", "ассистент", "🤖", "model", "title", "a", "x+y", "b(c)"]
)

_TRAPS = [
    *("<", ">", "/", "&", ";", '"', "'", "=", " ", "\n", "\r\n", "\r", "\t", "\0", "\x1b", "\u2028", "\x85"),
    *(
        "\ufeff",
        "\ud800",
        "\udfff",
        "\ud83d\ude00",
        "\U0001f600",
        "é",
        "amp;",
        "&amp;",
        "lt;",
        "&lt;",
        "&gt;",
    ),
    *("&quot;", "#xD800;", "&#xD800;", "&#xDFFF;", "&#xd800;", "&#10;", "<user>", "</user>", "<user/>"),
    *("<system>", "</system>", "<lkjsxclm>", "</lkjsxclm>", "</bot>", "<b>", "</b>", "<!-- -->", "]]>"),
    *(
        '<user id="1">',
        '\n<user id="2">',
        '\n<lkjsxclm id="3">',
        '\n<bot id="',
        '<head id="1"/>',
        '\n<head id="',
    ),
    *(
        '\n<session id="',
        '\n<model name="',
        '\n<title text="',
        '\n&lt;user id="',
        '\n&amp;lt;user id="',
        "</a>",
    ),
    *("lt;/user>", "&lt;/user>", "&amp;lt;/user>", "&amp;amp;lt;/bot>", "user", "bot", "id", "name", "</"),
]

ANY_TEXT = st.text(st.characters())  # lone surrogates included
TEXTS = st.lists(st.sampled_from(_TRAPS) | st.text(st.characters(), max_size=4), max_size=8).map("".join)

_FLOATS = st.floats(allow_nan=False)
_COUNTS = st.integers(0, 10**9)
_KEYS = st.sampled_from(["time", "x-1", "é", "a.b:c", "_", "%41", "picture.0", "picture.9"])
EXTRAS = st.dictionaries(_KEYS, TEXTS, max_size=2)

PARAMETERS = st.builds(
    SamplingParams,
    temperature=st.floats(0, 100),
    top_k=st.integers(0, 1_000_000),
    top_p=st.floats(0, 1),
    min_p=st.floats(0, 1),
    dry_base=st.floats(1, 100),
    seed=st.none() | st.integers(0, 2**32 - 2),
    max_tokens=st.none() | st.integers(1, 10_000_000),
    stop=st.lists(TEXTS.filter(bool), max_size=2).map(tuple),
    grammar=st.none() | TEXTS,
)
MODELS = st.builds(
    ModelRef,
    name=TEXTS,
    file=TEXTS,
    sha256=TEXTS,
    adapter=TEXTS,
    adapter_scale=_FLOATS,
    context_size=_COUNTS,
)
GENERATIONS = st.builds(
    Generation,
    model=MODELS,
    finish_reason=st.sampled_from(FinishReason),
    parameters=PARAMETERS,
    usage=st.builds(Usage, _COUNTS, _COUNTS, _COUNTS, _COUNTS),
    timings=st.builds(Timings, _FLOATS, _FLOATS, _FLOATS),
    versions=st.dictionaries(TEXTS, TEXTS, max_size=2),
    thinking=st.none() | st.booleans(),
)
_ANSWERS = st.builds(
    Message, st.just(Role.ASSISTANT), TEXTS, reasoning=st.none() | TEXTS, generation=st.none() | GENERATIONS
)
_PICTURES = st.lists(
    st.builds(Picture, st.text("0123456789abcdef", min_size=64, max_size=64), TEXTS), max_size=3
).map(tuple)
MESSAGES = st.builds(Message, st.sampled_from([Role.USER, Role.SYSTEM]), TEXTS, pictures=_PICTURES) | _ANSWERS


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Any tree: every message follows any earlier one or none; the head is anywhere."""
    moment = draw(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)))
    conversation = Conversation(draw(TEXTS), moment, draw(TEXTS), draw(NAMES), draw(EXTRAS))
    for message in draw(st.lists(MESSAGES, max_size=6)):
        above = [None, *(node.id for node in conversation.nodes)]
        conversation.append(message, draw(st.sampled_from(above)), draw(EXTRAS))
    conversation.move_head(draw(st.sampled_from([None, *(node.id for node in conversation.nodes)])))
    return conversation
