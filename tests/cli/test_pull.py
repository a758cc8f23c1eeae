"""``chatcli pull`` as its users run it."""

import base64
import hashlib
import json
import re
import shlex
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.projector_files import write_projector
from tests.library.disks import gguf
from tests.library.hub_server import Fault, HubServer, Repo
from tests.library.pulling import PROGRAM, REPO, bundled_repo, environment, pull, pull_json
from tests.program import MODEL, Run, Terminal, run

SMALL, OTHER = gguf("small"), gguf("other")


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A hub with the bundled model, and a small one."""
    with HubServer(
        {REPO: bundled_repo(), "u/r": Repo({"m-Q4_K_M.gguf": SMALL, "m-Q8_0.gguf": OTHER})}
    ) as server:
        yield server


def test_pulled_and_answering(hub: HubServer, home: Path) -> None:
    """From a name on the hub to an answer: stdout of pull is the path to chat with, and nothing else."""
    done = pull(hub, home, REPO)
    assert done.code == 0, done.stderr
    assert Path(done.stdout.removesuffix("\n")).read_bytes() == MODEL.read_bytes()
    assert "checksum verified" in done.stderr
    for name in (done.stdout.removesuffix("\n"), REPO, f"hf.co/{REPO}:q8_0"):
        answer = run(home, "ask", "-m", name, "hello", env=environment(hub, home / "hub"))
        assert answer.code == 0, answer.stderr
        assert answer.stdout.strip()


def test_json_says_what_came(hub: HubServer, fresh_home: Path) -> None:
    """Path, checksum, size and bytes of every file."""
    first = pull_json(hub, fresh_home, "u/r:Q8_0", "u/r")
    assert [Path(file["path"]).name for file in first] == ["m-Q8_0.gguf", "m-Q4_K_M.gguf"]
    assert [file["bytes_requested"] for file in first] == [file["size"] for file in first]
    assert all(re.fullmatch("[0-9a-f]{64}", file["sha256"]) for file in first)
    again = pull_json(hub, fresh_home, "u/r")[0]
    assert (again["resumed_from"], again["bytes_requested"]) == (again["size"], 0)


def test_the_projector_comes_with_its_model(hub: HubServer, fresh_home: Path) -> None:
    """It is said, stdout has the model's path alone; without, nothing is said; one that is none is told."""
    eyes = write_projector(fresh_home / "eyes", width=384).read_bytes()
    repo = hub.repos["u/v"] = Repo({"v-Q8_0.gguf": MODEL.read_bytes(), "mmproj-F16.gguf": eyes})
    blind = pull(hub, fresh_home, "u/v", "--no-projector")
    assert "mmproj" not in blind.stderr
    done = pull(hub, fresh_home, "u/v")
    assert Path(done.stdout.removesuffix("\n")).name == "v-Q8_0.gguf"
    assert "mmproj-F16.gguf, with which u/v sees pictures" in done.stderr
    alone = pull(hub, fresh_home, "u/v/mmproj-F16.gguf")
    assert (alone.code, "chat with it" in alone.stderr) == (0, False)
    repo.files["mmproj-F16.gguf"] = b""
    done = pull(hub, fresh_home, "u/v")
    assert done.code == 0
    assert "u/v cannot see pictures: mmproj-F16.gguf: the file is empty" in done.stderr


def test_quiet_is_quiet(hub: HubServer, fresh_home: Path) -> None:
    """Nothing but the path."""
    done = pull(hub, fresh_home, "-q", "u/r")
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


def test_a_terminal_shows_a_bar(hub: HubServer, fresh_home: Path) -> None:
    """File, size, rate and time that is left, redrawn in place whatever is typed; the path comes last."""
    hub.rate = 2e6
    variables = environment(hub, fresh_home / "hub")
    with Terminal(fresh_home, "pull", REPO, env=variables, command=PROGRAM, size=(100, 24)) as terminal:
        terminal.wait_for(
            lambda text: bool(re.search(r"lkjsxclm.*[1-5]\.\d/6\.8 MB +\d\.\d MB/s +\d s", text))
        )
        terminal.send("\r\rx")
        assert terminal.wait_for_exit() == 0
        assert terminal.scrollback.startswith("lkjsxclm-q8_0.gguf")
        assert "6.8/6.8 MB" in terminal.scrollback.splitlines()[0]
        assert terminal.scrollback.count("/6.8 MB") == 1
        assert "/snapshots/" in terminal.scrollback.replace("\n", "")


def test_ctrl_c_at_a_terminal(hub: HubServer, fresh_home: Path) -> None:
    """The bar stops and stands there once, a line says that the same command goes on, and the exit code is
    130."""
    hub.rate = 1e6
    variables = environment(hub, fresh_home / "hub")
    with Terminal(fresh_home, "pull", REPO, env=variables, command=PROGRAM) as terminal:
        terminal.wait_for("B/s")
        terminal.send("\x03")
        assert terminal.wait_for_exit() == 130
        bar, *rest = terminal.scrollback.splitlines()
        assert re.fullmatch(r"lkjsxclm-q8_0\.gguf  .*/6\.8 MB +stopped", bar)
        assert rest == ["chatcli: stopped; run the same command to continue"]


def test_in_the_background_nothing_is_drawn(hub: HubServer, fresh_home: Path) -> None:
    """After Ctrl-Z and bg the shell has the terminal: the download goes on, and leaves it alone."""
    hub.rate = 1e6
    variables = environment(hub, fresh_home / "hub")
    shell = ["bash", "--norc", "--noprofile", "-i"]
    with Terminal(fresh_home, env=variables, command=shell, size=(100, 24)) as terminal:
        terminal.send(f"PS1=; {shlex.join([*PROGRAM, 'pull', REPO])}\r")
        terminal.wait_for("B/s")
        terminal.send("\x1a")
        terminal.wait_for("Stopped")
        assert "B/s" not in terminal.scrollback
        terminal.send("bg\r")
        text = terminal.wait_for("chat with it")
        assert text.count("6.8/6.8 MB") == 1
        assert not re.search(r"[0-5]\.\d/6\.8 MB", text)
        terminal.send("exit\r")
        assert terminal.wait_for_exit() == 0


def test_offline_makes_no_connection(hub: HubServer, fresh_home: Path) -> None:
    """What is here is named, what is not is said, and the hub hears of neither."""
    path = pull(hub, fresh_home, "-q", "u/r").stdout
    asked = len(hub.log)
    for arguments, extra in ((["--offline"], {}), ([], {"HF_HUB_OFFLINE": "1"})):
        assert pull(hub, fresh_home, *arguments, "u/r", env=extra).stdout == path
        missing = pull(hub, fresh_home, *arguments, "u/r:Q8_0", env=extra)
        assert missing.code == 3
        assert "u/r:Q8_0 is not in" in missing.stderr
    assert len(hub.log) == asked


def test_the_token_is_shown_to_the_hub_only(hub: HubServer, fresh_home: Path) -> None:
    """The content host that a file is redirected to never sees it."""
    hub.repos["u/private"] = Repo({"p-Q8_0.gguf": SMALL}, token="hf_secret")
    for place in ({"HF_TOKEN": "hf_secret"}, {"HF_HOME": str(fresh_home / "login")}):
        (fresh_home / "login").mkdir(exist_ok=True)
        (fresh_home / "login" / "token").write_text("hf_secret\n")
        cache = fresh_home / f"cache{len(place['HF_TOKEN']) if 'HF_TOKEN' in place else 0}"
        done = pull(hub, fresh_home, "u/private", env=place, cache=cache)
        assert done.code == 0, done.stderr
    assert len(hub.requests("content")) == 2
    for request in hub.log:
        assert ("authorization" in request.headers) == (request.kind != "content")
        assert "hf_secret" not in request.path
    denied = pull(
        hub, fresh_home, "u/private", env={"HF_TOKEN": "hf_secret", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
    )
    assert denied.code == 3


@pytest.mark.parametrize(
    ("name", "token", "code", "line"),
    [
        ("u/gated", "", 7, r"u/gated/g-Q8_0\.gguf is gated: accept its terms at \S+/u/gated, then log in"),
        (
            "u/gated",
            "hf_other",
            7,
            r"is gated: accept its terms at \S+/u/gated with the account of your token",
        ),
        ("u/r", "hf_invalid", 7, r"refuses your token for u/r; make a new one at \S+/settings/tokens"),
        ("u/none", "", 3, r"there is no u/none on 127\.0\.0\.1, or it is private: set HF_TOKEN"),
        ("u/none", "hf_other", 3, r"there is no u/none on 127\.0\.0\.1, or its token may not see it"),
        ("u/r:Q2_K", "", 3, r"u/r: there is no Q2_K in this repository; there are Q4_K_M and Q8_0"),
        ("u/r/x.gguf", "", 3, r"u/r: there is no file x\.gguf"),
        ("u/r@v9", "", 3, r"u/r has no such branch, tag or commit"),
        ("u/r:a:b", "", 2, r"there is more than one ':'"),
        ("nonesuch", "", 2, r"'nonesuch' is not in the catalogue"),
        ("u/odd", "", 3, r"u/odd: there is no GGUF model in this repository"),
    ],
)
def test_refusals_say_what_to_do(
    hub: HubServer, fresh_home: Path, name: str, token: str, code: int, line: str
) -> None:
    """One line each, without a traceback, and nothing on stdout."""
    hub.repos["u/gated"] = Repo({"g-Q8_0.gguf": SMALL}, gated=True)
    hub.repos["u/odd"] = Repo({"README.md": b""})
    done = pull(hub, fresh_home, name, env={"HF_TOKEN": token})
    assert (done.code, done.stdout) == (code, "")
    assert re.search(line, done.stderr), done.stderr
    assert done.stderr.splitlines()[-1].startswith("chatcli: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "m-Q2_K.gguf: the file is empty; name another"),
        (b"hello there\n", "it is a text file, not a model; it begins: hello there"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "it is a git-LFS pointer, not the model itself; name",
        ),
        (b"<!doctype html><html>", "it is a saved web page, not a model; name"),
        (SMALL[:20], "the file ends inside its header, at byte 20; name"),
    ],
)
def test_what_is_no_model_is_told(hub: HubServer, fresh_home: Path, content: bytes, what: str) -> None:
    """In one line, with the exit code of a model that cannot be used; the file is kept as the hub has it."""
    hub.repos["u/r"].files["m-Q2_K.gguf"] = content
    for _ in range(2):
        done = pull(hub, fresh_home, "-q", "u/r:Q2_K")
        assert (done.code, done.stdout, done.stderr.count("\n")) == (3, "", 1)
        assert done.stderr.startswith("chatcli: u/r:Q2_K is complete and cannot be used: ")
        assert what in done.stderr
    (link,) = fresh_home.rglob("m-Q2_K.gguf")
    assert link.read_bytes() == content
    both = pull(hub, fresh_home, "u/r:Q2_K", "u/r")
    assert (both.code, Path(both.stdout.strip()).name) == (3, "m-Q4_K_M.gguf")
    where = environment(hub, fresh_home / "hub")
    assert run(fresh_home, "models", "rm", "-y", "u/r:Q2_K", env=where).code == 0
    assert not link.is_symlink()


def test_the_spelling_of_other_commands(hub: HubServer, fresh_home: Path) -> None:
    """-hf, -m and --model name a model here, too; without any name it is said what to write."""
    paths = [pull(hub, fresh_home, "-q", *how).stdout for how in (["-hf", "u/r"], ["-m", "u/r"], ["u/r"])]
    assert paths[0].strip()
    assert len(set(paths)) == 1
    several = pull(hub, fresh_home, "-q", "-hf", "u/r", "u/r:Q8_0", "--model", "hf:u/r")
    assert len(several.stdout.splitlines()) == 2
    nothing = pull(hub, fresh_home)
    assert (nothing.code, "name a model" in nothing.stderr) == (2, True)


def test_a_mistyped_repository(hub: HubServer, fresh_home: Path) -> None:
    """One that is nearly a repository of this disk or of the catalogue is corrected, another one is not."""
    from chatcli.library.catalog import entries

    hub.repos["someone/Model-GGUF"] = Repo({"m-Q8_0.gguf": SMALL})
    assert pull(hub, fresh_home, "someone/Model-GGUF").code == 0
    known = entries()[0].repo
    for name, near in (("somone/Modell-GGUF:Q8_0", "someone/Model-GGUF"), (known[:-1], known)):
        done = pull(hub, fresh_home, name)
        assert (done.code, done.stderr.count("\n")) == (3, 1)
        assert done.stderr.endswith(f"; did you mean {near}?\n")
    assert "did you mean" not in pull(hub, fresh_home, "someone/else").stderr


def test_rate_limits_say_what_helps(hub: HubServer, fresh_home: Path) -> None:
    """With how long to wait, and that a token allows more."""
    hub.fail(Fault("api", status=429, headers={"Retry-After": "1200"}))
    done = pull(hub, fresh_home, "u/r")
    assert done.code == 7
    assert re.search(r"too many requests.*HF_TOKEN.*come back in 20 min", done.stderr)


def test_a_hub_that_is_not_there(hub: HubServer, fresh_home: Path) -> None:
    """Refused connections, unknown hosts and silence, each with what to look at."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = pull(hub, fresh_home, "--retries=0", "u/r", env={"HF_ENDPOINT": nobody})
    assert (done.code, "refuses the connection; check the network" in done.stderr) == (7, True)
    done = pull(hub, fresh_home, "--retries=0", "u/r", env={"HF_ENDPOINT": "http://nobody.invalid"})
    assert (done.code, "cannot be found; check the network" in done.stderr) == (7, True)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        variables = {"HF_ENDPOINT": address, "HF_HUB_DOWNLOAD_TIMEOUT": "1"}
        done = pull(hub, fresh_home, "--retries=0", "u/r", env=variables)
    assert (done.code, "does not answer in time" in done.stderr) == (7, True)


def test_a_server_that_does_not_speak_https(hub: HubServer, fresh_home: Path) -> None:
    """A wrong endpoint is one line too."""
    done = pull(
        hub, fresh_home, "--retries=0", "u/r", env={"HF_ENDPOINT": hub.endpoint.replace("http", "https")}
    )
    assert done.code == 7
    assert "Traceback" not in done.stderr


def test_a_proxy_is_used_and_its_failures_named(hub: HubServer, fresh_home: Path) -> None:
    """The usual variables; a password in them reaches the proxy and no message."""
    with _Proxy() as proxy:
        variables = {
            "NO_PROXY": "",
            "no_proxy": "",
            "http_proxy": proxy.address("me:s3cret"),
            "https_proxy": "",
        }
        done = pull(hub, fresh_home, "--retries=0", "u/r", env=variables)
        assert (done.code, "wants a password" in done.stderr) == (7, True)
        assert "s3cret" not in done.stderr
        secure = {
            **variables,
            "HF_ENDPOINT": "https://hub.invalid",
            "https_proxy": proxy.address("me:s3cret"),
        }
        tunnelled = pull(hub, fresh_home, "--retries=0", "u/r", env=secure)
        assert (tunnelled.code, "wants a password" in tunnelled.stderr) == (7, True)
    password = base64.b64encode(b"me:s3cret").decode()
    assert f"GET {hub.endpoint}/api/models/u/r/revision/main HTTP/1.1" in proxy.heard
    assert "CONNECT hub.invalid:443 HTTP/1" in proxy.heard
    assert proxy.heard.count(f"Proxy-Authorization: Basic {password}") == 2


def test_names_of_the_catalogue_are_pulled(hub: HubServer, fresh_home: Path) -> None:
    """A short name means its repository and quantization."""
    from chatcli.library.catalog import entries

    entry = entries()[0]
    hub.repos[entry.repo] = Repo({entry.file: SMALL, "other-Q2_K.gguf": SMALL})
    assert [Path(file["path"]).name for file in pull_json(hub, fresh_home, entry.name)] == [entry.file]
    for name in (entry.name, entry.reference):
        assert pull(hub, fresh_home, name).stderr.endswith(f" chatcli -m {entry.name}\n")


def test_what_is_told_to_chat_with_is_chatted_with(hub: HubServer, home: Path) -> None:
    """The command that a pull ends with opens exactly what was pulled, however it was named."""
    weights = [MODEL.read_bytes() + bytes([n]) for n in range(3)]
    repo = hub.repos["u/two-GGUF"] = Repo(
        {"small-Q8_0.gguf": weights[0], "large-Q8_0.gguf": weights[1], "a b/odd#%-Q6_K.GGUF": weights[0]}
    )
    first = repo.commit
    where = environment(hub, home / "hub")
    for name, content in (
        ("u/two-GGUF:large", weights[1]),
        ("u/two-GGUF/small-Q8_0.gguf", weights[0]),
        ("u/two-GGUF/a b/odd#%-Q6_K.GGUF", weights[0]),
        (f"{hub.endpoint}/u/two-GGUF/blob/main/small-Q8_0.gguf", weights[0]),
    ):
        _chats_with(run(home, "pull", name, env=where), content, home, where)
    repo.files["large-Q8_0.gguf"] = weights[2]
    _chats_with(run(home, "pull", "u/two-GGUF:large", env=where), weights[2], home, where)
    old = run(home, "pull", "--offline", f"u/two-GGUF@{first}:large", env=where)
    assert Path(old.stdout.strip()).read_bytes() == weights[1]
    shown = run(home, "models", "show", "--json", f"u/two-GGUF@{first}:large", env=where)
    assert json.loads(shown.stdout)["files"] == [old.stdout.strip()]


def _chats_with(pulled: Run, content: bytes, home: Path, env: dict[str, str]) -> None:
    assert Path(pulled.stdout.strip()).read_bytes() == content, pulled.stderr
    name = shlex.split(pulled.stderr.splitlines()[-1])[-1]
    answer = run(home, "ask", "--json", "-hf", name, "--max-tokens", "1", "hi", env=env)
    assert answer.code == 0, answer.stderr
    log = "".join(path.read_text() for path in (home / "transcripts").rglob("*.txt"))
    assert hashlib.sha256(content).hexdigest() in log


def test_what_is_here_by_other_names(hub: HubServer, fresh_home: Path) -> None:
    """An alias of something on the hub is pulled; what is no hub's is told to be here."""
    pull_json(hub, fresh_home, "u/r")
    where = environment(hub, fresh_home / "hub")
    assert run(fresh_home, "models", "alias", "mine", "u/r", env=where).code == 0
    assert "/m-Q4_K_M.gguf" in run(fresh_home, "pull", "Mine", env=where).stdout
    for name in ("lkjsxclm", str(MODEL)):
        done = run(fresh_home, "pull", name, env=where)
        assert (done.code, "is a local model" in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("variables", "code", "said"),
    [
        ({"HF_ENDPOINT": "http://hub:abc"}, 2, "HF_ENDPOINT must be an address"),
        ({"HF_TOKEN": "t\u00f6k\u4e16"}, 7, "your token has characters"),
        ({"http_proxy": "http://proxy:abc", "NO_PROXY": "", "no_proxy": ""}, 7, "the proxy proxy:abc cannot"),
        ({"http_proxy": "socks5://proxy:1", "NO_PROXY": "", "no_proxy": ""}, 7, "the proxy proxy:1 cannot"),
    ],
)
def test_variables_that_cannot_be(
    hub: HubServer, fresh_home: Path, variables: dict[str, str], code: int, said: str
) -> None:
    """The variable at fault is named, not what failed because of it."""
    done = run(fresh_home, "pull", "u/r", env=environment(hub, fresh_home / "hub", variables))
    assert (done.code, done.stderr.count("\n")) == (code, 1)
    assert said in done.stderr


def test_a_locale_without_the_letters_of_a_name(hub: HubServer, fresh_home: Path) -> None:
    """The file has the name that the hub gives it, in UTF-8, and is found by it."""
    hub.repos["u/w"] = Repo({"w\u00f6rter-Q8_0.gguf": SMALL})
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    file = pull_json(hub, fresh_home, "u/w", env=plain)[0]
    assert Path(pull(hub, fresh_home, "u/w").stdout.strip()).name == "w\u00f6rter-Q8_0.gguf"
    where = environment(hub, fresh_home / "hub", plain)
    shown = json.loads(run(fresh_home, "models", "show", "--json", "u/w", env=where).stdout)
    assert shown["files"] == [file["path"]]


def test_no_telemetry(hub: HubServer, fresh_home: Path) -> None:
    """A pull makes the requests it needs, and says of this machine only the program's name and version."""
    pull_json(hub, fresh_home, "u/r")
    assert [request.kind for request in hub.log] == ["api", "api", "resolve", "content"]
    for request in hub.log:
        assert re.fullmatch(r"chatcli/[\d.a-z]+", request.headers["user-agent"])
        assert request.method == ("HEAD" if request.kind == "resolve" else "GET")


def test_json_of_nothing_new_is_json(hub: HubServer, fresh_home: Path) -> None:
    """Offline too, where no checksum is computed."""
    pull_json(hub, fresh_home, "u/r")
    done = pull(hub, fresh_home, "--offline", "--json", "u/r")
    assert json.loads(done.stdout)["files"][0]["sha256"] is None


class _Proxy:
    """A proxy that wants another password."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.heard = ""
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def address(self, password: str) -> str:
        """For the variables."""
        return f"http://{password}@127.0.0.1:{self._server.getsockname()[1]}"

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                self.heard += connection.recv(2**16).decode()
                connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    def __enter__(self) -> "_Proxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)
