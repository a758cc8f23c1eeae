"""``chatcli models import`` and ``quantize``: models of one's own."""

import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from chatcli.cli.models_shelf import Name, Shelf, gigabytes
from chatcli.errors import ModelNotFound, StorageError, UsageError


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A GGUF file; of a split model any part.")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call it; default: the file's name.")
    ] = None,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy it into chatcli's folder; default: it stays where it is.")
    ] = False,
    projector: Annotated[
        str | None,
        typer.Option(
            "--projector",
            metavar="MMPROJ",
            help="The file that lets it see; default: the one beside it, if that is certain.",
        ),
    ] = None,
) -> None:
    """Make a model known by a name, where it lies or as a copy."""
    from chatcli.engine.gguf import check, check_projector, read_header
    from chatcli.library.names import files_at
    from chatcli.library.projector import named_projector, sane_projector
    from chatcli.library.registry import decode_registry
    from chatcli.library.stores.beside import projector_beside
    from chatcli.library.stores.local_model import split_stem
    from chatcli.storage.registry_file import update

    shelf = Shelf.of(context)
    files = files_at(str(file))
    if files is None:
        raise ModelNotFound(f"no model file at {file}")
    header = read_header(files[0])
    check(header)
    called, place = name or split_stem(files[0].name), files[0].absolute()
    said = named_projector(projector).absolute() if projector is not None else None
    if said is not None:
        check_projector(read_header(said), header)
    seen_by = said or projector_beside(place)
    if seen_by is not None and sane_projector(seen_by, header, shelf.note) is None:
        seen_by = None
    if copy:
        _copied(shelf, files, called, seen_by)
    else:
        registry = shelf.places.registry
        update(
            registry,
            lambda data: decode_registry(data, str(registry)).with_file(called, place, said).encode(),
        )
    sees = f", sees pictures with {seen_by.name}" if seen_by is not None else ""
    shelf.note(f"{called}: {header.describe()}{sees}; chatcli -m {called}")


def _copied(shelf: Shelf, files: tuple[Path, ...], called: str, projector: Path | None) -> None:
    """Copy the files under their new name; each appears when it is complete, the projector first."""
    from chatcli.library.stores.local_model import renamed
    from chatcli.storage.durable import atomic_write

    folder = shelf.places.models
    if Path(called).name != called:
        raise UsageError(f"{called!r} cannot be the name of a file")
    targets = [folder / renamed(file.name, called) for file in files]
    if projector is not None:  # under a name that ties it to the model (library.stores.beside)
        files, targets = (*files, projector), [*targets, folder / f"mmproj-{called}.gguf"]
    taken = [target for target in targets if target.exists()]
    if taken:
        raise UsageError(f"{taken[0]} is there already; give another --name")
    size = sum(file.stat().st_size for file in files)
    nearest = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(nearest).free
    if size > free:
        raise StorageError(f"{gigabytes(size)} do not fit the {gigabytes(free)} that are free in {folder}")
    for file, target in reversed(list(zip(files, targets, strict=True))):  # the one that is loaded comes last
        with file.open("rb") as source:
            atomic_write(target, iter(partial(source.read, 1 << 22), b""))


def quantize(
    context: typer.Context,
    source: Name,
    target: Annotated[Path, typer.Argument(metavar="DST", help="The file to write.")],
    kind: Annotated[
        str, typer.Option("--type", "-t", metavar="TYPE", help="Q4_K_M, Q5_K_M, Q6_K, Q8_0 and others.")
    ] = "Q4_K_M",
    requantize: Annotated[
        bool,
        typer.Option("--requantize", help="Take a source that is quantized already; loses quality twice."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Make a smaller model of a model with llama.cpp's quantizer."""
    from chatcli.engine.quantize import quantize as run

    shelf = Shelf.of(context)
    found = shelf.find(source)
    shows = sys.stderr.isatty()

    def progress(done: int, total: int, tensor: str) -> None:
        if shows:
            sys.stderr.write(f"\r\x1b[K{done}/{total} {tensor}"[:79])
            sys.stderr.flush()

    try:
        header = run(found.path, target, kind, requantize=requantize, overwrite=force, on_progress=progress)
    finally:
        if shows:
            sys.stderr.write("\r\x1b[K")
    before = sum(file.stat().st_size for file in found.files)
    shelf.note(f"{target}: {header.describe()}, {gigabytes(before)} became {gigabytes(header.file_size)}")
