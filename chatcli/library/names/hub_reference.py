"""What a repository of the hub is called, and which of its files are meant.

The spellings are those people know from llama.cpp's ``-hf``, from Ollama and from the hub's own pages. Which
file a name means follows llama.cpp (``common/download.cpp``: Q4_K_M, then Q8_0, then the first model), except
that a quantization is compared as a whole, so that F16 is not BF16, and that nothing is guessed where several
files fit. Pure: nothing is opened here.
"""

import re
import urllib.parse
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from chatcli.errors import ModelNotFound, UsageError
from chatcli.words import listed

#: Tried in this order where no quantization is named.
PREFERRED_TAGS = ("Q4_K_M", "Q8_0")
_HOSTS = {"huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co"}
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_.-])?")
_TAG = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# Branches with a slash are written with %2F, as in addresses; these two kinds of the hub go without.
_SPECIAL = re.compile(r"refs/(?:pr/\d+|convert/[A-Za-z0-9_.-]+)(?![^/])")
_REVISION = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
_LONGEST_REVISION = 128
_PAGES = {"blob", "resolve", "raw", "tree"}
_OTHER_KINDS = {"datasets", "spaces", "kernels", "collections"}
_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})", re.IGNORECASE)
_NOT_A_MODEL = re.compile(r"mmproj|imatrix", re.IGNORECASE)
_DRAFT = re.compile(r"(?:mtp|eagle3|dflash|dspark)-")
_QUANTIZATION = re.compile(
    r"(?<![A-Za-z0-9])((?:UD-)?(?:I?Q|TQ)\d+(?:_[A-Z0-9]+)*|B?F(?:16|32)|(?:MX|NV)?FP\d+)(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_MOST_LISTED = 24
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


@dataclass(frozen=True, slots=True)
class FileChoice:
    """The files of one model.

    Attributes:
        files: the file, or all parts of a split one in order: the first is the one to load.
        projector: the vision projector that belongs to it, if there is one.
    """

    files: tuple[str, ...]
    projector: str | None = None

    @property
    def all_files(self) -> tuple[str, ...]:
        """The files of the model, then its projector."""
        return (*self.files, *((self.projector,) if self.projector else ()))


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


def choose_files(listing: Iterable[str], tag: str | None = None) -> FileChoice:
    """The files of a repository that a quantization means.

    Args:
        listing: the paths of all files in the repository.
        tag: the quantization, compared without case and as a whole; None: Q4_K_M, then Q8_0, then the first.

    Raises:
        ModelNotFound: there is none of that quantization, or a part of it is missing; lists what there is.
        UsageError: several models fit; lists them.
    """
    paths = sorted(listing)
    models = _models(paths)
    if not models:
        raise ModelNotFound(
            "there is no GGUF model in this repository; look for one whose name ends in -GGUF"
        )
    for wanted in (tag,) if tag is not None else PREFERRED_TAGS:
        meant = fitting(models, wanted)
        if len(meant) > 1:
            raise UsageError(f"{wanted} fits several files, name one of them: {_listed(meant)}")
        if meant:
            return _choice(meant[0], models, paths)
    if tag is not None:
        raise ModelNotFound(f"there is no {tag} in this repository; there are {_available(models)}")
    return _choice(next(iter(models)), models, paths)


def choose_file(listing: Iterable[str], file: str) -> FileChoice:
    """The named file, with the other parts if it is one of a split model.

    Raises:
        ModelNotFound: there is no such file, or a part of it is missing.
    """
    paths = sorted(listing)
    if file not in paths:
        models = _models(paths)
        there = f"there are {_listed(models)}" if models else "and no GGUF model at all"
        raise ModelNotFound(f"there is no file {file} in this repository; {there}")
    models = _models(paths)
    stem = _stem_and_parts(file)[0]
    return _choice(stem, models, paths) if stem in models else FileChoice((file,))


def quantization(path: str) -> str | None:
    """The quantization a file name tells, in capitals; the last one if it tells several."""
    found = _QUANTIZATION.findall(_stem_and_parts(path)[0].replace("-UD-", "/UD-"))
    return found[-1].upper() if found else None


def without_quantization(path: str) -> str:
    """A file's name without what tells its quantization."""
    return _QUANTIZATION.sub("", path)


def is_projector(path: str) -> bool:
    """Whether a file is a projector by its name: what lets a model see, or hear."""
    name = path.rpartition("/")[2].lower()
    return name.endswith(".gguf") and "mmproj" in name


def is_model(path: str) -> bool:
    """Whether a file is a model by its name, not a projector, an importance matrix or a draft."""
    name = path.rpartition("/")[2]
    return name.lower().endswith(".gguf") and not _NOT_A_MODEL.search(name) and not _DRAFT.search(name)


def nearest_projector(model: str, paths: Iterable[str]) -> str | None:
    """The projector in the model's folder or the nearest one above, of the closest bit width.

    Args:
        model: path of the model's first file in a repository.
        paths: files of the repository.
    """
    folder = model.rpartition("/")[0]
    near = [
        path
        for path in paths
        if is_projector(path)
        and f"{folder}/".startswith(path.rpartition("/")[0] + "/" if "/" in path else "")
    ]
    # BF16 is as wide as F16, but not every processor computes with it.
    return min(
        near,
        key=lambda path: (
            -path.count("/"),
            abs(_bits(path) - _bits(model)),
            quantization(path) == "BF16",
            path,
        ),
        default=None,
    )


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


def _stem_and_parts(path: str) -> tuple[str, int, int]:
    """A path without ``.gguf`` and part number; which part it is, and of how many."""
    stem = path[:-5] if path.lower().endswith(".gguf") else path
    split = _PART.fullmatch(stem)
    return (split[1], int(split[2]), int(split[3])) if split else (stem, 1, 1)


def _models(paths: Iterable[str]) -> dict[str, list[str]]:
    """The models among files: name without part and ending -> its parts in order."""
    models: dict[str, list[str]] = {}
    for path in paths:
        if is_model(path):
            models.setdefault(_stem_and_parts(path)[0], []).append(path)
    return models


def fitting(models: Collection[str], tag: str) -> list[str]:
    """The models a tag means: of that quantization, else with the tag as a whole in their name.

    Args:
        models: paths in a repository, without ``.gguf`` and the number of a part.
    """
    exact = [model for model in models if quantization(model) == tag.upper()]
    if exact:
        return exact
    # After an underscore only a quantization begins anew (E2B_q4_0), a part of one does not (Q4_K_M is no M).
    before = r"(?<![A-Za-z0-9])" if _QUANTIZATION.fullmatch(tag) else r"(?<![A-Za-z0-9_])"
    whole = re.compile(before + re.escape(tag) + r"(?![A-Za-z0-9_])", re.IGNORECASE)
    return [model for model in models if whole.search(model)]


def _choice(model: str, models: dict[str, list[str]], paths: Collection[str]) -> FileChoice:
    parts = models[model]
    count = _stem_and_parts(parts[0])[2]
    if [_stem_and_parts(part)[1:] for part in parts] != [(number + 1, count) for number in range(count)]:
        raise ModelNotFound(f"of the {count} parts of {model} some are missing: there are {_listed(parts)}")
    return FileChoice(tuple(parts), nearest_projector(parts[0], paths))


def _bits(path: str) -> int:
    digits = re.search(r"\d+", quantization(path) or "")
    return int(digits[0]) if digits else 0


def _available(models: Collection[str]) -> str:
    known = sorted({quantization(model) or model for model in models})
    return _listed(known)


def _listed(names: Iterable[str]) -> str:
    return listed(sorted(names), most=_MOST_LISTED)
