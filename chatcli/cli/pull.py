"""``chatcli pull``: download models from the hub."""

import contextlib
import difflib
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.cli.invocation import Invocation
from chatcli.cli.models.context import ModelsContext
from chatcli.cli.options import AsJson
from chatcli.errors import InvalidModel, ModelError, ModelNotFound, UsageError
from chatcli.library.checksums import Checksums
from chatcli.library.names.finding import Located, find_model, meaning
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
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="A catalogue name, user/repo, user/repo:QUANT, user/repo/file.gguf or a link.",
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("-m", "--model", "-hf", metavar="NAME", help="Same as NAME, for users of llama.cpp."),
    ] = None,
    projector: Annotated[
        bool,
        typer.Option("--projector/--no-projector", help="Also download the projector of a vision model."),
    ] = True,
    offline: Annotated[
        bool, typer.Option("--offline", help="Make no connection; print the paths of downloaded files.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "-j", "--jobs", metavar="N", min=1, max=16, help="Number of downloads at the same time."
        ),
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option("--retries", metavar="N", min=0, help="Number of failures in a row before it gives up."),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Download models into the cache that huggingface_hub and llama.cpp share."""
    from chatcli.library.hub.settings import HubSettings

    models_context = ModelsContext.of(context)
    invocation = models_context.invocation
    place = HubSettings.of(invocation.environ, offline=offline)
    places = models_context.places
    wanted = [*(names or ()), *(models or ())]
    if not wanted:
        raise UsageError("name a model, such as user/repo; chatcli models recommend suggests some")
    references = list(dict.fromkeys(_meant(name, place.endpoint, places) for name in wanted))
    pulled = _fetched(invocation, place, places, references, projector, jobs, retries, quiet)
    problems: dict[Reference, str] = {}
    remarks: list[str] = []
    for model in pulled:
        try:
            remarks += _tried(models_context, model, quiet=quiet)
        except ModelError as error:
            reason = error.problem if isinstance(error, InvalidModel) else str(error)
            problems[model.reference] = _useless(str(model.reference), reason)
    if as_json:
        invocation.write_json({"files": _records(pulled)})
    else:
        sound = [model for model in pulled if model.reference not in problems]
        _print_outcome(invocation, sound, remarks if not quiet else None, offline=place.offline)
    if problems:
        raise InvalidModel("; ".join(problems.values()))


def _print_outcome(
    invocation: Invocation, sound: "list[Pulled]", remarks: list[str] | None, *, offline: bool
) -> None:
    """Print the paths of sound models on stdout, and remarks on stderr unless they are None."""
    for model in sound:
        invocation.write(f"{model.path}\n")
    if remarks is None:
        return
    ready = [model for model in sound if is_model(model.path.name)]
    if ready and not offline:
        remarks.append(f"chat with it: chatcli -m {quote(_shortest(ready[0]))}")
    for line in remarks:
        invocation.say(line)


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
    """Download the files, show the progress, and remember the verified checksums."""
    from chatcli.library.hub.errors import NoRepository
    from chatcli.library.hub.pull import CONNECTIONS, Puller  # slow to import
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
            invocation.say("stopped; run the same command to continue")
        raise
    except NoRepository as error:
        raise ModelNotFound(f"{error}{_instead(error.name, places)}") from None
    for file in (file for model in pulled for file in model.files if file.sha256):
        for path in {file.blob.resolve(), file.path.resolve()}:
            checksums.remember(
                path, file.sha256
            )  # saves the next pull and the first chat from reading it again
    return pulled


def _tried(models: ModelsContext, model: "Pulled", *, quiet: bool) -> list[str]:
    """Try a downloaded model; returns remarks about its projector."""
    from chatcli.engine.gguf import read_header

    if not is_model(model.path.name):
        read_header(model.path)
        return []
    name, projector = str(model.reference), model.projector
    files = tuple(file.path for file in model.files if file.path != projector)
    reasons = models.try_model(Located(name, files, projector=projector), models.settings, quiet=quiet)
    if reasons or projector is None:
        return [f"{name} cannot see pictures: {reason}" for reason in reasons]
    return [f"downloaded {projector.name}, with which {name} sees pictures"]


def _useless(name: str, reason: str) -> str:
    return (
        f"{name} is complete and cannot be used: {reason}; name another file of the repository; "
        f"chatcli models rm {quote(name)} removes this one"
    )


def _instead(name: str, places: Places) -> str:
    """Return a hint at a repository with a similar name, on this disk or in the catalogue, or ''."""
    from chatcli.library.catalog import entries
    from chatcli.library.stores import local_models

    wanted = "/".join(name.split("/")[:2]).lower()
    here = (model.repo for model in local_models(places, strict=False) if model.repo)
    known = {repo.lower(): repo for repo in (*(entry.repo for entry in entries()), *here)}
    near = [repo for repo in difflib.get_close_matches(wanted, known, n=2, cutoff=0.8) if repo != wanted]
    return f"; did you mean {known[near[0]]}?" if near else ""


def _meant(name: str, endpoint: str, places: Places) -> Reference:
    """Return the reference that a name or an alias means: of the catalogue, or of the hub."""
    from chatcli.library.catalog import entries, find

    wanted = meaning(name, places)
    entry = find(wanted)
    if entry is not None:
        return parse_reference(entry.reference)
    if wanted.startswith(f"{endpoint}/"):  # a link of a mirror
        return parse_reference(f"hf.co{wanted.removeprefix(endpoint)}")
    if "/" in wanted and files_at(wanted) is None:
        return parse_reference(wanted)
    with contextlib.suppress(ModelNotFound):
        find_model(wanted, places)
        raise UsageError(f"{name} is a local model; to chat with it: chatcli -m {quote(name)}")
    near = difflib.get_close_matches(wanted.lower(), [entry.name for entry in entries()], n=3)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "chatcli models recommend --all lists the catalogue,"
    )
    raise UsageError(f"{name[:_SHOWN]!r} is not in the catalogue; {hint} or name user/repo on the hub")


def _shortest(model: "Pulled") -> str:
    """Return the shortest name of a model: that of the catalogue, or its reference."""
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
