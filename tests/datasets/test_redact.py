"""What is private is found, and what is not is left alone; both are measured."""

import random
import string
from collections.abc import Callable
from pathlib import Path

import pytest

from chatcli.chat.message import user
from chatcli.datasets.redact import Redactor
from chatcli.errors import UsageError

from .export_logs import Log, answer, exported

ROOT = Path(__file__).resolve().parents[2]
_LETTERS, _DIGITS = string.ascii_letters + string.digits, string.digits
Draw = Callable[[random.Random], str]


def _word(rng: random.Random, alphabet: str, length: int) -> str:
    return "".join(rng.choices(alphabet, k=length))


def _name(rng: random.Random) -> str:
    return rng.choice(["jane", "otto", "maria", "li", "bjorn", "yusuf"]) + rng.choice(["", "7", ".s", "_k"])


_SECRETS: list[Draw] = [
    lambda r: f"{_name(r)}@{_word(r, string.ascii_lowercase, 6)}.{r.choice(['com', 'de', 'co.uk'])}",
    lambda r: f"{_name(r)}+{_word(r, _DIGITS, 2)}@mail.{_word(r, string.ascii_lowercase, 5)}.org",
    lambda r: f"+49 {r.randint(151, 179)} {_word(r, _DIGITS, 7)}",
    lambda r: f"+1-{r.randint(201, 989)}-{r.randint(200, 999)}-{_word(r, _DIGITS, 4)}",
    lambda r: f"({r.randint(201, 989)}) {r.randint(200, 999)}-{_word(r, _DIGITS, 4)}",
    lambda r: f"0{r.randint(30, 89)} {r.randint(1000000, 9999999)}",
    lambda r: "06 " + " ".join(_word(r, _DIGITS, 2) for _ in range(4)),
    lambda r: "sk-" + _word(r, _LETTERS, 48),
    lambda r: "sk-ant-api03-" + _word(r, _LETTERS, 60),
    lambda r: "ghp_" + _word(r, _LETTERS, 36),
    lambda r: "github_pat_" + _word(r, _LETTERS, 22) + "_" + _word(r, _LETTERS, 59),
    lambda r: "AKIA" + _word(r, string.ascii_uppercase + _DIGITS, 16),
    lambda r: "aws_secret_access_key = " + _word(r, _LETTERS + "+/", 40),
    lambda r: "AIza" + _word(r, _LETTERS + "_-", 34) + "x",
    lambda r: "hf_" + _word(r, _LETTERS, 34),
    lambda r: "glpat-" + _word(r, _LETTERS, 20),
    lambda r: f"xoxb-{_word(r, _DIGITS, 12)}-{_word(r, _DIGITS, 12)}-{_word(r, _LETTERS, 24)}",
    lambda r: f"eyJ{_word(r, _LETTERS, 30)}.eyJ{_word(r, _LETTERS, 60)}.{_word(r, _LETTERS, 43)}",
    lambda r: "sk_live_" + _word(r, _LETTERS, 24),
    lambda r: f"password: {_word(r, string.ascii_letters, 5)}{_word(r, _DIGITS, 3)}!",
    lambda r: f'API_KEY="{_word(r, string.hexdigits.lower(), 32)}"',
    lambda r: f"my password is {_word(r, string.ascii_lowercase, 6)}{_word(r, _DIGITS, 4)}",
    lambda r: "Authorization: Bearer " + _word(r, _LETTERS, 39) + "7",
    lambda r: f"/home/{_name(r)}",
    lambda r: f"/Users/{_name(r)}",
    lambda r: rf"C:\Users\{_name(r)}",
    lambda r: f"https://{_name(r)}:{_word(r, _LETTERS, 12)}@example.org",
    lambda r: f"postgres://{_name(r)}:{_word(r, _LETTERS + '!$', 10)}@db.internal:5432",
    lambda r: f"https://example.org/x?access_token={_word(r, _LETTERS, 20)}",
    lambda r: f"-----BEGIN RSA PRIVATE KEY-----\n{_word(r, _LETTERS, 64)}\n-----END RSA PRIVATE KEY-----",
    lambda r: "DE89 3704 0044 0532 0130 00",
    lambda r: "4111 1111 1111 1111",
    lambda r: _word(r, _LETTERS, 44) + "a1B2",
]  # fmt: skip
_AROUND = [
    ("", ""), ("Write to ", " today."), ("It is (", ")."), ("export X=", ""), ("I use ", ", does it work?"),
    ("```\nrun --with ", "\n```"), ("Siehe ", " – danke!"), ('{"value": "', '"}'),
]  # fmt: skip


def test_secrets_are_found() -> None:
    """At least 99% of 200 seeded ones, of every kind and in every surrounding."""
    rng = random.Random(20261120)
    missed = []
    for number in range(200):
        secret = _SECRETS[number % len(_SECRETS)](rng)
        before, after = rng.choice(_AROUND)
        if "\n" in secret and '"' in before:
            before, after = "", ""
        told = (
            secret.rpartition(": ")[2]
            .rpartition(" = ")[2]
            .rpartition(" is ")[2]
            .rpartition("=")[2]
            .strip('"')
        )
        if secret in Redactor()(before + secret + after) or told in Redactor()(before + secret + after):
            missed.append(before + secret + after)
    assert len(missed) <= 2, missed


def test_clean_lines_are_left_alone() -> None:
    """At most 1% of 1,000: chats, code and documentation of this project, and numbers of many kinds."""
    chats = [
        line
        for file in sorted((ROOT / "transcripts").rglob("*.txt"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    code = [
        line
        for room in ("chat", "engine", "storage")
        for file in sorted((ROOT / "chatcli" / room).glob("*.py"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    words = [
        line
        for file in sorted((ROOT / "docs").glob("*.md"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    rng = random.Random(7)
    lines = [*_CLEAN]
    for source, count in ((chats, 400), (code, 350), (words, 1000 - 750 - len(_CLEAN))):
        lines += rng.sample([line for line in source if len(line.strip()) > 15], count)
    assert len(lines) == 1000
    touched = [line for line in lines if Redactor()(line) != line]
    assert len(touched) <= 10, touched


_CLEAN = r"""
The commit 9fceb02d0ae598e95dc970b74767f19372d61af8 fixes it.
2026-11-20T22:15:03.123456Z
20261120-221503-123456-k7qxd2
sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
Python 3.11.7, torch 2.13.0
192.168.178.21
550e8400-e29b-41d4-a716-446655440000
1,000,000 records in 12.5 s
ISBN 978-3-16-148410-0
def token(self) -> int:
password = getpass.getpass()
the key is under the mat
token: str
api_key=os.environ['API_KEY']
password: ********
max_tokens=256
key: value
The secret is to practise every day.
git clone git@github.com:owner/repo.git
/home/user/project
cd /usr/local/share/dict
https://example.org:8080/a/b?page=2&sort=name
x = 3.14159265358979
from 1939 to 1945, 6 years
call it 12 times
text 100 people
0.1 + 0.2 = 0.30000000000000004
call 112 or 911
npm install @types/node@20.1.0
@pytest.mark.parametrize
10 000 000 km
Room 0815, floor 3
the years 1990-2000
testShouldReturn200WhenTheUserIsAuthenticatedAgain
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
-----BEGIN PUBLIC KEY-----
1 2 3 4 5 6 7 8 9 10 11 12
password reset
Your password must be at least 8 characters.
<|im_start|>system
/Users/Shared/x
a@b
5-5-5
12345678901234567890
""".strip().split("\n")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("mail jane.doe@web.de now", "mail <EMAIL> now"),
        ("jane [at] web [dot] de", "<EMAIL>"),
        ("/home/jane/x.py", "/home/<USER>/x.py"),
        (r"C:\Users\Jane Doe\x", r"C:\Users\<USER>\x"),
        ("https://jane:pw@host/x", "https://<CREDENTIALS>@host/x"),
        ('{"token": "abc123def456"}', '{"token": "<KEY>"}'),
        ("call me: 555 010 9999", "call me: <PHONE>"),
    ],
)
def test_only_the_secret_is_replaced(text: str, clean: str) -> None:
    """What stands around it stays."""
    assert Redactor()(text) == clean


def test_own_patterns_and_the_account_of_what_changed() -> None:
    """They come first; a preview shows both sides; a bad one is refused."""
    redactor = Redactor([r"Project \w+"])
    assert redactor("Project Xanadu, a@b.com") == "<REDACTED>, <EMAIL>"
    assert redactor("nothing") == "nothing"
    assert dict(redactor.counts) == {"<REDACTED>": 1, "<EMAIL>": 1}
    assert redactor.texts == 1
    assert redactor.samples[0] == ("Project Xanadu, a@b.com", "<REDACTED>, a@b.com")
    with pytest.raises(UsageError, match="not a regular expression"):
        Redactor(["("])


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "1 ",
        "a.",
        "+1",
        "/home/",
        "key=",
        "eyJa.",
        "a@",
        "-----BEGIN PRIVATE KEY-----",
        "https://a:",
        "(0",
        "call ",
        "A1 ",
    ],
)
def test_hostile_texts_take_no_longer(piece: str) -> None:
    """Where an expression went over a text again and again, this would end at the suite's time limit only."""
    text = piece * (100_000 // len(piece))
    assert len(Redactor()(text)) > 0


@pytest.mark.parametrize("name", ["dpo", "raw", "arena", "openwebui"])
def test_no_text_of_an_export_keeps_a_secret(name: str) -> None:
    """Prompts, answers, reasoning, edits and comments."""
    log = Log()
    secret = "jane@web.de"
    log.compare(
        [user(f"I am {secret}")],
        answer(f"Hi {secret}", reasoning=secret),
        answer(secret),
        "left",
        comment=secret,
    )
    log.correct([user(secret)], answer(secret), f"Dear {secret}")
    log.rate([user(secret)], answer(f"x {secret}"), 1, comment=secret)
    rows = exported(log.records, name, patterns=("no such text",))
    assert rows
    assert secret not in str(rows)
    assert "<EMAIL>" in str(rows)
