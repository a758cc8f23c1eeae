"""Where the hub is and where its files go, by the variables all of its tools obey."""

import os
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chatcli.errors import NetworkError, UsageError

#: The hub, unless ``HF_ENDPOINT`` names a mirror.
ENDPOINT = "https://huggingface.co"
_TIMEOUT = 30
_TOKEN = re.compile(r"[!-~]+")  # what a header can carry
_TRUE = {"1", "on", "yes", "true"}


@dataclass(frozen=True, slots=True)
class Place:
    """A hub and the cache its files go to.

    Attributes:
        endpoint: where the hub is, without a slash at the end.
        cache: folder of the cache; every repository has a folder in it.
        offline: not one connection is made.
        timeout: how long a connection may be silent, in seconds.
        anonymous: the token stored on this machine is not sent.
        symlinks: names in the cache may be links.
    """

    endpoint: str
    cache: Path
    offline: bool = False
    timeout: float = _TIMEOUT
    anonymous: bool = False
    symlinks: bool = True

    @classmethod
    def of(cls, environ: Mapping[str, str], *, offline: bool = False) -> "Place":
        """What the environment says; huggingface_hub itself reads it once, at import.

        Raises:
            UsageError: ``HF_ENDPOINT`` or ``HF_HUB_DOWNLOAD_TIMEOUT`` makes no sense.
        """
        endpoint = (environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
        if not is_address(endpoint):
            raise UsageError(
                f"HF_ENDPOINT must be an address like https://host, it is {environ['HF_ENDPOINT']!r}"
            )
        seconds = environ.get("HF_HUB_DOWNLOAD_TIMEOUT") or str(_TIMEOUT)
        # huggingface_hub reads it with int().
        if not seconds.isascii() or not seconds.isdigit() or not 0 < int(seconds) < 86400:
            raise UsageError(f"HF_HUB_DOWNLOAD_TIMEOUT must be whole seconds, it is {seconds!r}")
        return cls(
            endpoint,
            cache_root(environ),
            offline or _is_true(environ, "HF_HUB_OFFLINE") or _is_true(environ, "TRANSFORMERS_OFFLINE"),
            float(seconds),
            _is_true(environ, "HF_HUB_DISABLE_IMPLICIT_TOKEN"),
            not _is_true(environ, "HF_HUB_DISABLE_SYMLINKS"),
        )

    def token(self) -> str | None:
        """The token of this machine: ``HF_TOKEN``, or what ``hf auth login`` stored. May ask the network.

        Raises:
            NetworkError: huggingface_hub cannot tell, or what it tells is no token.
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
    """Whether it is one that HTTP can ask: scheme and host, and a port that can be."""
    try:
        parts = urllib.parse.urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def cache_root(environ: Mapping[str, str]) -> Path:
    """The cache of huggingface_hub and llama.cpp: where both look first, so that a file is fetched once."""
    home = environ.get("HF_HOME") or f"{environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    root = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    return Path(os.path.expandvars(root)).expanduser()


def _is_true(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() in _TRUE
