"""What of the hub's interface an upload of a dataset needs, on this machine."""

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass
class Repository:
    """A dataset on the server."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)


class HubServer:
    """The server; a context manager.

    Attributes:
        repositories: by name, OWNER/NAME.
        tokens: what requests were authorized with.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.tokens: set[str | None] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = "/".join(self.path.split("?")[0].split("/")[3:5])
                repository = server.repositories[name]
                self._answer(
                    {"id": name, "private": repository.private, "siblings": [], "sha": "0" * 40, "tags": []}
                )

            def do_POST(self) -> None:
                server.tokens.add(self.headers["Authorization"])
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                self._answer(*server.post(self.path.split("?")[0].split("/")[2:], body))

            def _answer(self, value: Any, status: int = 200) -> None:
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_port}"

    def post(self, parts: list[str], body: bytes) -> tuple[Any, int]:
        """The answer to a request, and its status."""
        if parts[0] == "validate-yaml":
            return {"errors": [], "warnings": []}, 200
        if parts == ["repos", "create"]:
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            known = name in self.repositories
            private = asked.get("private", asked.get("visibility") == "private")
            self.repositories.setdefault(name, Repository(private))
            return {"url": f"{self.address}/datasets/{name}"}, 409 if known else 200
        name = "/".join(parts[1:3])
        if parts[3] == "preupload":
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            return {"files": files}, 200
        for line in body.splitlines():
            item = json.loads(line)
            if item["key"] == "file":
                self.repositories[name].files[item["value"]["path"]] = base64.b64decode(
                    item["value"]["content"]
                )
        return {
            "commitUrl": f"{self.address}/datasets/{name}/commit/1",
            "commitOid": "1" * 40,
            "success": True,
        }, 200

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
