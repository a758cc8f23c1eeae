"""``chatcli models verify``: compare model files with their checksums."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatcli.cli import completion as completing
from chatcli.cli.models.context import ModelsContext
from chatcli.cli.options import AsJson
from chatcli.errors import ExitCode

if TYPE_CHECKING:
    from chatcli.library.checksums import Checksums
    from chatcli.library.names.finding import Located
    from chatcli.library.stores import LocalModel


def verify(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Models; default: all.", autocompletion=completing.models),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute the checksums again and compare them. The exit code is 5 if a file is damaged."""
    from chatcli.library.checksums import Checksums
    from chatcli.library.stores import local_models
    from chatcli.terminal.progress import file_progress

    models = ModelsContext.of(context)
    wanted = map(models.find, names) if names else local_models(models.places)
    files = {file: m.name for m in wanted for file in _files(m) if names or file.is_file()}
    checksums = Checksums(models.invocation.paths.checksums)
    records = []
    with models.progress(quiet=as_json) as view:
        for file, name in files.items():
            with file_progress(view, file) as reading:
                record = _verified(checksums, name, file, reading)
            records.append(record)
            if not as_json:
                models.invocation.write(f"{record['verdict']:<8} {name}  {file.name}  {record['why']}\n")
    if as_json:
        models.invocation.write_json(records)
    elif not records:
        models.invocation.say("there is nothing to verify")
    if any(record["verdict"] == "damaged" for record in records):
        raise typer.Exit(ExitCode.DATA)


def _files(model: "Located | LocalModel") -> tuple[Path, ...]:
    return (*model.files, *([model.projector] if model.projector is not None else ()))


def _verified(checksums: "Checksums", name: str, file: Path, tell: Callable[[int], None]) -> dict[str, Any]:
    """Compare a file with the checksum of its store, or else with the checksum at its first use."""
    from chatcli.library.checksums import sha256_of
    from chatcli.library.stores.local_model import claimed_sha256

    claimed, before = claimed_sha256(file), checksums.recorded(file)
    sha256 = sha256_of(file, on_progress=tell)
    record: dict[str, Any] = {"name": name, "file": str(file), "sha256": sha256}
    expected, source = claimed or before, "its store" if claimed else "its first use"
    if expected and expected != sha256:
        why = f"the checksum is {sha256[:16]}..., that of {source} {expected[:16]}..."
        return record | {"verdict": "damaged", "why": why}
    checksums.remember(file, sha256)
    if expected:
        return record | {"verdict": "ok", "why": f"same checksum as in {source}"}
    return record | {"verdict": "new", "why": f"no earlier checksum; recorded {sha256[:16]}..."}
