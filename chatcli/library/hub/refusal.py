"""What a server's refusal means, in one line that says what to do."""

from collections.abc import Mapping

from chatcli.errors import ChatcliError, ModelNotFound, NetworkError

_PASSING = {408, 425, 429, 500, 502, 503, 504}
#: Longest wait a server may ask for before this counts as a refusal, in seconds.
LONGEST_WAIT = 300.0


class Passing(NetworkError):
    """A failure that may be over soon.

    Args:
        after: seconds the server asked to wait, if it did.
    """

    def __init__(self, message: str, after: float | None = None) -> None:
        self.after = after
        super().__init__(message)


class NoRepository(ModelNotFound):
    """There is no such repository, as far as the token tells.

    Args:
        name: what was asked for.
    """

    def __init__(self, message: str, name: str) -> None:
        self.name = name
        super().__init__(message)


def refusal(
    status: int, headers: Mapping[str, str], what: str, page: str, *, token: bool, host: str
) -> ChatcliError:
    """The error for an answer that is not what was asked for.

    Args:
        status: HTTP status.
        headers: of the answer, names in lower case.
        what: what was asked for, for the message.
        page: address of the repository's page, where access is granted.
        token: whether a token was sent.
        host: who answered.
    """
    code = headers.get("x-error-code", "")
    if code == "GatedRepo":
        if token:
            return NetworkError(
                f"{what} is gated: accept its terms at {page} with the account of your token, then pull again"
            )
        return NetworkError(
            f"{what} is gated: accept its terms at {page}, then log in with `hf auth login` or set HF_TOKEN"
        )
    if status == 401 and token:
        return NetworkError(
            f"{host} refuses your token for {what}; make a new one at {_root(page)}/settings/tokens and set "
            "HF_TOKEN or run `hf auth login`"
        )
    if code == "RevisionNotFound":
        return ModelNotFound(f"{what} has no such branch, tag or commit")
    if code == "EntryNotFound":
        return ModelNotFound(f"{what} is not in the repository; its page is {page}")
    if code == "RepoNotFound" or status in {401, 404}:
        private = (
            "or its token may not see it"
            if token
            else "or it is private: set HF_TOKEN or run `hf auth login`"
        )
        return NoRepository(f"there is no {what} on {host}, {private}", what)
    if status == 403 or code == "DisabledRepo":
        return NetworkError(f"{host} does not let you have {what}{_why(headers)}; see {page}")
    if status == 407:
        return NetworkError(
            "the proxy wants a password: put it in HTTPS_PROXY as http://user:password@host:port"
        )
    if status == 451:
        return NetworkError(f"{what} is blocked for legal reasons; see {page}")
    if status == 429:
        who = "" if token else "; with a token (HF_TOKEN or `hf auth login`) more is allowed"
        return Passing(f"{host} says there were too many requests (429){who}", _seconds(headers))
    if status in _PASSING:
        return Passing(f"{host} has trouble ({status}){_why(headers)}", _seconds(headers))
    return NetworkError(f"{host} answers {status} for {what}{_why(headers)}")


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Retry-After as seconds; as a date it is rare and not honoured."""
    value = headers.get("retry-after", "").strip()
    return float(value) if value.isascii() and value.isdigit() and len(value) < 9 else None


def _why(headers: Mapping[str, str]) -> str:
    message = headers.get("x-error-message", "").strip()
    return f": {message[:200]}" if message else ""


def _root(page: str) -> str:
    return "/".join(page.split("/")[:3])
