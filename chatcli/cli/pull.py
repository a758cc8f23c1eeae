"""``chatcli pull``: fetch models from the hub."""

import contextlib
import difflib
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.cli.invocation import Invocation
from chatcli.errors import UsageError
from chatcli.library.checksums import Checksums
from chatcli.library.reference import Reference, parse_reference

if TYPE_CHECKING:
    from chatcli.library.hub.pull import Pulled


def pull(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="A name of the catalogue, user/repo, user/repo:QUANT, user/repo/file.gguf or a link.",
        ),
    ],
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
    from chatcli.library.hub.place import Place
    from chatcli.library.hub.pull import CONNECTIONS, Puller  # HTTP and TLS: a tenth of every start
    from chatcli.library.hub.retrying import RETRIES, Patience
    from chatcli.terminal.transfers import transfer_view

    invocation = Invocation.from_process()
    references = list(dict.fromkeys(_meant(name) for name in names))
    place = Place.of(invocation.environ, offline=offline)
    view = transfer_view(invocation.stderr, invocation.environ, color=True, quiet=quiet)
    try:
        with view:
            pulled = Puller(
                place, view, projector, Patience(RETRIES if retries is None else retries), jobs or CONNECTIONS
            ).pull(references)
    except KeyboardInterrupt:
        with contextlib.suppress(BrokenPipeError):
            invocation.note("chatcli: stopped; the same command goes on where it was")
        raise
    checksums = Checksums(invocation.paths.checksums)
    for file in (file for model in pulled for file in model.files if file.sha256):
        checksums.remember(file.path, file.sha256)  # or the first chat would read it again
    if as_json:
        invocation.write_json({"files": _records(pulled)})
        return
    for model in pulled:
        invocation.write(f"{model.path}\n")
        if model.projector is not None and not quiet:
            invocation.note(
                f"chatcli: with {model.projector.name}, which lets {model.reference} see pictures"
            )
    if not quiet and not offline:
        invocation.note(f"chatcli: chat with it: chatcli -m {pulled[0].reference}")


def _meant(name: str) -> Reference:
    """What a name means: an entry of the catalogue, else something on the hub."""
    from chatcli.library.catalog import entries, find

    entry = find(name)
    if entry is not None:
        return parse_reference(entry.reference)
    if "/" not in name:
        near = difflib.get_close_matches(name.lower(), [entry.name for entry in entries()], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "chatcli models recommend --all lists it,"
        raise UsageError(f"{name!r} is not in the catalogue; {hint} or name user/repo on the hub")
    return parse_reference(name)


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
