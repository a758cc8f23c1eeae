"""The catalogue: recommended models, where they are, and the sampling that their makers recommend.

It is data, ``models/catalog.toml``, shipped in the package; nothing in it is fetched or checked here.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from chatcli.errors import DataError, UsageError
from chatcli.sampling import SamplingParams

FILE = "catalog.toml"
#: The model that comes with the program, so that everything works offline from the first minute.
BUNDLED = "lkjsxclm"
Kind = Literal["chat", "embedding"]


class CatalogEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model of the catalogue.

    Attributes:
        name: what users call it, in lower case.
        title: as its maker writes it.
        repo: repository on the hub, ``user/name``.
        tag: picks the file in it, as in ``repo:tag``.
        file: the file's name when this was written, the first of a split model.
        size: bytes of all its files, about.
        license: SPDX identifier or the licence's own name.
        year: of its release.
        context: tokens it was trained for.
        good_for: what one would take it for, in a few words.
        kind: ``chat`` or ``embedding``.
        active: bytes of weights read for each token; 0: all of them.
        thinking: variable of its chat template that switches reasoning; empty: there is no switch.
        vision: it sees pictures: its repository holds a projector.
        sampling: what its maker recommends, without reasoning where there is a choice.
        sampling_thinking: what its maker recommends with reasoning, where that differs.
        dimensions: of an embedding; 0 for chat models.
    """

    name: str
    title: str
    repo: str
    tag: str
    file: str
    size: int
    license: str
    year: int
    context: int
    good_for: str
    kind: Kind = "chat"
    active: int = 0
    thinking: str = ""
    vision: bool = False
    sampling: Mapping[str, int | float] = {}
    sampling_thinking: Mapping[str, int | float] = {}
    dimensions: int = 0

    @property
    def reference(self) -> str:
        """The model as the hub's tools spell it, ``user/repo:TAG``."""
        return f"{self.repo}:{self.tag}"

    @property
    def memory(self) -> int:
        """Bytes it needs with a usual context, by rule of thumb (``engine.estimate`` reads the file)."""
        return self.size * 6 // 5 + 1_000_000_000

    @property
    def read_per_token(self) -> int:
        """Bytes of weights read for each token, which is what bounds its speed."""
        return self.active or self.size

    def recommended(self, *, thinking: bool | None) -> dict[str, Any]:
        """Sampling parameters its maker recommends, by name.

        Args:
            thinking: whether the model shall reason; None: as its template has it.
        """
        on = thinking if thinking is not None else bool(self.sampling_thinking)
        return dict(self.sampling_thinking if on and self.sampling_thinking else self.sampling)


class _Catalog(msgspec.Struct, forbid_unknown_fields=True):
    chat: list[CatalogEntry]
    embedding: list[CatalogEntry]


def bundled_model() -> Path:
    """Path of the bundled model."""
    return _shipped("lkjsxclm-q8_0.gguf")


def _shipped(file: str) -> Path:
    """A file that comes with the program: in the installed package, else in the checkout it runs from."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "data" / file
    return installed if installed.exists() else package.parent / "models" / file


def read_catalog(text: str) -> tuple[CatalogEntry, ...]:
    """All entries of a catalogue, chat models first, in the file's order.

    Args:
        text: TOML.

    Raises:
        DataError: it is not TOML, an entry lacks something or has something unknown, a number is out of range
            or a name is taken twice; says which.
    """
    try:
        catalog = msgspec.toml.decode(text, type=_Catalog)
    except msgspec.MsgspecError as error:
        raise DataError(f"the catalogue of models is damaged: {error}") from None
    entries = [*catalog.chat, *(msgspec.structs.replace(e, kind="embedding") for e in catalog.embedding)]
    seen: set[str] = set()
    for entry in entries:
        problem = _problem(entry, seen)
        if problem:
            raise DataError(f"the catalogue of models is damaged: {entry.name!r} {problem}")
        seen.add(entry.name)
    return tuple(entries)


@functools.cache
def entries() -> tuple[CatalogEntry, ...]:
    """The catalogue that comes with the program, chat models from small to large, then embedding models."""
    return read_catalog(_shipped(FILE).read_text(encoding="utf-8"))


def find(name: str) -> CatalogEntry | None:
    """The entry of that name, in whatever case; None: there is none."""
    wanted = name.lower()
    return next((entry for entry in entries() if entry.name == wanted), None)


def find_repo(repo: str, file: str) -> CatalogEntry | None:
    """The entry a file of a repository belongs to; None: there is none.

    Args:
        repo: ``user/name``.
        file: its path in the repository.
    """
    name = Path(file).name
    return next((e for e in entries() if e.repo.lower() == repo.lower() and e.file == name), None)


def _problem(entry: CatalogEntry, seen: set[str]) -> str:
    if entry.name in seen:
        return "is there twice"
    if not entry.name or entry.name != entry.name.lower() or set(entry.name) & set("/: \\"):
        return "is no name: lower case, without spaces, / and :"
    if entry.repo.count("/") != 1:
        return f"has no repository user/name but {entry.repo!r}"
    if min(entry.size, entry.context) < 1 or not 0 <= entry.active <= entry.size:
        return "has a size, a context or active weights that cannot be"
    for recommended in (entry.sampling, entry.sampling_thinking):
        try:
            SamplingParams(**recommended)  # type: ignore[arg-type]
        except (UsageError, TypeError) as error:
            return f"recommends what cannot be: {error}"
    return ""
