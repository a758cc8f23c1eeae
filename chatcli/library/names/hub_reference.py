"""What a repository of the hub is called: the spellings of llama.cpp's ``-hf``, Ollama and the hub's pages.

Pure: nothing is opened here.
"""

import re
import urllib.parse
from dataclasses import dataclass

from chatcli.errors import UsageError

_HOSTS = {"huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co"}
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_.-])?")
_TAG = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# Branches with a slash are written with %2F, as in addresses; these two kinds of the hub go without.
_SPECIAL = re.compile(r"refs/(?:pr/\d+|convert/[A-Za-z0-9_.-]+)(?![^/])")
_REVISION = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
_LONGEST_REVISION = 128
_PAGES = {"blob", "resolve", "raw", "tree"}
_OTHER_KINDS = {"datasets", "spaces", "kernels", "collections"}
_LONGEST_SHOWN = 120  # characters of a name in a message
_ANY_TAG = "latest"  # what Ollama puts where no tag was named


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository of the hub and what of it is meant.

    Attributes:
        repo: ``user/name``.
        tag: a quantization such as ``Q4_K_M``; None: the preferred one.
        file: path of one file in the repository; None: chosen by ``tag``.
        revision: branch, tag or commit; None: ``main``.
    """

    repo: str
    tag: str | None = None
    file: str | None = None
    revision: str | None = None

    def __str__(self) -> str:
        """The spelling ``parse_reference`` reads back."""
        at = f"@{_spelled(self.revision)}" if self.revision else ""
        rest = f":{self.tag}" if self.tag else f"/{self.file}" if self.file else ""
        return f"{self.repo}{at}{rest}"


def parse_reference(text: str) -> Reference:
    """Read the name of something on the hub.

    ``user/repo``, ``user/repo:QUANT``, ``user/repo/file.gguf``, ``user/repo@revision``, each also with
    ``hf:``, ``hf://``, ``hf.co/`` or ``huggingface.co/`` before it, and links to a repository's page or file.

    Raises:
        UsageError: it is none of these; says what is wrong with it.
    """
    wanted = _without_prefix(text.strip(), text)
    path, colon, tag = wanted.partition(":")
    if ":" in tag:
        raise _unreadable(text, "there is more than one ':'")
    if colon and not _TAG.fullmatch(tag):
        raise _unreadable(text, "a quantization such as Q4_K_M must follow the ':'")
    path, revision = _without_revision(path, text)
    parts = path.split("/")
    if parts[0] in _OTHER_KINDS:
        raise _unreadable(text, f"it is one of the hub's {parts[0]}, not a model")
    if len(parts) < 2:
        raise _unreadable(text, "there must be a '/' between the user and the repository")
    name = "/".join(parts[:2])
    for part in name.split("/"):
        if not _NAME.fullmatch(part) or ".." in part or "--" in part:
            raise _unreadable(text, f"{part[:_LONGEST_SHOWN]!r} is not a name the hub allows")
    if len(parts) == 2:
        return Reference(name, tag if tag and tag.lower() != _ANY_TAG else None, None, revision)
    file = "/".join(parts[2:])
    if not file.lower().endswith(".gguf"):
        raise _unreadable(text, "there must be one '/', unless a .gguf file of the repository follows")
    if colon:
        raise _unreadable(text, "name either a file or a quantization, not both")
    return Reference(name, None, checked_path(file, text), revision)


def checked_path(path: str, where: str) -> str:
    """A path inside a repository that stays inside any folder it is put in, on every platform.

    Args:
        where: what it came from, for the message.

    Raises:
        UsageError: it is absolute, climbs, or has a character no file name should have.
    """
    parts = path.split("/")
    if not _harmless(path) or any(
        part in {"", ".", ".."} or part != part.strip() or part.endswith(".") or len(part.encode()) > 255
        for part in parts
    ):
        raise UsageError(f"{where}: {path!r} is not a file name that can be used safely")
    return path


def _without_prefix(text: str, original: str) -> str:
    if text[:3].lower() == "hf:":
        text = text[3:].removeprefix("//")
    scheme, separator, rest = text.partition("://")
    if separator and scheme not in {"http", "https"}:
        raise _unreadable(original, f"{scheme}:// is not a place models are pulled from")
    address = rest if separator else text
    host, _, path = address.partition("/")
    if host.lower() not in _HOSTS:
        if separator:
            raise _unreadable(original, f"{host} is not the hub (another one is set with HF_ENDPOINT)")
        return text
    pieces = path.partition("?")[0].partition("#")[0].rstrip("/").split("/")
    return _of_page([urllib.parse.unquote(piece) for piece in pieces])


def _of_page(parts: list[str]) -> str:
    """The reference in the path of a page: user/repo[/tree/REV], user/repo/(blob|resolve|raw)/REV/FILE."""
    if len(parts) < 4 or parts[2] not in _PAGES:
        return "/".join(parts)
    behind = "/".join(parts[3:])
    special = _SPECIAL.match(behind)
    revision = special[0] if special else parts[3]
    at = "" if revision == "main" else f"@{_spelled(revision)}"
    file = "" if parts[2] == "tree" else behind.removeprefix(revision)
    return f"{parts[0]}/{parts[1]}{at}{file}"


def _without_revision(path: str, text: str) -> tuple[str, str | None]:
    """A path without ``@revision`` behind the repository, and that revision."""
    repo, at, rest = path.partition("@")
    if not at or repo.count("/") != 1:
        return path, None
    special = _SPECIAL.match(rest)
    revision = special[0] if special else urllib.parse.unquote(rest.partition("/")[0])
    if not _is_revision(revision):
        raise _unreadable(text, "a branch, tag or commit must follow the '@'")
    return repo + (rest[special.end() :] if special else "".join(rest.partition("/")[1:])), revision


def _spelled(revision: str) -> str:
    """A revision as ``parse_reference`` reads it back."""
    return revision if _SPECIAL.fullmatch(revision) else revision.replace("/", "%2F")


def _unreadable(text: str, why: str) -> UsageError:
    shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
    return UsageError(
        f"{shown!r} is not the name of a model: {why}; "
        "expected user/repo, user/repo:QUANT or user/repo/file.gguf"
    )


def _is_revision(text: str) -> bool:
    return bool(_REVISION.fullmatch(text)) and ".." not in text and len(text) <= _LONGEST_REVISION


def _harmless(path: str) -> bool:
    return path.isprintable() and not set(path) & set('\\:*?"<>|')
