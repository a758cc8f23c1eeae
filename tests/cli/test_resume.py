"""Going on with a chat through the whole program: what is decoded, what a crash leaves, who may write."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.message import FinishReason, Role, Usage
from chatcli.chat.transcript.reader import load
from chatcli.engine.registry import Opening
from chatcli.errors import ExitCode
from chatcli.library.opening import open_engine
from chatcli.session.answering import SessionOptions
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.session import Session
from chatcli.settings import Paths, load_settings
from chatcli.storage.transcripts.store import NoTranscripts, TranscriptStore
from tests.program import CHATCLI, Terminal, environment, run

#: More than 256 tokens of the bundled model, which is what makes a state worth keeping.
LONG = "Tell me about this list: " + ", ".join(f"reward {n} and action {n}" for n in range(60)) + "."
# One thread: two that wait for each other lose most of their time on a busy machine.
GREEDY = ("-t", "0", "--max-tokens", "24", "--threads", "1")


def kept(home: Path) -> Conversation:
    """The one transcript below ``home``."""
    (file,) = (home / "transcripts").rglob("*.txt")
    return load([file.read_bytes()]).conversation


def asked(home: Path, *arguments: str, env: Mapping[str, str] | None = None) -> dict[str, int]:
    """The counts of one answer."""
    done = run(home, "ask", "--json", *GREEDY, *arguments, env=env)
    assert done.code == 0, done.stderr
    assert done.stderr == ""
    usage: dict[str, int] = json.loads(done.stdout)["usage"]
    return usage


def states(home: Path) -> list[Path]:
    """The saved states."""
    folder = home / "cache" / "kv"
    return sorted(folder.iterdir()) if folder.exists() else []


def ready(terminal: Terminal) -> None:
    """Wait for an empty prompt at the bottom: what is typed while an answer comes is not sent by Enter."""
    terminal.wait_for(lambda text: text.endswith("\n>"))


def type_in(terminal: Terminal, home: Path, question: str, count: int) -> None:
    """Ask and wait for the next prompt; the transcript then holds ``count`` messages."""
    ready(terminal)
    terminal.send(question + "\r")
    terminal.wait_for(
        lambda _: bool(list((home / "transcripts").rglob("*.txt"))) and len(kept(home)) == count
    )
    ready(terminal)


def uninterrupted(home: Path, *questions: str) -> list[Usage]:
    """What the answers take in one chat without a break, with the settings of ``GREEDY``."""
    environ = environment(home)
    paths = Paths.locate(environ)
    settings = load_settings({"temperature": 0, "max_tokens": 24, "threads": 1}, {})
    slot = EngineSlot(
        lambda s, _cancel, _progress: open_engine(Opening(settings=s, paths=paths, environ=environ)), settings
    )
    with slot, closing(Session(slot, NoTranscripts(TranscriptStore(home)))) as session:
        session.options = SessionOptions(sampling=settings.sampling)
        for question in questions:
            list(session.send(question))
        answers = [m.generation for m in session.conversation.messages()]
        return [generation.usage for generation in answers if generation is not None]


def test_a_resumed_chat_decodes_the_new_message_only(home: Path) -> None:
    """As many tokens as in a chat that went on without a break, in the terminal and with ``ask -c``."""
    wanted = uninterrupted(home, LONG, "Hello!", "Thanks!")
    for count, question in enumerate((LONG, "Hello!"), start=1):
        with Terminal(home, *GREEDY, *(["-c"] if count > 1 else [])) as terminal:
            type_in(terminal, home, question, 2 * count)
            terminal.send("\x04")
            assert terminal.wait_for_exit() == 0
        assert len(states(home)) == 1
    asked(home, "-c", "Thanks!")
    found = [m.generation.usage for m in kept(home).messages() if m.generation is not None]
    assert [usage.decoded_tokens for usage in found] == [usage.decoded_tokens for usage in wanted]
    assert found[1].cached_tokens > 256
    assert max(usage.decoded_tokens for usage in found[1:]) < 20


def test_loading_another_chat_and_coming_back(home: Path) -> None:
    """``/clear`` and ``/load`` keep the state of the chat that is left, and find it again."""
    with Terminal(home, *GREEDY) as terminal:
        type_in(terminal, home, LONG, 2)
        name = kept(home).id
        terminal.send("/clear\r")
        terminal.wait_for("a new chat")
        ready(terminal)
        terminal.send(f"/load {name}\r")
        terminal.wait_for("2 messages")
        type_in(terminal, home, "Thanks!", 4)
        terminal.send("\x04")
        assert terminal.wait_for_exit() == 0
    usage = kept(home).messages()[-1].generation
    assert usage is not None
    assert usage.usage.decoded_tokens < 20
    assert usage.usage.cached_tokens > 256


def test_what_does_not_fit_is_read_again(home: Path) -> None:
    """A damaged file, another context size, a file in the folder's place: cold, silently; and it works."""
    asked(home, LONG)
    (state,) = states(home)
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)
    assert asked(home, "-c", "Hello!")["cached_tokens"] == 0
    assert asked(home, "-c", "--ctx-size", "1536", "Hello!")["cached_tokens"] == 0
    state.unlink()
    state.parent.rmdir()
    state.parent.touch()
    assert asked(home, "-c", "Hello!")["cached_tokens"] == 0
    assert state.parent.read_bytes() == b""


def test_nothing_is_saved_that_shall_not_be(home: Path) -> None:
    """Not with ``--no-log``, and not with a capacity of 0."""
    asked(home, "-n", LONG)
    asked(home, LONG, env={"CHATCLI_STATE_CACHE_MB": "0"})
    assert not (home / "cache" / "kv").exists()


COUNT = ("-m", "scripted:delay=0.05")


@contextlib.contextmanager
def answering(home: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """``ask`` in the middle of counting to 500."""
    process = subprocess.Popen(
        [*CHATCLI, "ask", *COUNT, *arguments, "count to 500"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(home),
    )
    assert process.stdout is not None
    try:
        said = b""
        while b" 12" not in said:
            piece = process.stdout.read1(4096)  # type: ignore[attr-defined]
            assert piece, "it ended"
            said += piece
        yield process
    finally:
        process.kill()
        process.communicate()


def is_a_part(conversation: Conversation) -> None:
    """The question and an interrupted beginning of the answer."""
    question, answer = conversation.messages()[:2]
    assert question.content == "count to 500"
    assert answer.role == Role.ASSISTANT
    assert answer.content.startswith("1 2 3 4 5 6")
    assert "1 2 3" not in answer.content[1:]
    assert answer.generation is not None
    assert answer.generation.finish_reason is FinishReason.INTERRUPTED
    assert answer.generation.model.architecture == "scripted"


def test_a_killed_answer_in_the_terminal_is_shown_and_continued(home: Path) -> None:
    """``-c`` shows the part, and ``/continue`` goes on from it."""
    with Terminal(home, *COUNT) as terminal:
        ready(terminal)
        terminal.send("count to 40\r")
        terminal.wait_for("1 2 3 4 5 6 7 8 9 10 11 12")
        terminal.signal(signal.SIGKILL)
        assert terminal.wait_for_exit() == -signal.SIGKILL
    with Terminal(home, "-m", "scripted:", "-c") as terminal:
        terminal.wait_for("1 2 3 4 5 6")
        ready(terminal)
        terminal.send("/continue\r")
        terminal.wait_for("39 40")
        ready(terminal)
        terminal.send("\x04")
        assert terminal.wait_for_exit() == 0
    assert kept(home).messages()[1].content == " ".join(map(str, range(1, 41)))


def test_a_new_chat_takes_up_what_another_left(home: Path) -> None:
    """Any run that keeps transcripts writes the part of a killed answer down; one with ``-n`` does not."""
    with answering(home) as process:
        assert len(list((home / "transcripts" / ".answering").iterdir())) == 1
        process.kill()
        process.wait()
    (file,) = (home / "transcripts").rglob("*.txt")
    assert run(home, "ask", "-n", "-m", "scripted:", "hi").code == 0
    assert len(load([file.read_bytes()]).conversation) == 1
    assert run(home, "ask", "-m", "scripted:", "hi").code == 0
    is_a_part(load([file.read_bytes()]).conversation)
    assert list((home / "transcripts" / ".answering").iterdir()) == []


def test_no_log_leaves_no_part(home: Path) -> None:
    """Killed in the middle of an answer, with ``--no-log``: no file holds a word of it."""
    with answering(home, "-n") as process:
        process.kill()
        process.wait()
    assert not [p for p in home.rglob("*") if p.is_file() and b"count to" in p.read_bytes()]
    assert not (home / "transcripts").exists()


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.soak), signal.SIGHUP, signal.SIGINT]
)
def test_a_signal_stops_ask_and_keeps_the_part(home: Path, number: signal.Signals) -> None:
    """The part is in the transcript when the program has ended, with the code of an interruption."""
    with answering(home) as process:
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == ExitCode.INTERRUPTED
        assert errors == b""
    is_a_part(kept(home))


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.soak)])
def test_a_signal_ends_the_chat_and_keeps_the_part(home: Path, number: signal.Signals) -> None:
    """While answering: the part is kept, the terminal restored, the code 128 and the signal's number."""
    with Terminal(home, *COUNT) as terminal:
        ready(terminal)
        terminal.send("count to 500\r")
        terminal.wait_for("1 2 3 4 5 6 7 8")
        terminal.signal(number)
        assert terminal.wait_for_exit() == 128 + number
        assert "Traceback" not in terminal.scrollback
        assert terminal.raw.rstrip().endswith(b"\x1b[?25h") or b"\x1b[?25l" not in terminal.raw[-40:]
    is_a_part(kept(home))


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.soak), signal.SIGHUP])
def test_a_signal_at_the_prompt_leaves_as_exit_does(home: Path, number: signal.Signals) -> None:
    """The state of the chat is saved, nothing is printed."""
    with Terminal(home, *GREEDY) as terminal:
        type_in(terminal, home, LONG, 2)
        terminal.signal(number)
        assert terminal.wait_for_exit() == 128 + number
        assert "Traceback" not in terminal.scrollback
        assert "rror" not in terminal.scrollback
    assert len(states(home)) == 1


def test_the_second_of_two_is_told(home: Path) -> None:
    """A conversation that is open in one chat cannot be opened by another: one line, exit code 6."""
    with Terminal(home, "-m", "scripted:") as terminal:
        type_in(terminal, home, "hi", 2)
        before = kept(home)
        done = run(home, "ask", "-r", before.id[:15], "-m", "scripted:", "and me")
        assert done.code == ExitCode.STORAGE
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert before.id in done.stderr
        assert "open in another chatcli" in done.stderr
        with Terminal(home, "-m", "scripted:", "-c") as second:
            assert second.wait_for_exit() == ExitCode.STORAGE
            assert "open in another chatcli" in " ".join(second.scrollback.split())
        assert kept(home) == before
        type_in(terminal, home, "still mine", 4)
        terminal.send("\x04")
        assert terminal.wait_for_exit() == 0
