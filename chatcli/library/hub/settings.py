"""Where the hub is and where its files go, by the variables that all of its tools obey."""

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chatcli.errors import NetworkError, UsageError
from chatcli.library.stores.places import cache_root

#: The hub, unless ``HF_ENDPOINT`` names a mirror.
ENDPOINT = "https://huggingface.co"
_TIMEOUT = 30
_CONNECT_TIMEOUT = 2.0  # so that a pull without a network ends within three seconds
_TOKEN = re.compile(r"[!-~]+")  # what a header can carry
_TRUE = {"1", "on", "yes", "true"}


@dataclass(frozen=True, slots=True)
class HubSettings:
    """A hub and the cache its files go to.

    Attributes:
        endpoint: address of the hub, without a slash at the end.
        cache: folder of the cache; every repository has a folder in it.
        offline: make no connection.
        timeout: seconds a connection may be silent.
        connect_timeout: seconds that connecting may take.
        anonymous: do not send the token stored on this machine.
        symlinks: names in the cache may be symbolic links.
    """

    endpoint: str
    cache: Path
    offline: bool = False
    timeout: float = _TIMEOUT
    connect_timeout: float = _CONNECT_TIMEOUT
    anonymous: bool = False
    symlinks: bool = True

    @classmethod
    def of(cls, environ: Mapping[str, str], *, offline: bool = False) -> "HubSettings":
        """Read the environment. (huggingface_hub itself reads it once, when it is imported.)

        Raises:
            UsageError: ``HF_ENDPOINT`` or ``HF_HUB_DOWNLOAD_TIMEOUT`` is invalid.
        """
        endpoint = (environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
        if not is_address(endpoint):
            raise UsageError(
                f"HF_ENDPOINT must be an address like https://host, it is {environ['HF_ENDPOINT']!r}"
            )
        named = environ.get("HF_HUB_DOWNLOAD_TIMEOUT", "")
        seconds = named or str(_TIMEOUT)
        # huggingface_hub reads it with int().
        if not seconds.isascii() or not seconds.isdigit() or not 0 < int(seconds) < 86400:
            raise UsageError(f"HF_HUB_DOWNLOAD_TIMEOUT must be whole seconds, it is {seconds!r}")
        return cls(
            endpoint,
            cache_root(environ),
            offline or _is_true(environ, "HF_HUB_OFFLINE") or _is_true(environ, "TRANSFORMERS_OFFLINE"),
            float(seconds),
            float(seconds) if named else _CONNECT_TIMEOUT,
            _is_true(environ, "HF_HUB_DISABLE_IMPLICIT_TOKEN"),
            not _is_true(environ, "HF_HUB_DISABLE_SYMLINKS"),
        )

    def token(self) -> str | None:
        """The token of this machine: ``HF_TOKEN``, or what ``hf auth login`` stored. May use the network.

        Raises:
            NetworkError: huggingface_hub cannot read it, or it is not a token.
        """
        if self.anonymous:
            return None
        try:
            from huggingface_hub import get_token

            token = get_token()
        except Exception as error:  # its settings, its files, or a log-in that must be renewed
            raise NetworkError(f"huggingface_hub cannot read your token ({error}); set HF_TOKEN") from error
        if token is not None and not _TOKEN.fullmatch(token):
            raise NetworkError(
                "your token has characters that no token has; set HF_TOKEN anew, or run `hf auth login`"
            )
        return token


def is_address(text: str) -> bool:
    """Whether HTTP can ask this address: it has a scheme, a host and a valid port."""
    try:
        parts = urllib.parse.urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_true(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() in _TRUE
