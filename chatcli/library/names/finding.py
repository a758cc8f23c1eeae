"""Finds the model that a name means: a path, an alias, a name of a store, of the catalogue or of the hub."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from chatcli.errors import ChatcliError, ModelNotFound, UsageError
from chatcli.library import catalog
from chatcli.library.catalog import BUNDLED, CatalogEntry, bundled_model
from chatcli.library.names.aliases import read_registry
from chatcli.library.names.hub_reference import Reference, parse_reference
from chatcli.library.names.new_names import is_reserved
from chatcli.library.names.repo_files import PREFERRED_TAGS, fitting, is_model, quantization
from chatcli.library.stores import LocalModel, Places, Store, local_models
from chatcli.library.stores.hub_cache import cached_files
from chatcli.library.stores.local_model import claimed_sha256, files_at, size_of, split_stem
from chatcli.library.stores.projectors import projector_beside
from chatcli.words import byte_size, listed

_MOST_LISTED = 8


@dataclass(frozen=True, slots=True)
class Located:
    """A model that was found.

    Attributes:
        name: what to call it: as the user did, or a path's file name without ending.
        files: its GGUF files, the one to load first.
        entry: its entry in the catalogue, or None.
        model: as its store lists it; None for the bundled model and for a file of no store.
        projector: path of its projector, by the name alone, or None.
    """

    name: str
    files: tuple[Path, ...]
    entry: CatalogEntry | None = None
    model: LocalModel | None = None
    projector: Path | None = None

    @property
    def path(self) -> Path:
        """The file to load."""
        return self.files[0]


def known_models(places: Places) -> list[str]:
    """Names of all models on this disk and aliases: the bundled one first. Reads no model; never an error."""
    names = {BUNDLED: None}
    try:
        names |= dict.fromkeys(read_registry(places.registry).aliases)
        names |= {model.name: None for model in local_models(places) if not model.missing}
    except ChatcliError:  # a damaged registry is told by what needs it
        pass
    return list(names)


def locate(name: str, places: Places) -> Path:
    """The file of a model; see ``find_model``."""
    return find_model(name, places).path


def find_model(name: str, places: Places, *, whole: bool = True) -> Located:
    """Find a model on this disk.

    Args:
        name: a path (of a split model: of any part, or without the part's number); the bundled model's name;
            an alias; the name of a file in our folder or of a registered one; a name as Ollama or LM Studio
            has it; ``user/repo``, ``user/repo:QUANT``, ``hf:...``; a name of the catalogue.
        places: where to look.
        whole: a model that lacks files is none.

    Raises:
        ModelNotFound: there is none, or several could be meant; says what to do, or the nearest name.
        DataError: it may be an alias, and the file of aliases is damaged.
    """
    wanted, given = meaning(name, places), not is_reserved(name)
    if wanted.lower() == BUNDLED:
        return Located(name, (bundled_model(),))
    located = files_at(wanted)
    if located is not None:
        shown = name if wanted != name else split_stem(located[0].name)
        here = located[0].absolute()
        model = next((m for m in local_models(places, strict=given) if m.path == here), None)
        entry = _entry_of(model) if model is not None else None
        projector = model.projector if model is not None else projector_beside(here)
        return Located(shown, located, entry, model, projector)
    models = local_models(places, strict=given)
    found = _choose(name, _candidates(wanted, models)) or _at_revision(wanted, models, places)
    entry = catalog.find(wanted)
    if found is None and entry is not None:
        found = _choose(name, _of_entry(entry, models))
    if found is None:
        raise _not_here(name, wanted, entry, places, models)
    if found.missing and whole:
        raise ModelNotFound(f"{name}: {_lacking(found)}")
    return Located(name, found.files, entry or _entry_of(found), found, found.projector)


def meaning(name: str, places: Places) -> str:
    """The name that an alias stands for; another name unchanged.

    Raises:
        DataError: it may be an alias, and their file is damaged.
    """
    return name if is_reserved(name) else read_registry(places.registry).meaning(name)


def _candidates(wanted: str, models: list[LocalModel]) -> list[LocalModel]:
    """Models that a name means, by the most exact way of matching that finds any."""
    lower = wanted.lower().removesuffix(".gguf")
    for way in (_full_name, _other_names, _short_name):
        found = [m for m in models if any(lower == n.lower().removesuffix(".gguf") for n in way(m))]
        if found:
            return found
    reference = _reference(wanted)
    return _of_reference(reference, models) if reference is not None and not reference.revision else []


def _full_name(model: LocalModel) -> tuple[str, ...]:
    return (model.name,)


def _other_names(model: LocalModel) -> tuple[str, ...]:
    return (*model.also, model.file)


def _short_name(model: LocalModel) -> tuple[str, ...]:
    """The repository without user and ``-GGUF``, as LM Studio shortens it."""
    return (model.repo.rpartition("/")[2].lower().removesuffix("-gguf"),) if model.repo else ()


def _reference(name: str) -> Reference | None:
    try:
        return parse_reference(name)
    except UsageError:
        return None


def _of_reference(reference: Reference, models: list[LocalModel]) -> list[LocalModel]:
    """Models of a repository: of a quantization; else of the preferred one that is there; else all."""
    of_repo = [m for m in models if m.repo.lower() == reference.repo.lower()]
    if reference.file is not None:
        wanted = f"{reference.repo}/{reference.file}".lower()
        return [m for m in of_repo if wanted in {name.lower() for name in m.also}]
    if reference.tag is not None:
        tag = reference.tag
        exact = [m for m in of_repo if m.tag.upper() == tag.upper()]
        return exact or [m for m in of_repo if fitting([split_stem(_place(m))], tag)]
    for tag in PREFERRED_TAGS:
        preferred = [m for m in of_repo if m.tag.upper() == tag]
        if preferred:
            return preferred
    return of_repo


def _place(model: LocalModel) -> str:
    """The path of a model's file in its repository, where its store tells; else the file's name."""
    inside = f"{model.repo}/"
    return next((name.removeprefix(inside) for name in model.also if name.startswith(inside)), model.file)


def _at_revision(wanted: str, models: list[LocalModel], places: Places) -> LocalModel | None:
    """The model of a branch, tag or commit, which the hub's cache alone tells apart.

    Raises:
        UsageError: several of its files could be meant.
    """
    reference = _reference(wanted)
    if reference is None or reference.revision is None:
        return None
    repo = next((m.repo for m in models if m.repo.lower() == reference.repo.lower()), reference.repo)
    for cache in places.hub:
        there = cached_files(replace(reference, repo=repo), cache)
        files = tuple(file for file in there if is_model(file.name))
        if files:  # the rest is the projector
            return LocalModel(
                str(reference),
                files,
                size_of(files),
                Store.HUB,
                repo=repo,
                tag=quantization(files[0].name) or "",
                sha256=claimed_sha256(files[0]) if len(files) == 1 else "",
                revision=reference.revision,
                projector=next((file for file in there if file not in files), None),
            )
    return None


def is_here(entry: CatalogEntry, models: list[LocalModel]) -> bool:
    """Whether a model of the catalogue is on this disk with all its parts."""
    return any(not model.missing for model in _of_entry(entry, models))


def _of_entry(entry: CatalogEntry, models: list[LocalModel]) -> list[LocalModel]:
    """Models of a catalogue entry, in any store: by repository and quantization, or by the file's name."""
    from_repo = _of_reference(Reference(entry.repo, entry.tag), models)
    return from_repo or [m for m in models if m.file.lower() == entry.file.lower()]


def _entry_of(model: LocalModel) -> CatalogEntry | None:
    return next((e for e in catalog.entries() if model in _of_entry(e, [model])), None)


def _choose(name: str, found: list[LocalModel]) -> LocalModel | None:
    """The one model; of equal ones in several stores the first that is whole.

    Raises:
        ModelNotFound: they differ.
    """
    whole = [m for m in found if not m.missing] or found
    if not all(_same(whole[0], other) for other in whole[1:]):
        each = [f"{m.name} ({byte_size(m.size)}, {m.store}, {m.path})" for m in whole]
        raise ModelNotFound(
            f"{name} could be any of {listed(each, most=_MOST_LISTED)}; name one by its full name or path"
        )
    return whole[0] if whole else None


def _same(one: LocalModel, other: LocalModel) -> bool:
    """Whether two stores keep the same file, judged without reading it."""
    if one.sha256 and other.sha256:
        return one.sha256 == other.sha256
    blob = Store.OLLAMA in (one.store, other.store)  # has no name of its own
    return one.size == other.size and (blob or one.file == other.file)


def _not_here(
    name: str, wanted: str, entry: CatalogEntry | None, places: Places, models: list[LocalModel]
) -> ModelNotFound:
    called = name if wanted == name else f"{name} (an alias of {wanted})"
    if entry is not None:
        size = byte_size(entry.size)
        return ModelNotFound(
            f"{called} is not on this machine; `chatcli pull {entry.name}` fetches it ({size})"
        )
    names = {n.lower(): n for n in _all_names(places, models)}
    near = difflib.get_close_matches(wanted.lower(), names, n=1)
    looks_like_a_path = wanted.startswith((".", "/", "~", "\\")) or wanted.lower().endswith(".gguf")
    reference = _reference(wanted) if not looks_like_a_path else None
    of_repo = [m for m in models if reference and m.repo.lower() == reference.repo.lower()]
    if reference is not None:
        tags = ", ".join(sorted({m.tag for m in of_repo if m.tag}))
        there = f"; of this repository there are here: {tags}" if tags else ""
        instead = f"; or did you mean {names[near[0]]}?" if near and not of_repo else ""
        return ModelNotFound(
            f"{called} is not on this machine; `chatcli pull {reference}` fetches it{there}{instead}"
        )
    if near:
        return ModelNotFound(f"there is no model {called!r}; did you mean {names[near[0]]}?")
    if looks_like_a_path or Path(wanted).parent != Path():
        return ModelNotFound(f"no model file at {called}")
    known = known_models(places)
    return ModelNotFound(
        f"there is no model {called!r}; known are {listed(known, most=_MOST_LISTED)}; "
        "or give the path of a GGUF file"
    )


def _all_names(places: Places, models: list[LocalModel]) -> Iterator[str]:
    yield from known_models(places)
    yield from (n for m in models for n in m.also if len(n) < 80)
    yield from (entry.name for entry in catalog.entries())


def _lacking(model: LocalModel) -> str:
    """Which parts of a model are missing, and what to do."""
    if model.store is Store.REGISTERED and not model.path.is_file():
        return f"{model.path} is gone; import it again, or `chatcli models rm {model.name}` forgets it"
    again = f"`chatcli pull {model.name}` fetches them" if model.repo else "copy them beside it"
    return f"parts of the model are missing: {listed(model.missing, most=_MOST_LISTED)}; {again}"
