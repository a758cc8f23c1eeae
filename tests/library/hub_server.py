"""A hub on this machine: real HTTP, the hub's own headers, and everything that can go wrong on the way.

Two servers: the hub, which lists repositories and redirects large files, and the content host it redirects
to, on another port and so another origin. Every request is kept. A fault is taken by the next request
that fits, so that a test says what goes wrong first, second, third.
"""

import contextlib
import hashlib
import json
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_BLOCK = 2**14


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        at: which requests take it: "api", "resolve" (the hub's side of a file) or "content".
        status: answered instead.
        headers: of that answer.
        cut: bytes of the body after which the connection is closed.
        stall: bytes of the body after which nothing comes any more.
        corrupt: a byte of the body is another.
        ignore_range: everything is sent, whatever was asked for.
        wrong_range: another part is sent than was asked for.
        no_range_header: the part that is sent is not named.
        body: sent instead.
        then: called when all of the body was sent that will be.
    """

    at: str = "content"
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall: int | None = None
    corrupt: bool = False
    ignore_range: bool = False
    wrong_range: bool = False
    no_range_header: bool = False
    body: bytes | None = None
    then: Callable[[], None] | None = None


@dataclass(slots=True)
class Request:
    """A request that came.

    Attributes:
        kind: "api", "resolve" or "content".
        start: first byte asked for.
        sent: bytes of a file that were handed to the network.
    """

    kind: str
    method: str
    path: str
    headers: dict[str, str]
    start: int = 0
    sent: int = 0


@dataclass(slots=True)
class Repo:
    """A repository.

    Attributes:
        files: path -> content.
        gated: its terms must be accepted.
        token: who does not show it does not see the repository.
        listed: entries of the listing that are not true.
        xet: path -> hash of its content in the xet storage ``xet_storage``.
        xet_storage: address of that storage.
    """

    files: dict[str, bytes]
    gated: bool = False
    token: str | None = None
    listed: dict[str, dict[str, Any]] = field(default_factory=dict)
    xet: dict[str, str] = field(default_factory=dict)
    xet_storage: str = ""

    @property
    def commit(self) -> str:
        """Another one for other contents."""
        state = hashlib.sha1(usedforsecurity=False)
        for path, content in sorted(self.files.items()):
            state.update(f"{path} {etag_of(path, content)}\n".encode())
        return state.hexdigest()

    def entries(self) -> list[dict[str, Any]]:
        """The listing."""
        return [
            {"type": "directory", "oid": "0" * 40, "size": 0, "path": "folder"},
            *(self._entry(path, content) | self.listed.get(path, {}) for path, content in self.files.items()),
            *(entry for path, entry in self.listed.items() if path not in self.files),
        ]

    def _entry(self, path: str, content: bytes) -> dict[str, Any]:
        if is_large(path):
            oid = etag_of(path, content)
            return {
                "type": "file",
                "oid": "1" * 40,
                "size": len(content),
                "path": path,
                "lfs": {"oid": oid, "size": len(content), "pointerSize": 134},
            }
        return {"type": "file", "oid": etag_of(path, content), "size": len(content), "path": path}


def is_large(path: str) -> bool:
    """Whether the hub keeps a file as a large one."""
    return not path.endswith((".md", ".json", ".small.gguf"))


def etag_of(path: str, content: bytes) -> str:
    """The ETag of a file: sha256 of a large one, else git's."""
    if is_large(path):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class HubServer:
    """The hub, running while its block does.

    Attributes:
        repos: name -> repository.
        log: every request, in order.
        faults: what is still to go wrong.
        rate: bytes a second and connection; 0: as fast as it goes.
        page: entries on a page of a listing.
        relative: a renamed repository redirects to a path, not to an address: old name -> new name.
    """

    def __init__(self, repos: dict[str, Repo] | None = None) -> None:
        self.repos = repos or {}
        self.log: list[Request] = []
        self.faults: list[Fault] = []
        self.rate = 0.0
        self.page = 1000
        self.relative: dict[str, str] = {}
        self.ending = threading.Event()
        self._lock = threading.Lock()
        self._hub = _serve(self, _HubHandler)
        self._content = _serve(self, _ContentHandler)

    @property
    def endpoint(self) -> str:
        """For ``HF_ENDPOINT``."""
        return f"http://127.0.0.1:{self._hub.server_port}"

    @property
    def content_host(self) -> str:
        """Where large files are."""
        return f"http://127.0.0.1:{self._content.server_port}"

    def fail(self, *faults: Fault) -> None:
        """Let these go wrong, each once, in this order."""
        self.faults += faults

    def take_fault(self, kind: str, method: str = "GET") -> Fault:
        """The next fault of a kind of request; a HEAD takes only those that are an answer instead."""
        with self._lock:
            fits = (fault for fault in self.faults if fault.at == kind and (fault.status or method == "GET"))
            found = next(fits, None)
            if found is not None:
                self.faults.remove(found)
        return found or Fault()

    def requests(self, kind: str) -> list[Request]:
        """Those of a kind so far."""
        with self._lock:
            return [request for request in self.log if request.kind == kind]

    @property
    def sent(self) -> int:
        """Bytes of files handed to the network so far."""
        return sum(request.sent for request in self.requests("content") + self.requests("resolve"))

    def note(self, request: Request) -> Request:
        """Keep a request."""
        with self._lock:
            self.log.append(request)
        return request

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.ending.set()
        for server in (self._hub, self._content):
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: HubServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error of the server."""


def _serve(hub: HubServer, handler: type["_Handler"]) -> _Server:
    server = _Server(("127.0.0.1", 0), handler)
    server.hub = hub
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        """Keep little in flight, so that what was sent is what arrived."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**14)
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        raise NotImplementedError

    def record(self, kind: str) -> Request:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(kind, self.command, self.path, headers)
        asked = headers.get("range", "")
        if asked.startswith("bytes="):
            request.start = int(asked.removeprefix("bytes=").split("-")[0])
        return self.server.hub.note(request)

    def answer(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, value: Any, headers: Mapping[str, str] | None = None) -> None:
        self.answer(200, {"Content-Type": "application/json", **(headers or {})}, json.dumps(value).encode())

    def failed(self, fault: Fault) -> bool:
        if fault.status:
            self.answer(fault.status, fault.headers, fault.body or b"")
        return bool(fault.status)

    def send_content(
        self, request: Request, content: bytes, headers: Mapping[str, str], fault: Fault
    ) -> None:
        if fault.corrupt:
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        content = fault.body if fault.body is not None else content
        start = 0 if fault.ignore_range else request.start
        if start >= len(content) > 0:
            self.answer(416, {"Content-Range": f"bytes */{len(content)}"})
            return
        ranged = "range" in request.headers and not fault.ignore_range
        if fault.wrong_range:
            start = 0
        self.send_response(206 if ranged else 200)
        about = {"Content-Length": str(len(content) - start), "Accept-Ranges": "bytes", **headers}
        if ranged and not fault.no_range_header:
            about["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        for name, value in about.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(request, memoryview(content)[start:], fault)

    def _send_body(self, request: Request, body: memoryview, fault: Fault) -> None:
        ends = [n for n in (fault.cut, fault.stall) if n is not None]
        last = min([len(body), *ends])
        rate = self.server.hub.rate
        for at in range(0, last, _BLOCK):
            block = body[at : min(at + _BLOCK, last)]
            self.wfile.write(block)
            request.sent += len(block)
            if rate:
                time.sleep(len(block) / rate)
        self.wfile.flush()
        if fault.then is not None:
            fault.then()
        if fault.stall is not None:
            self.server.hub.ending.wait(30)
        if ends:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True


class _HubHandler(_Handler):
    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        parts = [urllib.parse.unquote(part) for part in url.path.strip("/").split("/")]
        if parts[:2] == ["api", "models"]:
            request, name, rest = self.record("api"), "/".join(parts[2:4]), parts[4:]
        else:
            request, name, rest = self.record("resolve"), "/".join(parts[:2]), parts[2:]
        hub = self.server.hub
        fault = hub.take_fault(request.kind, self.command)
        if self.failed(fault):
            return
        if name in hub.relative:
            self.answer(307, {"Location": self.path.replace(name, hub.relative[name])})
            return
        repo = hub.repos.get(name)
        if self._refused(repo, request, name):
            return
        assert repo is not None
        if request.kind == "resolve":
            self._resolve(repo, request, rest, fault)
        elif fault.body is not None:
            self.answer(200, {}, fault.body)
        elif rest[:1] == ["tree"]:
            self._tree(repo, url)
        elif rest[:1] == ["xet-read-token"]:
            self.json({"casUrl": repo.xet_storage, "accessToken": "xet", "exp": int(time.time()) + 3600})
        elif rest and rest[1:] not in ([], ["main"], [repo.commit]):
            self.answer(404, {"X-Error-Code": "RevisionNotFound"})
        else:
            siblings = [{"rfilename": path} for path in repo.files]
            self.json({"id": name, "sha": repo.commit, "gated": repo.gated, "siblings": siblings})

    def _refused(self, repo: Repo | None, request: Request, name: str) -> bool:
        """The hub's refusals; what does not exist and what is private look the same."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token == "hf_invalid":
            self.answer(401, {"X-Error-Message": "Invalid credentials in Authorization header"})
        elif repo is None or (repo.token is not None and token != repo.token):
            self.answer(404 if token else 401, {"X-Error-Code": "RepoNotFound"})
        elif repo.gated and request.kind == "resolve":
            self.answer(403 if token else 401, {"X-Error-Code": "GatedRepo"})
        else:
            return False
        return True

    def _tree(self, repo: Repo, url: urllib.parse.SplitResult) -> None:
        query = dict(urllib.parse.parse_qsl(url.query))
        start, page = int(query.get("cursor", "0")), self.server.hub.page
        entries = repo.entries()
        headers = {}
        if start + page < len(entries):
            following = urllib.parse.urlencode({**query, "cursor": start + page})
            headers["Link"] = f'<{self.server.hub.endpoint}{url.path}?{following}>; rel="next"'
        self.json(entries[start : start + page], headers)

    def _resolve(self, repo: Repo, request: Request, rest: list[str], fault: Fault) -> None:
        path = "/".join(rest[2:])
        if rest[1] not in {"main", repo.commit} and path not in repo.files:
            self.answer(404, {"X-Error-Code": "RevisionNotFound"})
            return
        if path not in repo.files:
            self.answer(404, {"X-Error-Code": "EntryNotFound"})
            return
        content = repo.files[path]
        etag = etag_of(path, content)
        headers = {"X-Repo-Commit": repo.commit, "ETag": f'"{etag}"'}
        if not is_large(path):
            self.send_content(request, content, headers, fault)
            return
        where = f"{self.server.hub.content_host}/{etag}?signature=1"
        linked = {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(content)), "Location": where}
        if path in repo.xet:
            name = "/".join(self.path.split("/")[1:3])
            linked["X-Xet-Hash"] = repo.xet[path]
            linked["X-Xet-Refresh-Route"] = (
                f"{self.server.hub.endpoint}/api/models/{name}/xet-read-token/main"
            )
        self.answer(302, {**headers, **linked})


class _ContentHandler(_Handler):
    def do_GET(self) -> None:
        request = self.record("content")
        fault = self.server.hub.take_fault("content")
        if self.failed(fault):
            return
        wanted = urllib.parse.urlsplit(self.path).path.strip("/")
        for path, content in _contents(self.server.hub):
            if is_large(path) and etag_of(path, content) == wanted:
                # Its ETag is its own, as that of a content host is.
                self.send_content(request, content, {"ETag": f'"{wanted[:32]}-1"'}, fault)
                return
        self.answer(404, {})


def _contents(hub: HubServer) -> Iterator[tuple[str, bytes]]:
    for repo in list(hub.repos.values()):
        yield from list(repo.files.items())
