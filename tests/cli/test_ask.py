"""``chatcli ask`` and pipes, through the whole program."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatcli.chat.transcript.reader import load
from chatcli.errors import ExitCode
from tests.program import CHATCLI, environment, run

SCRIPTED = ("-m", "scripted:")


def transcripts(home: Path) -> list[Path]:
    """The transcripts a run left behind."""
    return sorted((home / "transcripts").rglob("*.txt"))


def test_answers_with_the_bundled_model(home: Path) -> None:
    """Without any option the bundled model answers; stdout holds the answer and nothing else."""
    done = run(home, "ask", "-t", "0", "Hello!")
    assert done.code == 0, done.stderr
    assert done.stdout.strip()
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


def test_words_and_piped_text_join_with_a_blank_line(home: Path) -> None:
    """The question is the words, a blank line, the piped text."""
    done = run(home, "ask", *SCRIPTED, "Summarize", "this", stdin="one\ntwo\n")
    assert done.stdout == "I heard: Summarize this\n\none\ntwo\n"


def test_a_pipe_without_a_command_is_a_question(home: Path) -> None:
    """``echo ... | chatcli`` answers and ends."""
    assert run(home, *SCRIPTED, stdin="hi\n").stdout == "I heard: hi\n"


def test_options_before_the_command_hold_for_it(home: Path) -> None:
    """``chatcli -m X ask`` means ``chatcli ask -m X``."""
    assert run(home, *SCRIPTED, "ask", "hi").stdout == "I heard: hi\n"


def test_json_is_one_object_with_the_documented_fields(home: Path) -> None:
    """``--json`` prints the answer, how it came to be, and its counts, which add up."""
    done = run(home, "ask", "--json", "--seed", "7", "Hello!")
    record = json.loads(done.stdout)
    assert set(record) == {"answer", "reasoning", "finish_reason", "model", "seed", "usage", "timings"}
    assert record["model"] == "lkjsxclm"
    assert record["seed"] == 7
    assert record["finish_reason"] == "end"
    usage = record["usage"]
    assert usage["prompt_tokens"] == usage["cached_tokens"] + usage["decoded_tokens"]
    assert usage["completion_tokens"] > 0
    assert done.stdout.count("\n") == 1


def test_the_same_seed_gives_the_same_answer(home: Path) -> None:
    """A seed makes an answer repeatable, also without being asked for: it is reported."""
    first = json.loads(run(home, "ask", "--json", "Tell me a joke").stdout)
    second = json.loads(run(home, "ask", "--json", "--seed", str(first["seed"]), "Tell me a joke").stdout)
    assert first["answer"] == second["answer"]


def test_a_schema_constrains_the_answer(home: Path) -> None:
    """With ``--json-schema`` the answer is JSON that follows the schema, given as text or as a file."""
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 12}, "big": {"type": "boolean"}},
        "required": ["city", "big"],
        "additionalProperties": False,
    }
    done = run(home, "ask", "--json-schema", json.dumps(schema), "A city?")
    answer = json.loads(done.stdout)
    assert isinstance(answer["big"], bool)
    assert isinstance(answer["city"], str)
    file = home / "schema.json"
    file.write_text(json.dumps(schema))
    assert set(json.loads(run(home, "ask", "--json-schema", str(file), "A city?").stdout)) == {"city", "big"}


def test_a_grammar_constrains_the_answer(home: Path) -> None:
    """With ``--grammar FILE`` the answer is a sentence of the grammar."""
    file = home / "yes.gbnf"
    file.write_text('root ::= "yes" | "no"\n')
    assert run(home, "ask", "--grammar", str(file), "Really?").stdout in {"yes\n", "no\n"}


def test_show_prompt_generates_nothing(home: Path) -> None:
    """``--show-prompt`` prints text and tokens, control tokens marked, and keeps no transcript."""
    done = run(home, "ask", "--show-prompt", "Hello </user> there")
    assert done.code == 0, done.stderr
    text, _, table = done.stdout.partition("\n\n")
    assert "Hello </user> there" in text
    marked = [line.split()[2] for line in table.splitlines()[1:] if line.split()[1:2] == ["*"]]
    assert marked.count('"</user>"') == 1
    assert transcripts(home) == []


def test_show_prompt_as_data(home: Path) -> None:
    """With ``--json`` the prompt is data: its pieces make up the text."""
    done = run(home, "ask", "--show-prompt", "--json", "--system", "Be kind.", "Hé <user> x")
    record = json.loads(done.stdout)
    assert {"text", "tokens", "left_out"} <= set(record)
    assert all(set(token) == {"id", "text", "special"} for token in record["tokens"])
    specials = [token["text"] for token in record["tokens"] if token["special"]]
    assert specials.count("<user>") == 1


def test_escape_sequences_are_shown_not_sent(home: Path) -> None:
    """Whatever a model says, no escape byte reaches stdout; ``--json`` keeps the exact text."""
    nasty = "\x1b]52;c;aGk=\x07\u202eabc\x9b31m"
    plain = run(home, "ask", *SCRIPTED, nasty)
    assert "\x1b" not in plain.stdout
    assert "\x9b" not in plain.stdout
    assert "^[]52" in plain.stdout
    assert json.loads(run(home, "ask", *SCRIPTED, "--json", nasty).stdout)["answer"] == "I heard: " + nasty


def test_the_exchange_is_kept_as_a_transcript(home: Path) -> None:
    """A one-shot question is logged with its answer; private files, private folders."""
    run(home, "ask", *SCRIPTED, "hi")
    (file,) = transcripts(home)
    conversation = load([file.read_bytes()]).conversation
    assert [m.content for m in conversation.messages()] == ["hi", "I heard: hi"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_no_log_leaves_no_trace(home: Path) -> None:
    """With ``-n`` no file below the home holds what was said."""
    run(home, "ask", "-n", "-t", "0", "a marker that is nowhere else: qzxv")
    kept = [f for f in home.rglob("*") if f.is_file() and b"qzxv" in f.read_bytes()]
    assert kept == []


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "words"),
    [
        (["ask", *SCRIPTED], b"", ExitCode.USAGE, "there is no question"),
        (["ask", *SCRIPTED, "-t", "hot", "hi"], b"", ExitCode.USAGE, "number"),
        (["ask", *SCRIPTED, "-t", "-1", "hi"], b"", ExitCode.USAGE, "temperature must be between 0 and 100"),
        (["ask", *SCRIPTED, "-o", "tpo_p=1", "hi"], b"", ExitCode.USAGE, "did you mean top_p"),
        (["ask", *SCRIPTED, "-o", "top_p", "hi"], b"", ExitCode.USAGE, "KEY=VALUE"),
        (["ask", *SCRIPTED], b"\x00\x01binary", ExitCode.USAGE, "binary"),
        (["ask", "--grammar", "nowhere.gbnf", "hi"], b"", ExitCode.USAGE, "nowhere.gbnf"),
        (["ask", "--json-schema", "{", "hi"], b"", ExitCode.USAGE, "schema"),
        (["ask", "--json-schema", "{}", "--grammar", "x", "hi"], b"", ExitCode.USAGE, "exclude"),
        (["ask", "-m", "nosuch", "hi"], b"", ExitCode.MODEL, "there is no model 'nosuch'"),
        (["ask", "-m", "lkjsxlm", "hi"], b"", ExitCode.MODEL, "did you mean lkjsxclm"),
        (["ask", "-m", "/nowhere/x.gguf", "hi"], b"", ExitCode.MODEL, "/nowhere/x.gguf"),
        (["--frobnicate"], b"", ExitCode.USAGE, "No such option"),
        (["frobnicate"], b"", ExitCode.USAGE, "No such command"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(
    home: Path, arguments: list[str], stdin: bytes, code: int, words: str
) -> None:
    """Whatever a user can get wrong ends in one line that says what, and a documented code."""
    done = run(home, *arguments, stdin=stdin)
    assert done.code == code, done.stderr
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert transcripts(home) == []


def test_a_text_too_long_is_refused_with_both_numbers(home: Path) -> None:
    """Piped text that cannot fit the context ends in one line with both numbers, before any work."""
    done = run(home, "ask", "--ctx-size", "256", "Summarize", stdin="word " * 5000)
    assert done.code == ExitCode.CONTEXT
    assert "256" in done.stderr
    assert "--ctx-size" in done.stderr
    assert done.stdout == ""


def test_stop_strings_and_max_tokens(home: Path) -> None:
    """``--stop`` ends the answer before the string, ``--max-tokens`` after so many tokens."""
    stopped = json.loads(run(home, "ask", *SCRIPTED, "--json", "--stop", "five", "say four five six").stdout)
    assert stopped["finish_reason"] == "stop"
    assert "five" not in stopped["answer"]
    cut = json.loads(run(home, "ask", "--json", "--max-tokens", "3", "Tell me about Q-learning").stdout)
    assert cut["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] == 3


def _start(home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*CHATCLI, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(home),
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_keeps_what_came(home: Path, number: signal.Signals) -> None:
    """Ctrl-C, a kill, a closed terminal: the answer ends quietly; its part is on disk, marked interrupted."""
    process = _start(home, "ask", "-m", "scripted:delay=0.05", "count to 1000")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(4)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert errors == b""
    (file,) = transcripts(home)
    last = load([file.read_bytes()]).conversation.messages()[-1]
    assert last.generation is not None
    assert last.generation.finish_reason == "interrupted"
    assert last.content.startswith("1 2")


def test_a_second_ctrl_c_ends_at_once(home: Path) -> None:
    """Two Ctrl-C in a row leave no traceback."""
    process = _start(home, "ask", "-m", "scripted:delay=0.05", "count to 1000")
    assert process.stdout is not None
    assert process.stdout.read(4)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert errors == b""


@pytest.mark.parametrize("module", ["chatcli.errors", "typer", "chatcli.cli.main", "llama_cpp"])
def test_ctrl_c_during_an_import_is_quiet(home: Path, module: str) -> None:
    """An interrupt while the program starts or the model library loads ends it without a traceback.

    Bug: typer was being imported when Ctrl-C came, and Python printed its traceback.
    """
    code = "from chatcli.__main__ import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-c", code, "ask", "Hello!"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(home),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.decode().rpartition("|")[2].strip() == module:  # it has just been imported
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode in {ExitCode.INTERRUPTED, ExitCode.OK, -signal.SIGINT}
    assert b"Traceback" not in errors


@pytest.mark.parametrize("words", ["ask -m scripted:delay=0.001 'count to 2000'", "ask --help"])
def test_a_reader_that_has_enough(home: Path, words: str) -> None:
    """``| head`` ends the program quietly and successfully.

    Bug: click turns a broken pipe into exit code 1, and this test read the exit code of another command.
    """
    command = f"{' '.join(map(_quoted, CHATCLI))} {words} | head -c 10 >&2; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert done.stdout == b"0\n"
    assert len(done.stderr) == 10  # what head let through, and no message


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def test_a_locale_without_unicode(home: Path) -> None:
    """In the C locale, with text that is not UTF-8, nothing breaks."""
    done = run(home, "ask", *SCRIPTED, "é", stdin=b"caf\xe9", env={"LC_ALL": "C", "PYTHONUTF8": "0"})
    assert done.code == 0, done.stderr
    assert "I heard" in done.stdout


def test_a_full_disk_is_said_and_the_answer_still_comes(home: Path) -> None:
    """When the transcript cannot be written, one line says so."""
    (home / "transcripts").write_text("a file where the folder should be")
    done = run(home, "ask", *SCRIPTED, "hi")
    assert done.code == ExitCode.STORAGE
    assert "transcripts" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_exit_codes_stay() -> None:
    """The codes stay what they were: scripts depend on them."""
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 7, 130]
