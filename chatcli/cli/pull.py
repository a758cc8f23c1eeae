"""``chatcli pull``: fetch models from the hub."""

import contextlib
import difflib
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.cli.invocation import Invocation
from chatcli.errors import InvalidModel, ModelNotFound, UsageError
from chatcli.library.checksums import Checksums
from chatcli.library.names.finding import find_model, meaning
from chatcli.library.names.hub_reference import Reference, parse_reference
from chatcli.library.names.repo_files import is_model
from chatcli.library.stores import Places
from chatcli.library.stores.local_model import files_at

if TYPE_CHECKING:
    from chatcli.library.hub.pull import Pulled
    from chatcli.library.hub.settings import HubSettings

_SHOWN = 120  # characters of a name in a message
_ENDED = "complete, checksum verified"


def pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="A name of the catalogue, user/repo, user/repo:QUANT, user/repo/file.gguf or a link.",
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("-m", "--model", "-hf", metavar="NAME", help="The same, spelled as elsewhere."),
    ] = None,
    projector: Annotated[
        bool, typer.Option("--projector/--no-projector", help="With a vision model, what lets it see.")
    ] = True,
    offline: Annotated[
        bool, typer.Option("--offline", help="Make no connection; say where the files are, if here.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option("-j", "--jobs", metavar="N", min=1, max=16, help="Files fetched at the same time."),
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option("--retries", metavar="N", min=0, help="Failures in a row that are forgiven."),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was fetched as JSON.")] = False,
) -> None:
    """Fetch models into the cache that huggingface_hub and llama.cpp use; goes on where it was stopped."""
    from chatcli.library.hub.settings import HubSettings

    invocation = Invocation.from_process()
    place = HubSettings.of(invocation.environ, offline=offline)
    places = Places.of(invocation.environ, invocation.paths)
    wanted = [*(names or ()), *(models or ())]
    if not wanted:
        raise UsageError("name what to fetch, such as user/repo; chatcli models recommend names what suits")
    references = list(dict.fromkeys(_meant(name, place.endpoint, places) for name in wanted))
    pulled = _fetched(invocation, place, places, references, projector, jobs, retries, quiet)
    problems = {model.reference: problem for model in pulled if (problem := _problem(model))}
    if as_json:
        invocation.write_json({"files": _records(pulled)})
    else:
        sound = [model for model in pulled if model.reference not in problems]
        for model in sound:
            invocation.write(f"{model.path}\n")
        for line in _remarks(sound, offline=place.offline) if not quiet else ():
            invocation.note(f"chatcli: {line}")
    if problems:
        raise InvalidModel("; ".join(problems.values()))


def _fetched(
    invocation: Invocation,
    place: "HubSettings",
    places: Places,
    references: list[Reference],
    projector: bool,
    jobs: int | None,
    retries: int | None,
    quiet: bool,
) -> "list[Pulled]":
    """Fetch them, show how it goes, and remember what was verified.

    Raises:
        ChatcliError: as ``Puller.pull``.
    """
    from chatcli.library.hub.errors import NoRepository
    from chatcli.library.hub.pull import CONNECTIONS, Puller  # HTTP and TLS: a tenth of every start
    from chatcli.library.hub.retry import RETRIES, Patience
    from chatcli.terminal.progress import progress_view

    view = progress_view(
        *(invocation.stderr, invocation.environ, invocation.stdin), quiet=quiet, ended=_ENDED
    )
    checksums = Checksums(invocation.paths.checksums)
    patience = Patience(RETRIES if retries is None else retries)
    puller = Puller(
        place, view, projector, patience, jobs or CONNECTIONS, lambda path: checksums.known([path])
    )
    try:
        with view:
            pulled = puller.pull(references)
    except KeyboardInterrupt:
        with contextlib.suppress(BrokenPipeError):
            invocation.note("chatcli: stopped; the same command goes on where it was")
        raise
    except NoRepository as error:
        raise ModelNotFound(f"{error}{_instead(error.name, places)}") from None
    for file in (file for model in pulled for file in model.files if file.sha256):
        for path in {file.blob.resolve(), file.path.resolve()}:
            checksums.remember(path, file.sha256)  # or the next pull and the first chat would read it again
    return pulled


def _problem(model: "Pulled") -> str:
    """Why a file that came cannot be used, though it is as the hub has it; '' if it can."""
    from chatcli.engine.gguf import check, read_header

    try:
        header = read_header(model.path)
        if is_model(model.path.name):
            check(header)
    except InvalidModel as error:
        return (
            f"{model.reference} came as the hub has it, and cannot be used: {error.problem}; "
            f"name another file of it; chatcli models rm {quote(str(model.reference))} removes this one"
        )
    return ""


def _remarks(pulled: "list[Pulled]", *, offline: bool) -> Iterator[str]:
    """What came with the models, and what to do with them."""
    for model in pulled:
        if model.projector is not None:
            yield from _eyes(model, model.projector)
    ready = [model for model in pulled if is_model(model.path.name)]
    if ready and not offline:
        yield f"chat with it: chatcli -m {quote(_shortest(ready[0]))}"


def _eyes(model: "Pulled", projector: Path) -> Iterator[str]:
    """What a projector is good for."""
    from chatcli.engine.gguf import read_header
    from chatcli.library.projector_choice import sane_projector

    reasons: list[str] = []
    if sane_projector(projector, read_header(model.path), reasons.append) is not None:
        yield f"with {projector.name}, which lets {model.reference} see pictures"
    yield from (f"{model.reference} cannot see pictures: {reason}" for reason in reasons)


def _instead(name: str, places: Places) -> str:
    """The repository that may have been meant: one that is on this disk, or in the catalogue."""
    from chatcli.library.catalog import entries
    from chatcli.library.stores import local_models

    wanted = "/".join(name.split("/")[:2]).lower()
    here = (model.repo for model in local_models(places, strict=False) if model.repo)
    known = {repo.lower(): repo for repo in (*(entry.repo for entry in entries()), *here)}
    near = [repo for repo in difflib.get_close_matches(wanted, known, n=2, cutoff=0.8) if repo != wanted]
    return f"; did you mean {known[near[0]]}?" if near else ""


def _meant(name: str, endpoint: str, places: Places) -> Reference:
    """What a name or an alias means: an entry of the catalogue, else something on the hub.

    Raises:
        UsageError: it is neither; says whether it is something on this machine.
    """
    from chatcli.library.catalog import entries, find

    wanted = meaning(name, places)
    entry = find(wanted)
    if entry is not None:
        return parse_reference(entry.reference)
    if wanted.startswith(f"{endpoint}/"):  # a page of the mirror
        return parse_reference(f"hf.co{wanted.removeprefix(endpoint)}")
    if "/" in wanted and files_at(wanted) is None:
        return parse_reference(wanted)
    if _is_here(wanted, places):
        raise UsageError(f"{name} is on this machine already, and not from the hub: chatcli -m {quote(name)}")
    near = difflib.get_close_matches(wanted.lower(), [entry.name for entry in entries()], n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "chatcli models recommend --all lists it,"
    raise UsageError(f"{name[:_SHOWN]!r} is not in the catalogue; {hint} or name user/repo on the hub")


def _is_here(name: str, places: Places) -> bool:
    try:
        find_model(name, places)
    except ModelNotFound:
        return False
    return True


def _shortest(model: "Pulled") -> str:
    """What to call it: the catalogue's name where it has one."""
    from chatcli.library.catalog import find_repo

    entry = find_repo(model.reference.repo, model.path.name) if model.reference.revision is None else None
    return entry.name if entry is not None else str(model.reference)


def _records(pulled: "list[Pulled]") -> list[dict[str, object]]:
    return [
        {
            "model": str(model.reference),
            "path": str(file.path),
            "sha256": file.sha256 or None,
            "size": file.size,
            "resumed_from": file.resumed_from,
            "bytes_requested": file.received,
        }
        for model in pulled
        for file in model.files
    ]
