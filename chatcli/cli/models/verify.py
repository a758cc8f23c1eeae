"""``chatcli models verify``: are the files what they were, and what their store says they are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatcli.chat.formats.json_text import json_text
from chatcli.cli import completion as completing
from chatcli.cli.models.context import AsJson, Shelf
from chatcli.errors import ExitCode

if TYPE_CHECKING:
    from chatcli.library.names.finding import Located
    from chatcli.library.stores import LocalModel
    from chatcli.terminal.progress import Reading


def verify(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="Models; without one: all.", autocompletion=completing.models
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute the checksums again and compare them. Ends with exit code 5 if a file is damaged."""
    from chatcli.library.checksums import Checksums
    from chatcli.library.stores import local_models
    from chatcli.terminal.progress import Reading

    shelf = Shelf.of(context)
    models = map(shelf.find, names) if names else local_models(shelf.places)
    files = {file: m.name for m in models for file in _files(m) if names or file.is_file()}
    checksums = Checksums(shelf.invocation.paths.checksums)
    records = []
    with shelf.progress(quiet=as_json) as view:
        for file, name in files.items():
            with Reading.of(view, file) as reading:
                record = _verified(checksums, name, file, reading)
            records.append(record)
            if not as_json:
                shelf.invocation.write(f"{record['verdict']:<8} {name}  {file.name}  {record['why']}\n")
    if as_json:
        shelf.invocation.write_bytes(json_text(records, indent=2).encode())
    elif not records:
        shelf.note("there is nothing to verify")
    if any(record["verdict"] == "damaged" for record in records):
        raise typer.Exit(ExitCode.DATA)


def _files(model: "Located | LocalModel") -> tuple[Path, ...]:
    """Its files, and its projector's."""
    return (*model.files, *([model.projector] if model.projector is not None else ()))


def _verified(checksums: Any, name: str, file: Path, tell: "Reading") -> dict[str, Any]:
    """Read the file and compare it with what its store claims, else with what it was when first used."""
    from chatcli.library.checksums import sha256_of
    from chatcli.library.stores.local_model import claimed_sha256

    claimed, before = claimed_sha256(file), checksums.recorded(file)
    sha256 = sha256_of(file, on_progress=tell)
    record: dict[str, Any] = {"name": name, "file": str(file), "sha256": sha256}
    expected = claimed or before
    if expected and expected != sha256:
        source = "its store says" if claimed else "when it was first used it was"
        return record | {"verdict": "damaged", "why": f"{source} {expected[:16]}..., it is {sha256[:16]}..."}
    checksums.remember(file, sha256)
    if expected:
        return record | {
            "verdict": "ok",
            "why": "as its store says" if claimed else "as when it was first used",
        }
    return record | {"verdict": "new", "why": f"nothing to compare with; from now on {sha256[:16]}..."}
