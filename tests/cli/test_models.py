"""``chatcli models``, as people run it."""

import hashlib
import json
import os
import re
import shutil
import signal
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from benchmarks.shapes import SHAPES, write
from chatcli.errors import ExitCode
from chatcli.library.catalog import entries, find
from chatcli.library.stores.repo_cache import RepoCache
from tests.engine.gguf_files import STRING, U32, tiny_model
from tests.engine.tiny_models import write_llama
from tests.library.disks import gguf, in_hub_cache, in_ollama, put
from tests.program import MODEL, Terminal, run


@pytest.fixture
def disk(home: Path) -> Path:
    """A home with models of our own, of the hub's cache and of Ollama."""
    put(home / "models/mine-Q8_0.gguf")
    nobody = home / "nobody"  # what tests.program gives as HOME
    in_hub_cache(nobody / ".cache/huggingface/hub", "user/Model-GGUF", "Model-Q8_0.gguf")
    in_ollama(nobody / ".ollama/models", "library/llama3.2:1b")
    return home


def test_list_shows_every_store(disk: Path) -> None:
    """Name, size, quantization, kind, context and store of each, for people and for programs."""
    done = run(disk, "models", "list")
    assert done.code == 0
    lines = {line[2:].split()[0]: line for line in done.stdout.splitlines()}
    assert set(lines) == {"lkjsxclm", "mine-Q8_0", "user/Model-GGUF:Q8_0", "llama3.2:1b"}
    assert lines["lkjsxclm"].startswith("* ")
    assert "hugging face" in lines["user/Model-GGUF:Q8_0"]
    assert lines["llama3.2:1b"].split()[3:] == ["Q8_0", "llama", "512", "ollama"]
    record = json.loads(run(disk, "models", "list", "--json").stdout)
    hub = next(m for m in record["models"] if m["store"] == "hugging face")
    assert (hub["repo"], hub["quantization"], hub["context"]) == ("user/Model-GGUF", "Q8_0", 512)
    assert len(hub["sha256"]) == 64


def test_list_of_damaged_and_hostile_files(disk: Path) -> None:
    """A file that is no model, and a name that would move the cursor, spoil no list."""
    put(disk / "models/empty.gguf", b"")
    put(disk / "models/bad\x1b[2J\n.gguf")
    put(disk / "models/bad\udcff\u202e.gguf", gguf())
    put(disk / "models/big-00001-of-00002.gguf")
    done = run(disk, "models", "list")
    assert done.code == 0
    assert "\x1b" not in done.stdout
    assert "the file is empty" in done.stdout
    assert "lacks big-00002-of-00002.gguf" in done.stdout
    sizes = {m.end() for line in done.stdout.splitlines() for m in re.finditer(r" (bytes|[kM]B) ", line)}
    assert len(sizes) == 1  # a column, however odd the names


def test_show_tells_what_the_header_says(home: Path) -> None:
    """Facts, tensors, estimated memory, metadata and template; also of a name and as JSON."""
    done = run(home, "models", "show", "lkjsxclm")
    assert done.code == 0
    for part in ("architecture", "tensors", "estimated memory", "metadata", "chat template", "Q8_0"):
        assert part in done.stdout
    record = json.loads(run(home, "models", "show", str(MODEL), "--json").stdout)
    assert record["size"] == MODEL.stat().st_size
    assert [m["cache_type"] for m in record["memory"]] == ["f16", "q8_0"]
    assert record["memory"][0]["total"] > record["memory"][1]["total"] > record["size"] * 0.9
    put(home / "models/t.gguf", tiny_model().with_key("tokenizer.chat_template", STRING, "{{ 1 }}").encode())
    assert run(home, "models", "show", "t", "--template").stdout == "{{ 1 }}\n"


def test_verify_finds_what_changed(disk: Path) -> None:
    """A blob that is not what its name says, and a file that is not what it was, end with exit code 5."""
    first = run(disk, "models", "verify")
    assert (first.code, first.stdout.count("ok "), first.stdout.count("new ")) == (0, 2, 1)
    again = run(disk, "models", "verify", "mine-Q8_0")
    assert again.stdout.startswith("ok ")
    file = disk / "models/mine-Q8_0.gguf"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    damaged = run(disk, "models", "verify", "--json")
    assert damaged.code == ExitCode.DATA
    assert {r["name"]: r["verdict"] for r in json.loads(damaged.stdout)} == {
        "mine-Q8_0": "damaged",
        "user/Model-GGUF:Q8_0": "ok",
        "llama3.2:1b": "ok",
    }


def test_rm_frees_space_and_says_how_much(disk: Path) -> None:
    """Not without a word, not what comes with the program, not other programs' files."""
    file = disk / "models/mine-Q8_0.gguf"
    asked = run(disk, "models", "rm", "mine-Q8_0")
    assert asked.code == ExitCode.USAGE
    assert "--yes" in asked.stderr
    assert file.exists()
    done = run(disk, "models", "rm", "mine-Q8_0", "-y")
    assert "113.4 kB are free again" in done.stderr
    assert not file.exists()
    for name, said in (("lkjsxclm", "comes with"), ("llama3.2:1b", "ollama rm"), (str(MODEL), "comes with")):
        refused = run(disk, "models", "rm", name, "-y", "--foreign")
        assert refused.code == ExitCode.USAGE
        assert said in refused.stderr
    assert MODEL.exists()


def test_rm_of_a_model_that_lacks_a_part(disk: Path) -> None:
    """It cannot be loaded, but what there is of it can be removed."""
    part = put(disk / "models/big-Q8_0-00001-of-00002.gguf")
    assert run(disk, "ask", "-m", "big-Q8_0", "hi").code == ExitCode.MODEL
    done = run(disk, "models", "rm", "big-Q8_0", "-y")
    assert (done.code, part.exists()) == (0, False), done.stderr


def test_the_default_by_whatever_name(disk: Path) -> None:
    """The list marks it, an alias or a shorter name too; once it is gone, both say so."""
    assert run(disk, "models", "alias", "toy", "user/Model-GGUF").code == 0
    assert run(disk, "models", "default", "toy").code == 0
    marked = [line for line in run(disk, "models", "list").stdout.splitlines() if line.startswith("*")]
    assert [line.split()[1] for line in marked] == ["user/Model-GGUF:Q8_0"]
    assert "it was the default model" in run(disk, "models", "rm", "user/Model-GGUF", "-y").stderr
    assert "the default model, toy, is not on this machine" in run(disk, "models", "list").stderr


def test_rm_of_all_names_of_one_file(disk: Path) -> None:
    """A blob that two models share goes with the second, also where both are named at once."""
    cache = disk / "nobody/.cache/huggingface/hub"
    for file in ("one-Q4_0.gguf", "two-Q6_K.gguf"):
        in_hub_cache(cache, "user/Both-GGUF", file, gguf("both"))
    names = [f"user/Both-GGUF:{tag}" for tag in ("Q4_0", "Q6_K", "Q4_0")]
    done = run(disk, "models", "rm", "-y", *names)
    assert (done.code, done.stderr.count("removed")) == (0, 2)
    assert not (cache / "models--user--Both-GGUF").exists()


def test_unfinished_downloads(disk: Path) -> None:
    """They are listed with their size and go when told to, unless somebody is fetching them."""
    cache = RepoCache(disk / "nobody/.cache/huggingface/hub", "user/Model-GGUF")
    etags = ["a" * 64, "b" * 64]
    for etag in etags:
        put(cache.partial(etag), bytes(3_000_000))
    listed = run(disk, "models", "list").stdout
    assert "user/Model-GGUF: 6.0 MB of unfinished downloads" in listed
    record = json.loads(run(disk, "models", "list", "--json").stdout)["unfinished"]
    assert [(r["repo"], r["size"]) for r in record] == [("user/Model-GGUF", 3_000_000)] * 2
    assert run(disk, "models", "rm", "--unfinished").code == ExitCode.USAGE  # nobody to ask
    assert run(disk, "models", "rm", "--unfinished", "-y", "user/other").code == ExitCode.MODEL
    cache.lock_file(etags[0]).parent.mkdir(parents=True)
    with FileLock(cache.lock_file(etags[0])):
        done = run(disk, "models", "rm", "--unfinished", "-y", "user/model-gguf")
    assert done.code == 0
    assert "3.0 MB are free again" in done.stderr
    assert "is being downloaded" in done.stderr
    assert [cache.partial(etag).exists() for etag in etags] == [True, False]
    assert run(disk, "models", "show", "user/Model-GGUF").code == 0
    assert run(disk, "models", "rm", "-y").code == ExitCode.USAGE
    told = run(disk, "models", "rm", "user/Model-GGUF:Q2_K", "-y").stderr
    assert "rm --unfinished user/Model-GGUF:Q2_K frees" in told
    assert run(disk, "models", "rm", "--unfinished", "user/Model-GGUF:Q2_K", "-y").code == 0
    assert not cache.partial(etags[0]).exists()


def test_import_in_place_and_as_a_copy(home: Path, tmp_path: Path) -> None:
    """Registered where it lies it goes by its new name; forgotten, it stays; a copy is private and whole."""
    file = write_llama(tmp_path / "thing.gguf")
    assert "chatcli -m own" in run(home, "models", "import", str(file), "--name", "own").stderr
    assert "own" in run(home, "models", "list").stdout
    assert "stays" in run(home, "models", "rm", "own", "-y").stderr
    assert file.exists()
    assert run(home, "models", "show", "own").code == ExitCode.MODEL
    assert run(home, "models", "import", str(file), "--copy").code == 0
    copy = home / "models/thing.gguf"
    assert copy.read_bytes() == file.read_bytes()
    assert copy.stat().st_mode & 0o777 == 0o600
    again = run(home, "models", "import", str(file), "--copy")
    assert (again.code, "another name" in again.stderr) == (ExitCode.USAGE, True)
    climbing = run(home, "models", "import", str(file), "--copy", "--name", "../up")
    assert climbing.code == ExitCode.USAGE
    bad = put(tmp_path / "bad.gguf", tiny_model().with_key("llama.block_count", U32, 0).encode())
    assert run(home, "models", "import", str(bad)).code == ExitCode.MODEL


def test_a_killed_copy_leaves_nothing_that_looks_whole(home: Path, tmp_path: Path) -> None:
    """What it leaves is no model by its name, and the next copy takes it over."""
    file = write_llama(tmp_path / "thing.gguf")
    code = (
        "import os, stat\n"
        "os.fsync = lambda fd: stat.S_ISREG(os.fstat(fd).st_mode) and os.kill(os.getpid(), 9)\n"
        "from chatcli.cli.main import main; main()"
    )
    for _ in range(2):
        killed = run(home, "models", "import", str(file), "--copy", command=[sys.executable, "-c", code])
        assert killed.code == -signal.SIGKILL
        assert [p.name for p in (home / "models").iterdir()] == ["thing.gguf.part"]
        assert "thing" not in run(home, "models", "list").stdout
    assert run(home, "models", "import", str(file), "--copy").code == 0
    assert [p.name for p in (home / "models").iterdir()] == ["thing.gguf"]


def test_a_split_model_is_imported_whole(home: Path, tmp_path: Path) -> None:
    """By any of its parts; all of them are copied under the new name."""
    for number in (1, 2):
        shutil.copy(MODEL, tmp_path / f"m-0000{number}-of-00002.gguf")
    done = run(home, "models", "import", str(tmp_path / "m-00002-of-00002.gguf"), "--copy", "--name", "two")
    assert done.code == ExitCode.OK
    assert sorted(p.name for p in (home / "models").iterdir()) == [
        "two-00001-of-00002.gguf",
        "two-00002-of-00002.gguf",
    ]


def test_default_and_aliases(home: Path) -> None:
    """They are kept where the settings are, everything else in the file stays, and they are obeyed."""
    config = home / "config.toml"
    config.write_text("# mine\nthreads = 1  # one\n\n[sampling]\ntop_k = 3\n")
    assert run(home, "models", "alias", "toy", "lkjsxclm").code == 0
    assert run(home, "models", "default", "toy").code == 0
    assert run(home, "models", "default").stdout == "toy\n"
    text = config.read_text()
    assert tomllib.loads(text) == {"threads": 1, "model": "toy", "sampling": {"top_k": 3}}
    assert "# mine\nthreads = 1  # one\n" in text
    done = run(home, "ask", "--json", "--max-tokens", "1", "hi")
    assert json.loads(done.stdout)["model"] == "toy"
    assert run(home, "models", "alias").stdout == "toy = lkjsxclm\n"
    assert run(home, "models", "alias", "toy", "--remove").code == 0
    assert run(home, "models", "default", "toy").code == ExitCode.MODEL
    assert run(home, "models", "alias", "x", "nothing-like-it").code == ExitCode.MODEL


def test_aliases_of_aliases_and_paths(home: Path, tmp_path: Path) -> None:
    """What an alias stood for is kept, not the alias; of a path the place, wherever one stands later."""
    file = home / "models/own.gguf"
    file.parent.mkdir()
    write_llama(file)
    run(home, "models", "alias", "one", "own")
    run(home, "models", "alias", "two", "ONE")
    run(home, "models", "alias", "one", "lkjsxclm")
    run(home, "models", "alias", "three", "one")
    assert run(home, "models", "alias", "four", "./own.gguf", cwd=file.parent).code == 0
    assert run(home, "models", "alias").stdout.splitlines() == [
        "one = lkjsxclm",
        "two = own",
        "three = lkjsxclm",
        f"four = {file}",
    ]
    assert run(home, "ask", "-m", "Two", "--max-tokens", "1", "hi", cwd=tmp_path).code == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("LKJSXCLM", "comes with the program"),
        ("qwen3.5-4B", "catalogue"),
        ("mine-q8_0", "is the name of"),
        ("user/model-gguf:q8_0", "a path, or as user/repo"),
        ("./here", "a path"),
        ("scripted:x", "a path"),
        ("a\x1b[31m", "cannot be the name"),
        ("x\u202ey", "cannot be the name"),
        ("", "cannot be the name"),
        ("n" * 300, "too long"),
    ],
)
def test_new_names_hide_nothing(name: str, said: str, disk: Path, tmp_path: Path) -> None:
    """Neither an alias nor an imported file, copied or not, takes the name of another model."""
    file = write_llama(tmp_path / "thing.gguf")
    for command in (
        ("alias", name, "lkjsxclm"),
        ("import", str(file), "--name", name),
        ("import", str(file), "--copy", "--name", name),
    ):
        done = run(disk, "models", *command)
        assert (done.code, done.stdout, done.stderr.count("\n")) == (ExitCode.USAGE, "", 1), done.stderr
        assert said in done.stderr
    assert not (disk / "models.json").exists()


def test_importing_again(home: Path, tmp_path: Path) -> None:
    """The same file is no question, another one under its name is; one that is gone makes room."""
    file, other = write_llama(tmp_path / "thing.gguf"), tmp_path / "sub/thing.gguf"
    other.parent.mkdir()
    shutil.copy(file, other)
    for _ in range(2):
        assert run(home, "models", "import", str(file)).code == 0
    taken = run(home, "models", "import", str(other))
    assert (taken.code, f"is the name of {file}" in taken.stderr) == (ExitCode.USAGE, True)
    run(home, "models", "alias", "friend", "thing")
    assert "is an alias of thing" in run(home, "models", "import", str(other), "--name", "Friend").stderr
    file.unlink()
    assert f"lacks {file.name}" in run(home, "models", "list").stdout
    gone = run(home, "ask", "-m", "thing", "hi")
    assert (gone.code, f"{file} is gone" in gone.stderr) == (ExitCode.MODEL, True)
    assert "removed thing" in run(home, "models", "rm", "thing", "-y").stderr
    assert "no model 'thing'" in run(home, "models", "rm", "thing", "-y").stderr
    assert run(home, "models", "import", str(other)).code == 0
    assert "chatcli -m 'my thing'" in run(home, "models", "import", str(other), "--name", "my thing").stderr


def test_recommend_names_three(home: Path) -> None:
    """With their size, licence and reason, and the command that fetches them."""
    record = json.loads(run(home, "models", "recommend", "--json").stdout)
    assert record["machine"]["available"] > 0
    assert 1 <= len(record["models"]) <= 3
    done = run(home, "models", "recommend")
    for model in record["models"]:
        assert f"chatcli pull {model['name']}" in done.stdout


def test_the_whole_catalogue(home: Path) -> None:
    """Every model with whether it is here, fits or is too big."""
    done = run(home, "models", "recommend", "--all")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [e.name for e in entries()]
    records = json.loads(run(home, "models", "recommend", "--all", "--json").stdout)
    assert {r["state"] for r in records} <= {"here", "fits", "too big"}


def test_newcomers_are_told_of_a_model_that_fits(home: Path) -> None:
    """The first chat with the bundled model names one; with another model on the disk it does not."""
    with Terminal(home, size=(120, 24)) as terminal:
        terminal.wait_for("chatcli models recommend")
        assert "chatcli pull " in terminal.scrollback
    put(home / "models/mine.gguf")
    with Terminal(home) as terminal:
        terminal.wait_for("\n>")  # the hint would stand before it
        assert "recommend" not in terminal.scrollback


def test_quantize(home: Path, tmp_path: Path) -> None:
    """A file comes out that lists and answers; nonsense is refused with one line."""
    source = write_llama(tmp_path / "s.gguf")
    target = tmp_path / "out.gguf"
    done = run(home, "models", "quantize", str(source), str(target), "--type", "Q8_0")
    assert (done.code, done.stdout) == (0, "")
    assert "Q8_0" in done.stderr
    assert json.loads(run(home, "models", "show", str(target), "--json").stdout)["quantization"] == "Q8_0"
    assert f"chatcli -m {target}" in done.stderr
    again = run(home, "models", "quantize", str(source), str(target), "--type", "Q8_0")
    assert (again.code, again.stderr.count("\n")) == (ExitCode.USAGE, 1)


def test_answers_carry_the_files_hash(home: Path) -> None:
    """The transcript says which weights answered; a file changed under its name is told, once."""
    file = home / "models/own.gguf"
    file.parent.mkdir()
    shutil.copy(MODEL, file)
    arguments = ("ask", "-m", "own", "--max-tokens", "1", "--threads", "1", "hi")
    first = run(home, *arguments)
    assert (first.code, first.stderr) == (0, "")
    kept = home / "transcripts"
    (transcript,) = (p for p in kept.rglob("*") if p.is_file() and ".answering" not in p.parts)
    assert hashlib.sha256(MODEL.read_bytes()).hexdigest() in transcript.read_text()
    data = bytearray(MODEL.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    second = run(home, *arguments)
    assert "own is another file than when it was last used" in second.stderr
    assert run(home, *arguments).stderr == ""


def test_the_catalogues_sampling_is_in_force(home: Path, tmp_path: Path) -> None:
    """What the maker recommends, with and without reasoning, unless a flag says otherwise."""
    entry = find("qwen3-0.6b")
    assert entry is not None
    content = write_llama(tmp_path / "m.gguf").read_bytes()
    in_hub_cache(home / "nobody/.cache/huggingface/hub", entry.repo, entry.file, content)
    temperatures = []
    for more in (["--think"], ["--no-think"], ["-t", "0.25"]):
        done = run(home, "ask", "-m", "Qwen3-0.6B", "--max-tokens", "1", "--threads", "1", *more, "hi")
        assert done.code == 0, done.stderr
        kept = (home / "transcripts").rglob("*")
        newest = max((p for p in kept if p.is_file()), key=lambda p: p.stat().st_mtime_ns)
        temperatures += re.findall(r'temperature="([0-9.]+)"', newest.read_text())
    assert temperatures == ["0.6", "0.7", "0.25"]


def test_a_model_too_big_for_the_memory(home: Path) -> None:
    """It is refused with a proposal before it is loaded."""
    huge = replace(SHAPES["llama 8B"], width=16384, feed_forward=131072, heads=128, kv_heads=64)
    file = write(home / "huge.gguf", huge)
    done = run(home, "ask", "-m", str(file), "hi")
    assert done.code == ExitCode.MODEL
    assert "huge needs about" in done.stderr
    assert "check_memory=false" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_takes_long_shows_how_far_it_is(home: Path, tmp_path: Path) -> None:
    """Reading, copying and quantizing: bytes, rate and time while it goes on; of the bar nothing is left."""
    large = tmp_path / "large.gguf"
    large.write_bytes(MODEL.read_bytes())
    with large.open("r+b") as file:
        file.truncate(3 << 30)  # no byte of it takes room
    assert run(home, "models", "import", str(large), "--name", "large").code == 0
    with Terminal(home, "models", "verify", "large", size=(90, 24)) as terminal:
        terminal.wait_for(
            lambda text: bool(re.search(r"large\.gguf +█*░+ +\d\.\d\d/3\.22 GB +[\d.]+ .B/s +\d+ s", text))
        )
        assert terminal.wait_for_exit() == 0
        assert terminal.scrollback.startswith("new      large  large.gguf  no earlier checksum")
        assert "GB/s" not in terminal.scrollback
    with Terminal(home, "models", "import", str(large), "--copy", "--name", "x", size=(90, 24)) as terminal:
        terminal.wait_for(lambda text: bool(re.search(r"large\.gguf +█*░+ +\d\.\d\d/3\.22 GB", text)))
        terminal.send("\x03")
        assert terminal.wait_for_exit() == 130
        assert terminal.scrollback == ""
    assert not list((home / "models").iterdir())


def test_without_a_terminal_nothing_is_drawn(home: Path) -> None:
    """What is quick says nothing on the way, and JSON is JSON alone."""
    for arguments in (["models", "verify", "lkjsxclm"], ["models", "verify", "--json", "lkjsxclm"]):
        done = run(home, *arguments)
        assert (done.code, done.stderr) == (0, "")
    json.loads(done.stdout)


def test_a_locale_without_the_letters_of_a_name(home: Path, tmp_path: Path) -> None:
    """Files named in UTF-8 are registered and found in any; names in other encodings are told in one line."""
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for name, there, then in (("one", plain, {}), ("two", {}, plain)):
        file = put(tmp_path / f"m\u00f6del-{name}.gguf")
        assert run(home, "models", "import", str(file), "--name", name, env=there).code == 0
        shown = run(home, "models", "show", "--json", name, env=then)
        assert shown.code == 0, shown.stderr
        (path,) = json.loads(shown.stdout)["files"]
        assert path.encode("utf-8", "surrogateescape") == os.fsencode(file)
    other = os.fsencode(tmp_path) + b"/m\xf6del.gguf"
    shutil.copy(file, os.fsdecode(other))
    done = run(home, "models", "import", os.fsdecode(other), "--name", "three")
    assert (done.code, done.stderr.count("\n")) == (ExitCode.USAGE, 1)
    assert "is not UTF-8; rename it" in done.stderr
