"""Asks the hub through huggingface_hub: what a repository holds, and the bytes of a file from any offset."""

import contextlib
import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatcli import __version__
from chatcli.errors import NetworkError, UsageError
from chatcli.library.hub import errors
from chatcli.library.hub.settings import HubSettings, is_address
from chatcli.library.names.hub_reference import checked_path
from chatcli.library.stores.repo_cache import DEFAULT_REVISION

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub import HfFileMetadata

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ETAG = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_MOST_REDIRECTS = 10


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository.

    Attributes:
        path: in the repository; safe to use as a path in a folder.
        size: bytes.
        etag: sha256 of a large file (64 hexadecimal digits), git's hash of a small one (40).
    """

    path: str
    size: int
    etag: str


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


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file as they come.

    Attributes:
        start: offset of the first one.
        chunks: the bytes, in order.
        cancel: ends ``chunks`` from another thread.
        host: who sends them.
    """

    start: int
    chunks: Iterator[bytes]
    cancel: Callable[[], None]
    host: str


class HubClient:
    """Asks one hub. A process has one at a time, since huggingface_hub has one session.

    Args:
        settings: which hub, and how long to wait.

    Attributes:
        token: the token of this machine, or None; only the hub may see it.
        has_xet: xet storage may be used.
    """

    def __init__(self, settings: HubSettings) -> None:
        from huggingface_hub import HfApi, constants, set_client_factory
        from huggingface_hub.utils import logging

        logging.set_verbosity(100)  # every failure is told in a line of ours
        self._settings = settings
        self.token = settings.token()
        self._reached = False
        constants.HF_HUB_DISABLE_TELEMETRY = True  # or it asks for a list of agents first
        self.has_xet = not constants.HF_HUB_DISABLE_XET
        set_client_factory(self._session)
        self._api = HfApi(settings.endpoint, token=self.token or False)

    def listing(self, repo: str, revision: str | None) -> Listing:
        """What is in a repository.

        Raises:
            ModelNotFound: no such repository or revision, or it is private.
            NetworkError: the hub refuses, or answers something else.
            TransientError: no answer now.
        """
        files, unsafe = {}, []
        try:
            with self._asking(repo, repo):
                commit = self._api.model_info(repo, revision=revision or DEFAULT_REVISION).sha or ""
                if not _COMMIT.fullmatch(commit):
                    raise ValueError("no commit")
                for entry in self._api.list_repo_tree(repo, recursive=True, revision=commit):
                    if not hasattr(entry, "blob_id"):
                        continue  # a folder
                    if _is_safe(entry.path):
                        files[entry.path] = _file(entry)
                    elif entry.path.lower().endswith(".gguf"):
                        unsafe.append(entry.path)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            nonsense = f"the answer of {self._settings.endpoint} makes no sense; is HF_ENDPOINT a hub?"
            raise NetworkError(nonsense) from None
        return Listing(repo, commit, files, tuple(unsafe))

    def metadata(self, repo: str, commit: str, file: RemoteFile) -> "HfFileMetadata":
        """Where the content of a file is now; the address expires. Raises as ``listing``."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        endpoint = self._settings.endpoint
        url = hf_hub_url(repo, file.path, revision=commit, endpoint=endpoint)
        with self._asking(f"{repo}/{file.path}", repo), contextlib.suppress(ValueError):
            found = get_hf_file_metadata(url, token=self.token or False, endpoint=endpoint)
            if is_address(found.location):
                return found
        raise NetworkError(f"{endpoint} redirects {file.path} to something which is no address")

    @contextlib.contextmanager
    def content(
        self, repo: str, file: RemoteFile, metadata: "HfFileMetadata", start: int
    ) -> Iterator[Content]:
        """Open a file over plain HTTP.

        Args:
            start: first byte wanted; a server that knows no ranges sends all.

        Raises:
            NetworkError: what comes is not this file.
            TransientError: it does not come now, or not from ``start``.
        """
        from huggingface_hub import get_session

        headers = {"Range": f"bytes={start}-"} if start else {}
        if token := self.token_for(metadata.location):
            headers["Authorization"] = f"Bearer {token}"
        with (
            self._asking(f"{repo}/{file.path}", repo),
            get_session().stream("GET", metadata.location, headers=headers) as response,
        ):
            host, status = response.request.url.host, response.status_code
            if status in {401, 403, 404}:
                # Addresses at the content host are signed and expire: the hub gives a new one.
                raise errors.TransientError(f"{host} answers {status}")
            if status not in {200, 206, 416}:
                raise NetworkError(f"{host} answers {status} for {file.path}")
            length = response.headers.get("content-length", "")
            if status == 200 and length.isdigit() and int(length) != file.size:
                raise NetworkError(
                    f"{host} has {file.path} in another size than the {file.size} bytes its listing says; "
                    "something on the way changes it (a proxy?), or try again later"
                )
            part = _RANGE.fullmatch(response.headers.get("content-range", "").strip())
            if status != 200 and not (part and int(part[1]) == start and part[3] in {"*", str(file.size)}):
                raise errors.WrongRange(
                    f"{host} does not send the part that was asked for, so all is asked for"
                )
            plug = response.extensions["network_stream"].get_extra_info("socket")

            def cancel() -> None:
                with contextlib.suppress(OSError):
                    plug.shutdown(socket.SHUT_RDWR)

            yield Content(start if status == 206 else 0, response.iter_raw(), cancel, host)

    def token_for(self, url: str) -> str | None:
        """The token, if an address is the hub's: no other host sees it."""
        return self.token if _origin(url) == _origin(self._settings.endpoint) else None

    @contextlib.contextmanager
    def _asking(self, what: str, repo: str) -> Iterator[None]:
        """Turn the errors of both libraries into ours."""
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError

        try:
            yield
        except HfHubHTTPError as error:
            raise errors.refusal(error, what, f"{self._settings.endpoint}/{repo}") from None
        except httpx2.RequestError as error:
            raise errors.failure(error, final=not self._reached) from None

    def _session(self) -> "httpx2.Client":
        """The session that huggingface_hub uses from now on."""
        import httpx2

        try:
            return httpx2.Client(
                event_hooks={"request": [self._on_request], "response": [self._on_response]},
                headers={"Accept-Encoding": "identity"},
                follow_redirects=True,
                max_redirects=_MOST_REDIRECTS,
            )
        except (ValueError, ImportError, httpx2.InvalidURL):
            proxies = urllib.request.getproxies().values()
            wrong = next((proxy for proxy in proxies if not is_address(proxy)), "of this system")
            shown = urllib.parse.urlsplit(wrong).netloc.rpartition("@")[2] or wrong
            raise NetworkError(
                f"the proxy {shown} cannot be used; HTTPS_PROXY must be http://host:port"
            ) from None

    def _on_request(self, request: "httpx2.Request") -> None:
        """Called before each request, also after a redirect."""
        url, endpoint = str(request.url), self._settings.endpoint
        if not is_address(url):
            raise NetworkError(f"{endpoint} redirects to {url[:100]!r}, which is no address")
        if endpoint.startswith("https:") and not url.startswith("https:"):
            raise NetworkError(f"{endpoint} redirects to an address that is not encrypted; not followed")
        if self.token_for(url) is None:
            request.headers.pop("Authorization", None)
        request.headers["User-Agent"] = f"chatcli/{__version__}"
        timeout = dict.fromkeys(("read", "write", "pool"), self._settings.timeout)
        request.extensions["timeout"] = {**timeout, "connect": self._settings.connect_timeout}

    def _on_response(self, response: "httpx2.Response") -> None:
        self._reached = True
        errors.raise_transient(response)


def _is_safe(path: str) -> bool:
    try:
        checked_path(path, "")
    except UsageError:
        return False
    return True


def _file(entry: Any) -> RemoteFile:
    """A file of the listing.

    Raises:
        ValueError: its size or checksum is invalid.
    """
    size = entry.size if entry.lfs is None else entry.lfs.size
    etag = entry.blob_id if entry.lfs is None else entry.lfs.sha256
    if type(size) is not int or not 0 <= size < 2**50 or not _ETAG.fullmatch(etag):
        raise ValueError(entry)
    return RemoteFile(entry.path, size, etag)


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80}.get(parts.scheme, 443)
