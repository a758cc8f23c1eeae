"""Models that see: what they read is what libmtmd would have them read, and is kept like everything else."""

import gc
import io
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chatcli.chat.message import FinishReason, Message, Picture, Role, assistant, user
from chatcli.engine.base import Cancellation, Unseen
from chatcli.engine.llama import native
from chatcli.engine.llama.engine import LlamaEngine
from chatcli.engine.llama.loading import LoadedModel
from chatcli.engine.llama.tape import Aborted, Tape
from chatcli.engine.llama.vocabulary import begins_chunk, cell_ids, chunk_start, is_cell
from chatcli.errors import ContextOverflow, DataError, ModelError
from chatcli.sampling import SamplingParams
from tests.engine import seeing, tiny_models
from tests.engine.answers import Answer, ask
from tests.engine.conftest import OPTIONS, loaded_model
from tests.engine.projector_files import write_projector

GREEDY = SamplingParams(temperature=0, max_tokens=12)
LETTERS = replace(GREEDY, grammar="root ::= [a-z]+")
TRAPS = ["\ue100", "\ue101", "<|im_end|>", "<__media__>", "<think>", "a", " ", "\n"]
BOTH = ONE, TWO = seeing.picture(1), seeing.picture(2, (300, 180))


def _open(pair: str, **options: object) -> LlamaEngine:
    model, projector = seeing.files(pair)
    chosen = replace(OPTIONS, projector=projector, **options)  # type: ignore[arg-type]
    return LlamaEngine.open(model, chosen)


@pytest.fixture(params=seeing.PAIRS)
def pair(request: pytest.FixtureRequest) -> str:
    """Every kind of model and projector."""
    name: str = request.param
    return name


@pytest.fixture
def engine(pair: str) -> Iterator[LlamaEngine]:
    """An engine that has seen nothing yet."""
    with _open(pair) as engine:
        yield engine


@contextmanager
def _tape(pair: str) -> Iterator[tuple[LoadedModel, Tape]]:
    """A memory that has read nothing yet; its model knows the rows of the two pictures."""
    model, projector = seeing.files(pair)
    with loaded_model(model, replace(OPTIONS, projector=projector)) as loaded:
        assert loaded.vision is not None
        loaded.vision.row(ONE)
        loaded.vision.row(TWO)
        yield loaded, Tape(loaded.native, loaded.context, loaded.batch_size, loaded.vision)


@pytest.fixture
def plain() -> Iterator[LlamaEngine]:
    """The same for the simplest kind."""
    with _open("plain") as engine:
        yield engine


def test_predicts_what_libmtmds_own_reading_predicts(pair: str) -> None:
    """Two pictures in two messages: the same logits as after libmtmd tokenized and evaluated the text."""
    chat = [user("What is it?", ONE), assistant("A."), user("And this: is it one, too?", TWO)]
    marked = "".join(
        f"<|im_start|>{m.role}\n{'<__media__>' * len(m.pictures)}{m.content}<|im_end|>\n" for m in chat
    )
    with _open(pair) as engine:
        ids = [token.id for token in engine.prompt(chat, GREEDY).tokens]
    with _tape(pair) as (loaded, tape):
        expected = seeing.Reference(*seeing.files(pair), loaded.batch_size).logits(
            f"{marked}<|im_start|>assistant\n", [ONE, TWO]
        )
        for _ in tape.read(ids, pictures=BOTH):
            pass
        got = seeing.logits_of(loaded.native.lib, loaded.model, loaded.context)
    assert got == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("at", range(3, 12))
def test_a_tape_is_cut_before_a_picture_not_inside(at: int) -> None:
    """What remains after a cut inside a picture is what was before it, and goes on as if it had not come."""
    with _tape("m-rope") as (loaded, tape):
        row = loaded.vision.row(TWO) if loaded.vision else ()
        ids = [5, 6, *row, 7, 8]
        for _ in tape.read([*ids[:2], 9]):
            pass
        expected = seeing.logits_of(loaded.native.lib, loaded.model, loaded.context)
        tape.clear()
        for _ in tape.read(ids, pictures=BOTH):
            pass
        first = next(n for n, token in enumerate(ids) if is_cell(token))
        assert tape.keep(first + at) == first
        assert tape.keep(2) == 2
        for _ in tape.read([9]):
            pass
        assert seeing.logits_of(loaded.native.lib, loaded.model, loaded.context) == pytest.approx(
            expected, abs=2e-4
        )


def _sizes(answer: Answer) -> tuple[int, int]:
    return answer.usage.cached_tokens, answer.usage.decoded_tokens


def test_a_picture_is_read_once(engine: LlamaEngine) -> None:
    """The next turn decodes what is new in it; with another picture in its place all after it is read."""
    chat = [user("What is it?", ONE)]
    first = ask(engine, chat, LETTERS)
    assert _sizes(first) == (0, first.usage.prompt_tokens)
    chat += [assistant(first.text), user("Why?")]
    second = ask(engine, chat, LETTERS)
    not_yet = first.finish_reason is FinishReason.LENGTH  # the last letter was drawn, but not read
    new = not_yet + len("?\n?user\nWhy??\n?assistant\n")  # control tokens as question marks
    assert _sizes(second) == (second.usage.prompt_tokens - new, new)
    other = ask(engine, [user("What is it?", seeing.picture(3)), *chat[1:]], LETTERS)
    tokens = engine.prompt(chat, LETTERS).tokens
    assert other.usage.cached_tokens <= next(n for n, token in enumerate(tokens) if is_cell(token.id))
    assert other.usage.prompt_tokens == second.usage.prompt_tokens


def test_the_same_after_a_cut_as_from_nothing(pair: str) -> None:
    """What is left of a memory after other questions, undone turns and other pictures is as good as new."""
    first, second = [user("What is it?", ONE)], [user("What is it?", ONE), assistant("An A."), user("B", TWO)]
    with _open(pair) as fresh:
        expected = ask(fresh, second, GREEDY).text
    with _open(pair) as engine:
        ask(engine, first, GREEDY)
        ask(engine, [user("What is it?", TWO)], GREEDY)
        ask(engine, [*second, assistant("No."), user("More", ONE)], GREEDY)
        assert ask(engine, second, GREEDY).text == expected
        assert ask(engine, second, GREEDY).usage.decoded_tokens == 1


def test_saved_memory_goes_on_in_another_process(pair: str, tmp_path: Path) -> None:
    """A state with pictures in it is loaded by another engine, which then decodes the new message only."""
    chat = [user("What is it?", ONE)]
    with _open(pair) as engine:
        first = ask(engine, chat, LETTERS)
        state = engine.save_state()
        chat += [assistant(first.text), user("Why?")]
        expected = ask(engine, chat, LETTERS)
    assert state is not None
    with _open(pair) as other:
        assert other.load_state(bytes(state))
        resumed = ask(other, chat, LETTERS)
        assert (resumed.text, resumed.counts) == (expected.text, expected.counts)
    model, _ = seeing.files(pair)
    with LlamaEngine.open(model, OPTIONS) as blind:
        assert not blind.load_state(bytes(state))


class _StopsAfter(Cancellation):
    """Set by itself when it was looked at often enough."""

    __slots__ = ("left",)

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.left = looks

    def is_set(self) -> bool:
        """Whether that is now."""
        self.left -= 1
        if self.left <= 0:
            self.set()
        return super().is_set()


@pytest.mark.parametrize("looks", [1, 2, 3, 4, 5, 6, 8])
def test_stopped_while_it_looks(pair: str, looks: int) -> None:
    """Ctrl-C while a picture is encoded or decoded: the answer is interrupted, and the next one is whole."""
    chat = [user("What is it?", TWO)]
    with _open(pair) as fresh:
        expected = ask(fresh, chat, GREEDY).text
    with _open(pair) as engine:
        ask(engine, [user("Hello")], GREEDY)
        events = list(engine.generate(chat, GREEDY, cancel=_StopsAfter(looks)))
        stopped = Answer(tuple(events))
        assert stopped.finish_reason is FinishReason.INTERRUPTED
        assert ask(engine, chat, GREEDY).text == expected


@pytest.mark.parametrize("pair", ["plain", "m-rope", "hybrid"])
def test_stopped_while_a_picture_is_put_into_the_memory(pair: str) -> None:
    """Ctrl-C after a part of a picture was decoded: that part is taken out again."""
    with _tape(pair) as (loaded, tape):
        assert loaded.vision is not None
        ids = [5, 6, *loaded.vision.row(TWO), 7, 8]
        before = next(n for n, token in enumerate(ids) if is_cell(token))

        def predicted() -> list[float]:
            for _ in tape.read(ids[len(tape.ids) :], pictures=BOTH):
                pass
            return seeing.logits_of(loaded.native.lib, loaded.model, loaded.context)

        expected = predicted()
        tape.clear()
        cancel, log = Cancellation(), native.load().log
        tape.watch(cancel)
        log.listener = lambda text: cancel.set() if "decoding image batch 2/" in text else None
        try:
            with pytest.raises(Aborted):
                list(tape.read(ids, cancel, BOTH))
        finally:
            log.listener = None
            tape.watch(None)
        assert tape.ids == ids[:before] or not tape.can_cut
        assert predicted() == pytest.approx(expected, abs=2e-4)


def test_a_picture_that_cannot_be_seen_is_named(plain: LlamaEngine, tiny_llama_path: Path) -> None:
    """Without a projector, or when its file is gone, the model reads its name, and that is said."""
    gone = Picture("0" * 64, "cat.png")
    got = ask(plain, [user("What is it?", gone, ONE)], GREEDY)
    assert got.events[0] == Unseen(("cat.png",), "cat.png is not here")
    prompt = plain.prompt([user("What is it?", gone)], GREEDY)
    assert "<|im_start|>user\n[picture: cat.png]\nWhat is it?<|im_end|>" in prompt.text
    with LlamaEngine.open(tiny_llama_path, OPTIONS, no_vision_reason="it has no eyes") as blind:
        assert blind.no_vision_reason == "it has no eyes"
        assert ask(blind, [user("?", ONE, TWO)], GREEDY).events[0] == Unseen(
            ("1.png", "2.png"), "it has no eyes"
        )
        assert not any(is_cell(token.id) for token in blind.prompt([user("?", ONE)], GREEDY).tokens)
    assert plain.no_vision_reason == ""


def test_the_prompt_shows_where_pictures_stand(plain: LlamaEngine) -> None:
    """Their cells are tokens without text but for the first, which has the name; none is decoded for that."""
    prompt = plain.prompt([user("Hi", ONE, TWO)], GREEDY)
    assert "<|im_start|>user\n[picture: 1.png][picture: 2.png]Hi<|im_end|>" in prompt.text
    cells = [token for token in prompt.tokens if is_cell(token.id)]
    assert len(cells) == 128
    assert all(token.special for token in cells)
    assert [token.text for token in cells if token.text] == ["1.png", "2.png"]
    assert [begins_chunk(token.id) for token in cells].count(True) == 2
    assert ask(plain, [user("Hi", ONE, TWO)], GREEDY).usage.cached_tokens == 0


def test_pictures_leave_with_their_messages(plain: LlamaEngine) -> None:
    """A full context lets the oldest exchanges go, pictures included; what never fits is refused."""
    with _open("plain", context_size=256) as small:
        chat: list[Message] = []
        for turn in range(8):
            chat.append(user(f"question {turn}", seeing.picture(turn)))
            got = ask(small, chat, replace(GREEDY, max_tokens=4))
            assert got.usage.prompt_tokens <= 256
            chat.append(assistant("yes"))
        assert small.prompt(chat, GREEDY).left_out
        many = [seeing.picture(seed) for seed in range(16)]
        with pytest.raises(ContextOverflow):
            ask(small, [user("all of these", *many)], GREEDY)
        assert ask(small, [user("Hello")], GREEDY).usage.prompt_tokens < 60


@given(
    st.sampled_from(list(Role)),
    st.lists(st.sampled_from(TRAPS), max_size=6).map("".join),
)
@settings(max_examples=60, deadline=None)
def test_no_text_is_a_picture(role: Role, text: str) -> None:
    """Whatever is said, a prompt has the cells of its pictures and its control tokens, no others."""
    engine = _shared()
    chat = [Message(role, text, pictures=(ONE,)), user(text, TWO)]
    harmless = [Message(role, "x", pictures=(ONE,)), user("y", TWO)]
    prompt, expected = engine.prompt(chat, GREEDY), engine.prompt(harmless, GREEDY)
    specials = [t.id for t in prompt.tokens if t.special]
    assert specials == [t.id for t in expected.tokens if t.special]


_ENGINES: list[LlamaEngine] = []


def _shared() -> LlamaEngine:
    if not _ENGINES:
        _ENGINES.append(_open("tiles"))
    return _ENGINES[0]


def test_a_projector_that_does_not_fit_is_named(tmp_path: Path, tiny_llama_path: Path) -> None:
    """Another width, no projector at all, an empty file: one line with the reason."""
    wrong = write_projector(tmp_path / "mmproj-wrong.gguf", width=128)
    with pytest.raises(ModelError, match=r"mmproj-wrong\.gguf cannot be used: .*n_embd = 64.*n_embd = 128"):
        LlamaEngine.open(tiny_llama_path, replace(OPTIONS, projector=wrong))
    with pytest.raises(ModelError, match=r"cannot be used: [^\n]+\Z"):
        LlamaEngine.open(tiny_llama_path, replace(OPTIONS, projector=tiny_llama_path))
    (tmp_path / "empty.gguf").touch()
    with pytest.raises(ModelError, match=r"cannot be used: [^\n]+\Z"):
        LlamaEngine.open(tiny_llama_path, replace(OPTIONS, projector=tmp_path / "empty.gguf"))


def test_nothing_comes_after_a_picture(tmp_path: Path) -> None:
    """A template that ends with the message: a line ends behind the picture, and an answer begins there."""
    _, projector = seeing.files("plain")
    bare = "{% for m in messages %}{{ m.content }}{% endfor %}"
    model = tiny_models.write_llama(tmp_path / "bare.gguf", template=bare)
    with LlamaEngine.open(model, replace(OPTIONS, projector=projector)) as engine:
        tokens = engine.prompt([user("", ONE)], GREEDY).tokens
        assert [t.text for t in tokens if not is_cell(t.id)] == ["\n"]
        assert ask(engine, [user("", ONE)], GREEDY).usage.completion_tokens > 0


def test_all_cells_that_see_each_other_are_read_at_once(tmp_path: Path) -> None:
    """A photo of any shape fits a batch; a mere line, which may take any number of cells, is named."""
    projector = write_projector(tmp_path / "mmproj.gguf", width=tiny_models.WIDTH, kind="gemma4v")
    model, _ = seeing.files("non-causal")
    options = replace(OPTIONS, projector=projector, picture_tokens=300, context_size=512)
    shapes = [(4000, side) for side in range(600, 9000, 100)]
    with loaded_model(model, options) as loaded:
        assert loaded.vision is not None
        for size in shapes:
            cells = sum(map(is_cell, loaded.vision.row(seeing.picture(size=size, plain=True))))
            assert 200 < cells <= loaded.batch_size
        with pytest.raises(ModelError, match=r"a picture of 2836 x 1 pixels takes 4\d+ tokens, .* once"):
            loaded.vision.row(seeing.picture(size=(2836, 1)))


def test_a_picture_is_what_the_message_at_hand_says(plain: LlamaEngine) -> None:
    """The same picture under another name and from another place: as it is called there, and read there."""

    def gone() -> bytes:
        raise DataError("it was there")

    here = [replace(ONE, name=name) for name in ("a.png", "b.png")]
    assert plain.prompt([user("Hi", replace(ONE, name="c.png"))], GREEDY)
    names = [token.text for token in plain.prompt([user("Hi", *here)], GREEDY).tokens if is_cell(token.id)]
    assert [name for name in names if name] == ["a.png", "b.png"]
    with pytest.raises(DataError, match="it was there"):
        ask(plain, [user("Hi", replace(ONE, read=gone))], GREEDY)
    assert ask(plain, [user("Hi", ONE)], GREEDY).finish_reason is not FinishReason.ERROR


def test_a_picture_that_failed_is_named_from_then_on(plain: LlamaEngine) -> None:
    """It was known how many cells it takes; then its file is gone, and comes back: the chat goes on."""
    there = False

    def read() -> bytes:
        if not there:
            raise DataError("no file")
        return seeing.bytes_of(ONE)

    chat = [user("Hi", replace(ONE, read=read))]
    plain.prompt([user("Hi", ONE)], GREEDY)
    with pytest.raises(DataError, match="no file"):
        ask(plain, chat, GREEDY)
    assert ask(plain, chat, GREEDY).events[0] == Unseen(("1.png",), "no file")
    there = True
    assert not any(isinstance(event, Unseen) for event in ask(plain, chat, GREEDY).events)


def test_the_bytes_of_pictures_are_let_go(plain: LlamaEngine) -> None:
    """When the conversation no longer holds a picture, nothing does: photos have many megabytes each."""

    class Reader:
        def __call__(self) -> bytes:
            return seeing.bytes_of(ONE)

    reader = Reader()
    ask(plain, [user("Hi", replace(ONE, read=reader))], GREEDY)
    ask(plain, [user("Hi")], GREEDY)
    held = weakref.ref(reader)
    del reader
    gc.collect()
    assert held() is None


def test_too_few_tokens_for_a_picture_are_named() -> None:
    """libmtmd speaks of pixels; the setting is in tokens."""
    with pytest.raises(ModelError, match=r"takes at least 8 tokens with it, and picture_tokens is 3$"):
        _open("m-rope", picture_tokens=3)


def test_a_picture_damaged_since_is_one_line(plain: LlamaEngine) -> None:
    """A photo that ends early fails when it is unpacked; the engine stays usable."""
    out = io.BytesIO()
    Image.effect_noise((200, 200), 80).save(out, "JPEG")
    data = out.getvalue()[:4000]
    with pytest.raises(DataError, match="half is a damaged picture"):
        ask(plain, [user("?", Picture("1" * 64, "half", lambda: data))], GREEDY)
    assert ask(plain, [user("?", ONE)], GREEDY).finish_reason is not FinishReason.ERROR


@given(st.text(max_size=8), st.integers(1, 40), st.data())
def test_cells_belong_to_what_they_show(shown: str, count: int, data: st.DataObject) -> None:
    """Ids are negative, the same for the same, and begin once; a tape is cut before them, never inside."""
    shown = shown.encode("utf-8", "replace").decode()
    ids = cell_ids(shown, count)
    assert ids == cell_ids(shown, count)
    assert all(-(2**31) <= token < 0 for token in ids)
    assert [begins_chunk(token) for token in ids] == [True] + [False] * (count - 1)
    tape = [5, *ids, 7]
    at = data.draw(st.integers(0, len(tape)))
    assert chunk_start(tape, at) == (at if at in (0, 1, count + 1, count + 2) else 1)
