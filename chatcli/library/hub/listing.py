"""What a repository holds at a commit: every file with its size and the checksum of its content."""

import hashlib
import json
import re
import urllib.parse
from dataclasses import dataclass
from typing import Any

from chatcli.errors import NetworkError, UsageError
from chatcli.library.hub.cache import DEFAULT_REVISION
from chatcli.library.hub.connection import Answer, Client, joined
from chatcli.library.hub.refusal import refusal
from chatcli.library.names.hub_reference import checked_path

_LARGEST_PAGE = 2**25  # bytes; a thousand files take a few hundred kilobytes
_MOST_PAGES = 200
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ETAG = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NEXT = re.compile(r'<([^>]+)>\s*;[^,]*\brel="?next\b')


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository.

    Attributes:
        path: in the repository; safe to use as a path in a folder.
        size: bytes.
        etag: checksum of its content: sha256 (64 hexadecimal digits) of a large file, git's (40) of
            a small one.
    """

    path: str
    size: int
    etag: str

    def checksum(self) -> "hashlib._Hash":
        """The hash whose digest over the content must be ``etag``; git puts a header before the content."""
        if len(self.etag) == 64:
            return hashlib.sha256()
        return hashlib.sha1(f"blob {self.size}\0".encode(), usedforsecurity=False)


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository at a commit.

    Attributes:
        repo: ``user/name``.
        commit: full id.
        files: by path.
        unsafe: names of GGUF files that cannot be used safely; they are left out.
    """

    repo: str
    commit: str
    files: dict[str, RemoteFile]
    unsafe: tuple[str, ...] = ()


def page_of(endpoint: str, repo: str) -> str:
    """Address of a repository's page."""
    return f"{endpoint}/{repo}"


def read_listing(client: Client, repo: str, revision: str | None) -> Listing:
    """Ask the hub what is in a repository.

    Raises:
        ModelNotFound: no such repository or revision, or it is private.
        NetworkError: the hub refuses, or answers something else.
        Passing: no answer now.
    """
    at = urllib.parse.quote(revision or DEFAULT_REVISION, safe="")
    info, _ = _json(client, repo, f"{client.endpoint}/api/models/{repo}/revision/{at}")
    commit = info.get("sha") if isinstance(info, dict) else None
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise _nonsense(client, "names no commit")
    files: dict[str, RemoteFile] = {}
    unsafe: list[str] = []
    url = f"{client.endpoint}/api/models/{repo}/tree/{commit}?recursive=true"
    for _ in range(_MOST_PAGES):
        entries, answer = _json(client, repo, url)
        if not isinstance(entries, list):
            raise _nonsense(client, "is not a list of files")
        for entry in filter(_is_file, entries):
            path = _path(client, entry)
            if _is_safe(path):
                files[path] = _file(client, path, entry)
            elif path.lower().endswith(".gguf"):
                unsafe.append(path)
        following = _NEXT.search(answer.headers.get("link", ""))
        if following is None:
            return Listing(repo, commit, files, tuple(unsafe))
        url = joined(url, following[1])
    raise _nonsense(client, "never ends")


def refused(client: Client, answer: Answer, repo: str, what: str) -> Exception:
    """The error an answer stands for that is not the content asked for."""
    page = page_of(client.endpoint, repo)
    return refusal(answer.status, answer.headers, what, page, token=answer.with_token, host=answer.host)


def _json(client: Client, repo: str, url: str) -> tuple[Any, Answer]:
    with client.get(url, {"Accept": "application/json"}) as answer:
        if answer.status != 200:
            raise refused(client, answer, repo, repo)
        body = answer.read_all(_LARGEST_PAGE)
    try:
        return json.loads(body), answer
    except (ValueError, RecursionError):
        raise _nonsense(client, "is not JSON") from None


def _is_file(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("type") == "file"


def _path(client: Client, entry: Any) -> str:
    path = entry.get("path")
    if not isinstance(path, str):
        raise _nonsense(client, "has a file without a name or size")
    return path


def _is_safe(path: str) -> bool:
    try:
        checked_path(path, "")
    except UsageError:
        return False
    return True


def _file(client: Client, path: str, entry: Any) -> RemoteFile:
    """An entry of the listing.

    Raises:
        NetworkError: it makes no sense.
    """
    large = entry.get("lfs")
    source = large if isinstance(large, dict) else entry
    size, etag = source.get("size"), source.get("oid")
    if type(size) is not int or not 0 <= size < 2**50:
        raise _nonsense(client, "has a file without a name or size")
    etag = etag.removeprefix("sha256:") if isinstance(etag, str) else ""
    if not _ETAG.fullmatch(etag):
        raise _nonsense(client, f"has no checksum for {path}, so that it could not be verified")
    return RemoteFile(path, size, etag)


def _nonsense(client: Client, why: str) -> NetworkError:
    return NetworkError(f"the answer of {client.endpoint} {why}; is HF_ENDPOINT a hub?")
