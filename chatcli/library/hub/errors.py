"""What a failed request means, in one line that says what to do."""

import socket
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chatcli.errors import ChatcliError, ModelNotFound, NetworkError

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


class TransientError(NetworkError):
    """A failure that may be over soon.

    Args:
        after: seconds the server asked to wait, if it did.
    """

    def __init__(self, message: str, after: float | None = None) -> None:
        self.after = after
        super().__init__(message)


class NoRepository(ModelNotFound):
    """There is no such repository, or the token may not see it.

    Args:
        name: what was asked for.
    """

    def __init__(self, message: str, name: str) -> None:
        self.name = name
        super().__init__(message)


class WrongRange(TransientError):
    """A server sent another part of a file than was asked for."""


class XetError(Exception):
    """Xet storage cannot be used; plain HTTP may work."""


def refusal(error: "HfHubHTTPError", what: str, page: str) -> ChatcliError:
    """The error for an answer of the hub that is not what was asked for.

    Args:
        error: as huggingface_hub raises it.
        what: what was asked for, for the message.
        page: address of the repository's page, where access is granted.
    """
    from huggingface_hub import errors

    status, headers = error.response.status_code, error.response.headers
    token, host = "authorization" in error.response.request.headers, error.response.request.url.host
    if isinstance(error, errors.GatedRepoError):
        how = ", then log in with `hf auth login` or set HF_TOKEN"
        how = " with the account of your token, then pull again" if token else how
        return NetworkError(f"{what} is gated: accept its terms at {page}{how}")
    if status == 401 and token:
        root = "/".join(page.split("/")[:3])
        return NetworkError(
            f"{host} refuses your token for {what}; make a new one at {root}/settings/tokens and set "
            "HF_TOKEN or run `hf auth login`"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelNotFound(f"{what} has no such branch, tag or commit")
    if isinstance(error, errors.EntryNotFoundError):
        return ModelNotFound(f"{what} is not in the repository; its page is {page}")
    if isinstance(error, errors.RepositoryNotFoundError) or status in {401, 404}:
        private = (
            "its token may not see it" if token else "it is private: set HF_TOKEN or run `hf auth login`"
        )
        return NoRepository(f"there is no {what} on {host}, or {private}", what)
    if status == 403 or isinstance(error, errors.DisabledRepoError):
        return NetworkError(f"{host} does not let you have {what}{_why(headers)}; see {page}")
    if status == 407:
        return NetworkError(
            "the proxy wants a password: put it in HTTPS_PROXY as http://user:password@host:port"
        )
    if status == 451:
        return NetworkError(f"{what} is blocked for legal reasons; see {page}")
    return NetworkError(f"{host} answers {status} for {what}{_why(headers)}")


def raise_transient(response: "httpx2.Response") -> None:
    """Raise TransientError if an answer says that the server is busy or in trouble."""
    status, host, headers = response.status_code, response.request.url.host, response.headers
    if status not in _TRANSIENT:
        return
    # Retry-After as a date is rare and not honoured.
    value = headers.get("retry-after", "").strip()
    after = float(value) if value.isascii() and value.isdigit() and len(value) < 9 else None
    if status == 429:
        token = "authorization" in response.request.headers
        who = "" if token else "; with a token (HF_TOKEN or `hf auth login`) more is allowed"
        raise TransientError(f"{host} says there were too many requests (429){who}", after)
    raise TransientError(f"{host} has trouble ({status}){_why(headers)}", after)


def failure(error: "httpx2.RequestError", *, final: bool) -> NetworkError:
    """The error for a connection that failed.

    Args:
        final: there is no use in trying again if no connection could be made.
    """
    import httpx2

    host = error.request.url.host
    cause: BaseException = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    connecting = isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError))
    kind = NetworkError if final and connecting else TransientError
    match cause:
        case ssl.SSLCertVerificationError():
            return NetworkError(
                f"the certificate of {host} is not trusted ({cause.verify_message}); behind a company's "
                "proxy, set SSL_CERT_FILE to its certificates"
            )
        case socket.gaierror():
            return kind(
                f"the address of {host} cannot be found; check the network, HF_ENDPOINT and HTTPS_PROXY"
            )
        case TimeoutError():
            return kind(f"{host} does not answer in time (HF_HUB_DOWNLOAD_TIMEOUT allows longer)")
        case ConnectionRefusedError():
            return kind(f"{host} refuses the connection; check the network, HF_ENDPOINT and HTTPS_PROXY")
    if isinstance(error, httpx2.ProxyError):
        if "407" in str(error):
            return NetworkError(
                f"{host} wants a password: put it in HTTPS_PROXY as http://user:password@host:port"
            )
        return kind(f"{host} lets nothing through ({error}); check HTTPS_PROXY and NO_PROXY")
    if isinstance(error, httpx2.TooManyRedirects):
        return NetworkError(f"{host} redirects more than 10 times")
    if isinstance(error, httpx2.RemoteProtocolError) and "location header" in str(error):
        return NetworkError(f"{host} redirects to something which is no address")
    if isinstance(error, httpx2.RemoteProtocolError) and "illegal" in str(error):
        return NetworkError(f"{host} does not speak HTTP")
    if isinstance(cause, OSError) and not isinstance(cause, (ConnectionError, ssl.SSLError)):
        return kind(f"{host} cannot be reached: {(cause.strerror or str(cause)).lower()}")
    return kind(f"{host} cut the connection")


def _why(headers: Mapping[str, str]) -> str:
    message = headers.get("x-error-message", "").strip()
    return f": {message[:200]}" if message else ""
