"""Names that the user gave: aliases of models, and names of files.

This room reads the file; ``storage.registry_file`` writes it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from chatcli.errors import DataError, UsageError
from chatcli.files.disk import read_regular

_LONGEST = 200  # bytes of a name, which may have to be that of a file


class _File(msgspec.Struct):
    version: int = 1
    aliases: dict[str, str] = {}
    files: dict[str, str] = {}
    projectors: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Registry:
    """Names that the user gave.

    Attributes:
        aliases: name -> name of a model.
        files: name -> path of a GGUF file, the first of a split model.
        projectors: name -> path of the projector that the user named for that file.
    """

    aliases: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    projectors: Mapping[str, Path] = field(default_factory=dict)

    def meaning(self, name: str) -> str:
        """The name that an alias stands for, in any case and through other aliases."""
        seen: set[str] = set()
        while name not in seen and (target := self._target(name)) is not None:
            seen.add(name)
            name = target
        return name

    def _target(self, name: str) -> str | None:
        if name in self.aliases:
            return self.aliases[name]
        lower = name.lower()
        return next((target for alias, target in self.aliases.items() if alias.lower() == lower), None)

    def with_alias(self, alias: str, name: str) -> "Registry":
        """Add or change an alias.

        Raises:
            UsageError: it cannot be a name.
        """
        return replace(self, aliases={**self.aliases, checked_name(alias): name})

    def with_file(self, name: str, path: Path, projector: Path | None = None) -> "Registry":
        """Add a file, or change the file of a name.

        Args:
            projector: its projector; None: the one next to the file, if that is certain.

        Raises:
            UsageError: it cannot be a name.
        """
        files, projectors = self.without(name).files, self.without(name).projectors
        said = {name: projector} if projector is not None else {}
        return replace(self, files={**files, checked_name(name): path}, projectors={**projectors, **said})

    def without(self, name: str) -> "Registry":
        """Remove an alias or a file of that name, if there is one."""
        aliases = {alias: target for alias, target in self.aliases.items() if alias != name}
        files = {known: path for known, path in self.files.items() if known != name}
        projectors = {known: path for known, path in self.projectors.items() if known != name}
        return Registry(aliases, files, projectors)

    def encode(self) -> bytes:
        """The content of the file, in UTF-8 whatever the locale.

        Raises:
            UsageError: a path is not.
        """
        files, projectors = (
            {name: _stored(path) for name, path in paths.items()} for paths in (self.files, self.projectors)
        )
        content = _File(aliases=dict(self.aliases), files=files, projectors=projectors)
        return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def decode_registry(data: bytes, where: str) -> Registry:
    """Read the content of the file.

    Args:
        data: the file's content; empty: an empty registry.
        where: the file, for the message.

    Raises:
        DataError: it is damaged, or of a later version of the program.
    """
    if not data:
        return Registry()
    try:
        content = msgspec.json.decode(data, type=_File)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DataError(f"{where} is damaged: {error}; mend or remove it") from None
    if content.version != 1:
        raise DataError(f"{where} was written by a later version of chatcli")
    if any("\0" in path for path in (*content.files.values(), *content.projectors.values())):
        raise DataError(f"{where} is damaged: a path in it cannot be one; mend or remove it")
    files, projectors = (
        {name: Path(os.fsdecode(path.encode())) for name, path in paths.items()}
        for paths in (content.files, content.projectors)
    )
    return Registry(content.aliases, files, projectors)


def _stored(path: Path) -> str:
    try:
        return os.fsencode(path).decode()
    except UnicodeDecodeError:
        raise UsageError(f"the name of {path} is not UTF-8; rename it") from None


def read_registry(path: Path) -> Registry:
    """The registry in a file; an empty one where there is no file.

    Raises:
        DataError: it is damaged, or cannot be read.
    """
    try:
        data = read_regular(path)
    except FileNotFoundError:
        return Registry()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    return decode_registry(data, str(path))


def checked_name(name: str) -> str:
    """Check that a name can be typed, shown and used for a file.

    Raises:
        UsageError: it cannot.
    """
    if not name.strip() or name != name.strip() or not name.isprintable() or name[0] in "-" or "\\" in name:
        raise UsageError(f"{name[:_LONGEST]!r} cannot be the name of a model")
    if len(name.encode()) > _LONGEST:
        raise UsageError(f"{name[:40]!r}... is too long for the name of a model, {_LONGEST} bytes at most")
    return name
