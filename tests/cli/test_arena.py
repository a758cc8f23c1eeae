"""chatcli arena: blind duels in a real terminal, going on after a stop, and the standings."""

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chatcli.errors import ExitCode
from chatcli.feedback.records import Comparison, Retraction
from tests.feedback.kept import kept_records
from tests.program import Terminal, run

PROMPTS = ["alpha", "beta", "gamma"]


@pytest.fixture
def setting(tmp_path: Path) -> list[str]:
    """The arguments of an arena with three prompts and three contenders, whose answers say who they are."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(PROMPTS), encoding="utf-8")
    arguments = ["arena", str(prompts)]
    for name in ("anna", "bert", "carl"):
        file = tmp_path / f"{name}.txt"
        exchange = "<user>{0}</user>\n<lkjsxclm>{1} on {0}</lkjsxclm>\n"
        file.write_text("".join(exchange.format(p, name.upper()) for p in PROMPTS), encoding="utf-8")
        arguments += ["--contender", f"scripted:{file}"]
    return arguments


def shown(terminal: Terminal, count: int) -> tuple[str, str]:
    """Wait for the duel of this number in this session; who is on the left and on the right."""
    pattern = r"([A-Z]{4}) on \w+ +│ ([A-Z]{4}) on "
    terminal.wait_for(lambda text: len(re.findall(pattern, text)) == count and text.endswith("quit"))
    left, right = re.findall(pattern, terminal.scrollback)[-1]
    return left, right


def test_a_session_of_duels(home: Path, setting: list[str]) -> None:
    """All nine are judged, each pair three times; no name is seen before the end; the records hold it all."""
    beaten: Counter[tuple[str, str]] = Counter()
    with Terminal(home, *setting, size=(100, 60)) as t:
        for count in range(1, 10):
            left, right = shown(t, count)
            before = t.raw.decode()
            better, worse = sorted((left, right))
            beaten[better, worse] += 1
            t.send("\x1b[D" if better == left else "2")
        assert t.wait_for_exit() == ExitCode.OK
        end = t.scrollback
    assert beaten == {("ANNA", "BERT"): 3, ("ANNA", "CARL"): 3, ("BERT", "CARL"): 3}
    for secret in ("anna", "bert", "carl", "scripted", "\x1b]"):
        assert secret not in before
    assert "9 of 9 duels are judged" in end
    assert re.search(r"1\. scripted:anna\.txt .*6-0-0", end)
    records = kept_records(home)
    for record in records:
        assert isinstance(record, Comparison)
        assert (record.blind, record.origin) == (True, "arena")
        assert record.guideline
        assert record.better is not None
        contents = [answer.content for answer in record.answers]
        assert contents[record.better] == min(contents)
        assert all(a.model_name == f"scripted:{a.content[:4].lower()}.txt" for a in record.answers)
        assert record.target is not None
        assert record.target.transcript.startswith("arena:")
    pairs = Counter(frozenset(a.model_name for a in r.answers) for r in records if isinstance(r, Comparison))
    assert set(pairs.values()) == {3}


def test_it_goes_on_where_it_stopped(home: Path, setting: list[str], tmp_path: Path) -> None:
    """After q, after Ctrl-C, and with the answers that were there; what was undone or skipped comes again."""
    with Terminal(home, *setting, size=(100, 60)) as t:
        shown(t, 1)
        t.send("t")
        shown(t, 2)
        t.send("b")
        shown(t, 3)
        t.send("u")
        t.wait_for(lambda text: text.count("duel 2 of 9") == 2 and text.endswith("quit"))
        t.send("s")
        t.wait_for(lambda text: text.count("duel 2 of 9") == 3 and text.endswith("quit"))
        t.send("q")
        assert t.wait_for_exit() == ExitCode.OK
        assert "1 of 9 duels are judged" in t.scrollback
        assert "1 skipped" in t.scrollback
    kinds = [type(record) for record in kept_records(home)]
    assert kinds == [Comparison, Comparison, Retraction]
    (answers,) = (home / "arena").iterdir()
    written = answers.read_bytes()
    with Terminal(home, *setting, size=(100, 60)) as t:
        t.wait_for("continuing: 1 of 9")
        shown(t, 1)
        t.send("\x03")
        assert t.wait_for_exit() == ExitCode.INTERRUPTED
    with Terminal(home, *setting, "--duels", "8", size=(100, 60)) as t:
        for count in range(1, 9):
            shown(t, count)
            t.send("1")
        assert t.wait_for_exit() == ExitCode.OK
        assert "9 of 9 duels are judged" in t.scrollback
    lines = answers.read_bytes().split(b"\n")[:-1]
    assert answers.read_bytes().startswith(written)
    assert len({json.loads(line)["id"] for line in lines}) == len(lines) == 9
    log = (home / "feedback.jsonl").read_bytes()
    with Terminal(home, *setting, size=(100, 60)) as t:
        assert t.wait_for_exit() == ExitCode.OK
    assert (home / "feedback.jsonl").read_bytes() == log


def test_the_standings_agree_with_an_independent_count(home: Path, setting: list[str]) -> None:
    """Wins, ties, sides from the raw lines of the log; strengths by gradient ascent on the likelihood."""
    keys = "12t1b2211"
    with Terminal(home, *setting, size=(100, 60)) as t:
        for count, key in enumerate(keys, 1):
            shown(t, count)
            t.send(key)
        assert t.wait_for_exit() == ExitCode.OK
    run_ = run(home, "arena", "leaderboard", "--json")
    assert run_.code == 0, run_.stderr
    board = json.loads(run_.stdout)
    lines = (home / "feedback.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    wins: dict[str, dict[str, float]] = {}
    for line in lines:
        record = json.loads(line)
        a, b = (answer["provenance"]["model"]["name"] for answer in record["answers"])
        left, right = (a, b) if record["left"] == 0 else (b, a)
        share = {"left": 1.0, "right": 0.0}.get(record["winner"], 0.5)
        wins.setdefault(left, {}).setdefault(right, 0.0)
        wins.setdefault(right, {}).setdefault(left, 0.0)
        wins[left][right] += share
        wins[right][left] += 1 - share
    assert board["duels"] == 9
    assert board["both_bad"] == keys.count("b")
    assert board["left_wins"]["won"] == keys.count("1")
    assert board["left_wins"]["decided"] == keys.count("1") + keys.count("2")
    for name, row in wins.items():
        assert {other: board["wins"][name][other] for other in row} == row
    expected = strengths(wins, penalty=0.01)
    for standing in board["standings"]:
        assert math.isclose(standing["strength"], expected[standing["name"]], abs_tol=1e-6)
        assert standing["low"] <= standing["strength"] <= standing["high"]


def strengths(wins: dict[str, dict[str, float]], penalty: float) -> dict[str, float]:
    """Bradley-Terry by plain gradient ascent, another way than the program's."""
    at = dict.fromkeys(wins, 0.0)
    for _ in range(60_000):
        step = {}
        for name, row in wins.items():
            games = ((other, won, wins[other][name]) for other, won in row.items())
            slope = sum(w - (w + lost) / (1 + math.exp(at[o] - at[name])) for o, w, lost in games)
            step[name] = slope - penalty * at[name]
        at = {name: value + 0.1 * step[name] for name, value in at.items()}
    return at


def test_the_page_is_complete_in_itself(home: Path, setting: list[str]) -> None:
    """Names of models are text there, whatever they hold; nothing is loaded from elsewhere."""
    with Terminal(home, *setting, "--duels", "1", size=(100, 60)) as t:
        shown(t, 1)
        t.send("1")
        assert t.wait_for_exit() == ExitCode.OK
    log = home / "feedback.jsonl"
    log.write_bytes(log.read_bytes().replace(b"scripted:", b"<b>&scripted:"))
    page = home / "board.html"
    done = run(home, "arena", "leaderboard", "--html", str(page))
    assert (done.code, done.stdout) == (0, "")
    text = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;&amp;scripted:" in text
    assert "<b>&" not in text
    assert "://" not in text
    assert "<script" not in text


def test_a_summary_for_scripts(home: Path, setting: list[str], tmp_path: Path) -> None:
    """With --json the duels are on stderr and stdout is one JSON object."""
    file = tmp_path / "out.json"
    words = " ".join(f"'{word}'" for word in [*setting, "--json", "--duels", "2"])
    code = "from chatcli.cli.main import main; main()"
    command = ["sh", "-c", f"exec python3 -c '{code}' {words} > {file}"]
    import sys

    command[2] = command[2].replace("python3", sys.executable, 1)
    with Terminal(home, size=(100, 60), command=command) as t:
        shown(t, 1)
        t.send("2")
        shown(t, 2)
        t.send("t")
        assert t.wait_for_exit() == ExitCode.OK
    summary: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert (summary["planned"], summary["judged"], summary["judged_now"]) == (9, 2, 2)
    assert len(summary["contenders"]) == 3
    assert summary["duels"] == 2


def test_two_answers_with_the_same_words_are_not_asked_about(home: Path, tmp_path: Path) -> None:
    """Nor counted; the end says how many."""
    prompts = tmp_path / "p.txt"
    prompts.write_text("count to 3\n", encoding="utf-8")
    specs = ("--contender", "scripted:", "--contender", "temperature=2")
    with Terminal(home, "-m", "scripted:", "arena", str(prompts), *specs) as t:
        assert t.wait_for_exit() == ExitCode.OK
        assert "1 not shown, because both answers are the same" in t.scrollback
    assert kept_records(home) == []


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (
            "temperature=2 top-k=3",
            {"scripted: temperature=0.7 top_k=40", "scripted: temperature=2.0 top_k=3"},
        ),
        ("think=false", {"scripted:", "scripted: think=false"}),
    ],
)
def test_one_model_with_two_settings_is_two_competitors(
    home: Path, tmp_path: Path, other: str, expected: set[str]
) -> None:
    """The standings name what differs."""
    prompts = tmp_path / "p.txt"
    prompts.write_text("\n".join("abcdef"), encoding="utf-8")
    specs = ("--contender", "scripted:", "--contender", other)
    with Terminal(home, "-m", "scripted:", "arena", str(prompts), *specs, "--duels", "1") as t:
        t.wait_for(lambda text: text.endswith("quit"))
        t.send("1")
        assert t.wait_for_exit() == ExitCode.OK
    board = json.loads(run(home, "arena", "leaderboard", "--json").stdout)
    assert {standing["name"] for standing in board["standings"]} == expected
    assert board["alike"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["P", "--contender", "scripted:"], 2, "two contenders"),
        (["P", "--contender", "scripted:", "--contender", "scripted:"], 2, "the same"),
        (["P", "--contender", "scripted:", "--contender", "none"], 3, "none"),
        (["P", "--contender", "scripted:", "--contender", "temprature=1"], 2, "did you mean temperature"),
        (["none.txt", "--contender", "a", "--contender", "b"], 2, "cannot be read"),
        (["P", "--contender", "scripted:", "--contender", "temperature=1"], 2, "needs a terminal"),
        (["leaderboard", "--run", "abc"], 2, "no run"),
    ],
)
def test_wrong_calls_are_one_line(
    home: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    """What is wrong and what to do."""
    (tmp_path / "p.txt").write_text("x\n")
    given = [str(tmp_path / "p.txt") if word == "P" else word for word in arguments]
    done = run(home, "arena", *given)
    assert (done.code, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_empty_board_is_no_error(home: Path) -> None:
    """It says that there are none."""
    assert run(home, "arena", "leaderboard").stdout == "no duels yet\n"
