"""What the eye sees while an answer arrives, in a real terminal."""

import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.program import Terminal

_PLAYER = [sys.executable, "-m", "tests.terminal.player"]
_ANSWER = """# Heading one

A paragraph with **bold words**, *others* and `code`, long enough to be wrapped on a screen of eighty columns.

- item alpha
- item beta, see [the page](https://example.org/page)

```python
def double(number):
    return number * 2
```

| Left | Right |
|------|------:|
| cell | 12 |

> quoted words
"""


def _play(
    tmp_path: Path, text: str, *options: str, size: tuple[int, int] = (80, 24), term: str = "xterm"
) -> Terminal:
    path = tmp_path / "answer.md"
    path.write_text(text, encoding="utf-8")
    return Terminal(tmp_path, str(path), *options, size=size, env={"TERM": term}, command=_PLAYER)


def _in_order(text: str, wanted: Sequence[str]) -> bool:
    return bool(re.search(".*".join(map(re.escape, wanted)), text, re.DOTALL))


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (20, 6)])
def test_markdown_is_laid_out(tmp_path: Path, size: tuple[int, int]) -> None:
    """Headings, lists, code, tables and quotes look like what they are; each line is there once."""
    with _play(tmp_path, _ANSWER, "0.002", "3", size=size) as terminal:
        text = terminal.wait_for("END")
    assert _in_order(text, ["Heading one", "bold", "• item alpha", "https://", "def double", "│ quoted"])
    for once in ("Heading one", "item alpha", "return number", "cell", "quoted"):
        assert text.count(once) == 1, once
    assert "**" not in text
    assert "# Heading" not in text


def test_the_cursor_and_the_modes_come_back(tmp_path: Path) -> None:
    """After an answer the cursor is visible and the terminal wraps again."""
    with _play(tmp_path, _ANSWER, "0.002", "3") as terminal:
        terminal.wait_for("END")
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l") > 0
    assert terminal.raw.rfind(b"\x1b[?7h") > terminal.raw.rfind(b"\x1b[?7l") > 0


@pytest.mark.parametrize("option", ["plain", "dumb"])
def test_plain_terminals_get_whole_lines_and_no_escape(tmp_path: Path, option: str) -> None:
    """With ``plain`` and on a dumb terminal every line comes as it was written, without any escape
    sequence."""
    term = "dumb" if option == "dumb" else "xterm"
    with _play(tmp_path, _ANSWER, "0.002", "3", option, "slow", term=term, size=(120, 24)) as terminal:
        text = terminal.wait_for("END")
    assert b"\x1b" not in terminal.raw
    assert _ANSWER.strip() in text


def test_no_color_keeps_styles_without_colours(tmp_path: Path) -> None:
    """``NO_COLOR`` takes colours away, and only them."""
    path = tmp_path / "answer.md"
    path.write_text(_ANSWER)
    with Terminal(tmp_path, str(path), env={"NO_COLOR": "1"}, command=_PLAYER) as terminal:
        terminal.wait_for("END")
    assert re.search(rb"\x1b\[1m", terminal.raw)
    assert not re.search(rb"\x1b\[[0-9;]*\b[34][0-7]m", terminal.raw)


def test_without_markdown_the_text_is_as_the_model_wrote_it(tmp_path: Path) -> None:
    """Without markdown every character of the answer is printed, and nothing else."""
    with _play(tmp_path, _ANSWER, "0.002", "3", "raw", size=(120, 40)) as terminal:
        text = terminal.wait_for("END")
    assert _ANSWER.strip() in text


def test_reasoning_has_a_heading_and_a_duration(tmp_path: Path) -> None:
    """Reasoning is shown under a heading, and how long it took after it."""
    with _play(tmp_path, "first thoughts, then words", "0.01", "1", "think") as terminal:
        text = terminal.wait_for("END")
    assert re.search(r"thinking…\n +first thought\nthought for \d+\.\d s\n\ns, then words", text)


def test_hidden_reasoning_is_one_line(tmp_path: Path) -> None:
    """Hidden reasoning leaves nothing but how long it took and how much it was."""
    with _play(tmp_path, "first thoughts, then words", "0.1", "2", "think", "hide") as terminal:
        terminal.wait_for(lambda text: bool(re.search(r"thinking… \d s, \d words", text)))
        text = terminal.wait_for("END")
    assert "first" not in text
    assert "thinking" not in text
    assert re.search(r"^thought for \d+\.\d s, 2 words; /reasoning shows them\n\n, then words", text)


@pytest.mark.parametrize("size", [(80, 24), (40, 10)])
def test_reasoning_is_folded_and_unfolded_while_it_comes(tmp_path: Path, size: tuple[int, int]) -> None:
    """Ctrl-O hides it, shows what came meanwhile, and hides it again; nothing printed above is touched."""
    thoughts = " ".join(f"thought{n:03}" for n in range(100))
    with _play(tmp_path, thoughts + "A" * len(thoughts), "0.03", "11", "think", size=size) as terminal:
        terminal.wait_for("thought012")
        terminal.send("\x0f")
        terminal.wait_for(lambda text: bool(re.search(r"thinking… \d+ s, [2-9]\d words \(Ctrl-O\)", text)))
        above = terminal.scrollback.partition("thinking… ")[0].rpartition("\n")[0]
        assert "thought001" in above
        hidden = re.findall(r"thought(\d+)", terminal.scrollback)[-1]
        terminal.send("\x0f")
        terminal.wait_for(f"thought{int(hidden) + 12:03}")
        terminal.send("\x0f")
        terminal.wait_for(lambda text: bool(re.search(r"thinking… \d+ s, \d+ words", text)))
        text = terminal.wait_for("END", patience=120)
    assert text.startswith(above)
    shown = [int(n) for n in re.findall(r"thought(\d+)", text)]
    assert shown == list(range(len(shown)))
    assert 12 < len(shown) < 100
    assert re.search(r"thought for \d+\.\d s, 100 words; /reasoning", " ".join(text.split()))


def test_a_long_prompt_has_a_progress_bar_that_goes_away(tmp_path: Path) -> None:
    """While a prompt is read that takes more than half a second, a bar says how far it is."""
    with _play(tmp_path, "the answer", "0", "5", "slow") as terminal:
        terminal.wait_for(lambda text: bool(re.search(r"reading [\d,]+ of 2,000 tokens █*░* +\d+%", text)))
        text = terminal.wait_for("END")
    assert "reading" not in text
    assert text.startswith("the answer")


def test_typing_ahead_does_not_garble_and_is_kept(tmp_path: Path) -> None:
    """What is typed while an answer streams is not echoed; the next prompt gets it, backspaces carried
    out."""
    with _play(tmp_path, "one two three four five", "0.1", "2") as terminal:
        terminal.wait_for("two")
        terminal.send("nexx\x7ft \x1b[Aquestion\r")
        text = terminal.wait_for("END")
    assert text.startswith("one two three four five\ntyped 'next question'")


def test_a_stop_and_a_return_leave_the_answer_whole(tmp_path: Path) -> None:
    """Ctrl-Z gives the terminal back as it was; when the program goes on, so does the answer, once."""
    path = tmp_path / "answer.md"
    path.write_text(" ".join(f"word{n}" for n in range(60)))
    shell = ["bash", "-c", 'set -m; "$@"; stty -a; read line; fg', "-"]  # only a shell's job can be stopped
    with Terminal(tmp_path, *_PLAYER, str(path), "0.03", "5", command=shell) as terminal:
        terminal.wait_for("word3")
        terminal.send("\x1a")
        stopped = terminal.wait_for("isig")
        assert " echo " in stopped
        assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")
        terminal.send("\n")
        text = terminal.wait_for("END")
    assert set(re.findall(r"word\d+", text)) == {f"word{n}" for n in range(60)}
    assert "word59\ntyped ''" in text


def test_a_terminated_program_gives_the_terminal_back(tmp_path: Path) -> None:
    """SIGTERM while an answer streams ends the program, with the cursor visible and the echo on."""
    with _play(tmp_path, "word " * 2000, "0.02", "5") as terminal:
        terminal.wait_for("word word")
        terminal.signal(signal.SIGTERM)
        terminal.wait_for_exit()
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")


def test_resizing_a_real_terminal(tmp_path: Path) -> None:
    """A window that changes while an answer streams: what comes after fits it, and no word comes twice."""
    words = [f"word{n};" for n in range(300)]
    with _play(tmp_path, " ".join(words), "0.01", "8") as terminal:
        for number, size in enumerate([(40, 24), (20, 24), (60, 24), (30, 24)]):
            terminal.wait_for(f"word{number * 60 + 20};")
            terminal.resize(*size)
        terminal.wait_for("END")
    printed = re.findall(
        r"word\d+;", re.sub(r"\x1b\[\?7l.*?\x1b\[\?7h", "", terminal.raw.decode(), flags=re.DOTALL)
    )
    assert printed == words
