"""One HTTP request: proxies, certificates, redirects, and a line for everything that can fail.

The standard library's client, since what a resumable download needs is control: which host sees the token,
where a range begins, and a socket that can be shut from another thread. huggingface_hub's own client retries
and resumes in ways that cannot be seen from outside.
"""

import base64
import contextlib
import http.client
import os
import socket
import ssl
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from chatcli import __version__
from chatcli.errors import NetworkError
from chatcli.library.hub.place import is_address
from chatcli.library.hub.refusal import Passing

_REDIRECTS = {301, 302, 303, 307, 308}
_MOST_REDIRECTS = 10
_PORTS = {"http": 80, "https": 443}


@dataclass(slots=True)
class Answer:
    """A server's answer, its body still to be read.

    Attributes:
        status: HTTP status.
        headers: names in lower case; of the last host.
        announced: what the hub itself said, before it sent us to another host.
        host: who answered last.
        with_token: whether the last host saw the token.
    """

    status: int
    headers: Mapping[str, str]
    announced: Mapping[str, str]
    host: str
    with_token: bool
    _connection: http.client.HTTPConnection = field(repr=False)
    _response: http.client.HTTPResponse = field(repr=False)
    _socket: socket.socket = field(repr=False)

    def read(self, most: int) -> bytes:
        """Some bytes of the body, b"" at its end.

        Raises:
            Passing: the connection was cut, or was silent for too long.
        """
        try:
            return self._response.read1(most)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise failure(error, self.host) from None

    def read_all(self, most: int) -> bytes:
        """The whole body.

        Raises:
            NetworkError: it is longer than ``most`` bytes.
            Passing: the connection was cut.
        """
        body = bytearray()
        while data := self.read(2**16):
            body += data
            if len(body) > most:
                raise NetworkError(
                    f"{self.host} sends an answer longer than {most} bytes; this is not the hub"
                )
        length = self.headers.get("content-length")
        if length is not None and length.isdigit() and len(body) < int(length):
            raise Passing(f"{self.host} cut the connection")
        return bytes(body)

    def shut(self) -> None:
        """End a read in another thread at once."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the connection up."""
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@dataclass(slots=True)
class Client:
    """Asks a hub.

    Args:
        endpoint: the hub; only it sees the token.
        token: proves who asks.
        timeout: how long a connection may be silent, in seconds.
    """

    endpoint: str
    token: str | None = field(default=None, repr=False)
    timeout: float = 30.0
    _tls: ssl.SSLContext | None = field(default=None, repr=False)

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET, after redirects, whatever its status.

        Raises:
            NetworkError: it cannot be asked at all, or is sent in circles.
            Passing: no connection now.
        """
        announced: Mapping[str, str] | None = None
        for _ in range(_MOST_REDIRECTS):
            answer = self._ask(url, headers or {})
            # Headers of the first host that names the content count: later hosts name their own copies.
            if announced is None or not _names_content(announced):
                announced = answer.headers
            target = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not target:
                answer.announced = announced
                return answer
            answer.close()
            following = joined(url, target)
            if url.startswith("https:") and not following.startswith("https:"):
                raise NetworkError(
                    f"{answer.host} redirects to an address that is not encrypted; not followed"
                )
            url = following
        raise NetworkError(f"{_host(url)} redirects more than {_MOST_REDIRECTS} times")

    def _ask(self, url: str, headers: Mapping[str, str]) -> Answer:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        with_token = self.token is not None and _origin(url) == _origin(self.endpoint)
        sent = {
            "User-Agent": f"chatcli/{__version__}",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **headers,
        }
        if with_token:
            sent["Authorization"] = f"Bearer {self.token}"
        proxy = _proxy_of(parts.scheme, host)
        via = f"{host} (through the proxy {_host(proxy)})" if proxy else host
        try:
            connection, target = self._connect(parts, proxy, sent)
            try:
                connection.request("GET", target, headers=sent)
                plug: socket.socket = connection.sock  # the connection forgets it once it has an answer
                response = connection.getresponse()
            except BaseException:
                connection.close()
                raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise failure(error, via) from None
        received = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, received, received, host, with_token, connection, response, plug)

    def _connect(
        self, parts: urllib.parse.SplitResult, proxy: str | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPConnection, str]:
        """A connection, and what to ask it for."""
        if not is_address(parts.geturl()):
            raise NetworkError(f"{parts.geturl()!r} is not an address that can be fetched")
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        if proxy is None:
            return self._new(parts.scheme, host, port), target
        if not is_address(proxy):
            raise NetworkError(
                f"the proxy {_host(proxy)} cannot be used; HTTPS_PROXY must be http://host:port"
            )
        through = urllib.parse.urlsplit(proxy)
        at = (through.hostname or "", through.port or _PORTS[through.scheme])
        password = _proxy_password(through)
        if parts.scheme == "https":
            connection = self._new("https", *at)
            connection.set_tunnel(host, port, headers=password)
            return connection, target
        headers.update(password)
        return self._new("http", *at), parts._replace(fragment="").geturl()

    def _new(self, scheme: str, host: str, port: int) -> http.client.HTTPConnection:
        if scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self.timeout)
        self._tls = self._tls or _certificates()
        return http.client.HTTPSConnection(host, port, timeout=self.timeout, context=self._tls)


def joined(url: str, target: str) -> str:
    """The address a server names in its answer to ``url``.

    Raises:
        NetworkError: it is none.
    """
    try:
        address = urllib.parse.urljoin(url, target)
    except ValueError:
        address = ""
    if not is_address(address):
        raise NetworkError(f"{_host(url)} leads to {target[:100]!r}, which is no address")
    return address


def failure(error: Exception, host: str) -> NetworkError:
    """What a failed connection means, in one line."""
    if isinstance(error, NetworkError):
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return NetworkError(
            f"the certificate of {host} is not trusted ({error.verify_message}); behind a company's proxy, "
            "set SSL_CERT_FILE to its certificates"
        )
    if isinstance(error, socket.gaierror):
        return Passing(
            f"the address of {host} cannot be found; check the network, HF_ENDPOINT and HTTPS_PROXY"
        )
    if isinstance(error, TimeoutError):
        return Passing(f"{host} does not answer in time (HF_HUB_DOWNLOAD_TIMEOUT allows longer)")
    if isinstance(error, ConnectionRefusedError):
        return Passing(f"{host} refuses the connection; check the network, HF_ENDPOINT and HTTPS_PROXY")
    if isinstance(error, OSError) and str(error).startswith("Tunnel connection failed"):
        if " 407" in str(error):
            return NetworkError(
                f"{host} wants a password: put it in HTTPS_PROXY as http://user:password@host:port"
            )
        return Passing(f"{host} lets nothing through ({error}); check HTTPS_PROXY and NO_PROXY")
    if isinstance(
        error, (ConnectionError, http.client.IncompleteRead, http.client.RemoteDisconnected, ssl.SSLError)
    ):
        return Passing(f"{host} cut the connection")
    if isinstance(error, OSError):
        return Passing(f"{host} cannot be reached: {(error.strerror or str(error)).lower()}")
    return NetworkError(f"{host} does not speak HTTP ({type(error).__name__})")


def _names_content(headers: Mapping[str, str]) -> bool:
    return "x-linked-etag" in headers or "etag" in headers


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _host(url: str) -> str:
    """Host and port of an address, without a password in it."""
    return urllib.parse.urlsplit(url).netloc.rpartition("@")[2] or url


def _proxy_of(scheme: str, host: str) -> str | None:
    """The proxy for a host: the variables, else what the system says."""
    if urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _proxy_password(proxy: urllib.parse.SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    user, password = (urllib.parse.unquote(text or "") for text in (proxy.username, proxy.password))
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Proxy-Authorization": f"Basic {encoded}"}


def _certificates() -> ssl.SSLContext:
    """The system's certificates; where Python finds none (macOS), those of certifi if that is installed."""
    context = ssl.create_default_context()
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    paths = ssl.get_default_verify_paths()
    if named:
        with contextlib.suppress(OSError):
            context.load_verify_locations(named)
    elif not context.cert_store_stats()["x509_ca"] and not paths.capath:
        with contextlib.suppress(ImportError, OSError):
            import certifi

            context.load_verify_locations(certifi.where())
    return context
