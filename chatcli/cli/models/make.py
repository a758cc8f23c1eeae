"""``chatcli models import`` and ``quantize``: models of one's own."""

import os
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.cli.models.context import Name, Shelf
from chatcli.errors import ModelNotFound, StorageError, UsageError
from chatcli.library.stores.local_model import size_of
from chatcli.settings import Settings
from chatcli.words import byte_size

if TYPE_CHECKING:
    from chatcli.engine.gguf import Header
    from chatcli.library.names.finding import Located
    from chatcli.library.stores import LocalModel
    from chatcli.terminal.progress import Reading

_PIECE = 1 << 22  # bytes copied at once


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
    from chatcli.files.replace import update
    from chatcli.library.names.aliases import decode_registry
    from chatcli.library.names.finding import Located, files_at
    from chatcli.library.projector_lookup import named_projector

    shelf = Shelf.of(context)
    files = files_at(str(file))
    if files is None:
        raise ModelNotFound(f"no model file at {file}")
    header = check(read_header(files[0]))[0]
    called, place = _called(shelf, files[0], name), files[0].absolute()
    said = named_projector(projector).absolute() if projector is not None else None
    if said is not None:
        check_projector(read_header(said), header)
    seen_by = said or _projector_beside(shelf, place, header)
    settings = replace(shelf.settings, projector=str(said)) if said is not None else shelf.settings
    _try(shelf, settings, Located(called, files, projector=seen_by))
    if copy:
        _copied(shelf, files, called, seen_by)
    else:
        kept = shelf.places.registry
        update(kept, lambda data: decode_registry(data, str(kept)).with_file(called, place, said).encode())
    sees = f", sees pictures with {seen_by.name}" if seen_by is not None else ""
    shelf.note(f"{called}: {header.describe()}{sees}; chatcli -m {shlex.quote(called)}")


def _try(shelf: Shelf, settings: Settings, found: "Located") -> None:
    """Try a model in a child process, as its first chat would.

    Raises:
        ModelError: it cannot be used, or not with the projector that the user named.
    """
    from chatcli.library.opening import try_files

    try_files(found, settings, shelf.invocation.paths, shelf.note, lambda: shelf.show_trial(found.path))


def _called(shelf: Shelf, file: Path, name: str | None) -> str:
    """The name it gets.

    Raises:
        UsageError: it cannot be one, or another model goes by it.
    """
    from chatcli.library.names.aliases import read_registry
    from chatcli.library.names.new_names import free_name
    from chatcli.library.stores.local_model import split_stem

    called = split_stem(file.name) if name is None else name
    registry = read_registry(shelf.places.registry)
    if registry.meaning(called) != called:
        raise UsageError(
            f"{called} is an alias of {registry.meaning(called)}; choose another --name, or remove it: "
            f"chatcli models alias {shlex.quote(called)} --remove"
        )
    free_name(called, shelf.places, mine=_again(shelf, called, file))
    return called


def _again(shelf: Shelf, called: str, file: Path) -> "LocalModel | None":
    """The model that goes by the name already if it is this file, or was registered and is gone."""
    from chatcli.library.stores import Store, local_models

    for model in local_models(shelf.places):
        if model.name == called and model.store is Store.REGISTERED:
            same = not model.path.is_file() or model.path.samefile(file)
            return model if same else None
    return None


def _projector_beside(shelf: Shelf, file: Path, header: "Header") -> Path | None:
    """The projector that lies with a model, if it is one for it; why not is said."""
    from chatcli.library.projector_lookup import sane_projector
    from chatcli.library.stores.projectors import projector_beside

    found = projector_beside(file)
    return (
        found
        if found is not None
        and sane_projector(found, header, lambda reason: shelf.note(f"no pictures: {reason}")) is not None
        else None
    )


def _copied(shelf: Shelf, files: tuple[Path, ...], called: str, projector: Path | None) -> None:
    """Copy the files under their new name; each appears when it is complete, the projector first."""
    from chatcli.files.disk import FILE_MODE, make_private_folder, storage_error
    from chatcli.files.replace import part_of
    from chatcli.library.stores.local_model import renamed
    from chatcli.terminal.progress import Reading

    folder = shelf.places.models
    if Path(called).name != called:
        raise UsageError(f"{called!r} cannot be the name of a file")
    targets = [folder / renamed(file.name, called) for file in files]
    if projector is not None:  # under a name that ties it to the model (library.stores.beside)
        files, targets = (*files, projector), [*targets, folder / f"mmproj-{called}.gguf"]
    taken = [target for target in targets if target.exists()]
    if taken:
        raise UsageError(f"{taken[0]} is there already; choose another --name")
    size = sum(file.stat().st_size for file in files)
    nearest = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(nearest).free
    if size > free:
        raise StorageError(f"{byte_size(size)} do not fit the {byte_size(free)} that are free in {folder}")
    try:
        make_private_folder(folder)
        with shelf.progress() as view:
            # The one to load comes last.
            for file, target in reversed(list(zip(files, targets, strict=True))):
                with part_of(target) as part, Reading.of(view, file) as reading:
                    part.chmod(FILE_MODE)
                    _copy(file, part, reading)
    except OSError as error:
        raise storage_error("write", folder, error) from error


def _copy(source: Path, target: Path, tell: "Reading") -> None:
    """Copy the bytes, onto the disk."""
    with source.open("rb") as reading, target.open("wb") as writing:
        while piece := reading.read(_PIECE):
            writing.write(piece)
            tell(reading.tell())
        writing.flush()
        os.fsync(writing.fileno())


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
    from chatcli.engine.llama.quantize import quantize as run
    from chatcli.terminal.progress import Reading

    shelf = Shelf.of(context)
    found = shelf.find(source)
    before = size_of(found.files)
    with shelf.progress() as view, Reading.of(view, found.path, before) as reading:
        header = run(found.path, target, kind, requantize=requantize, overwrite=force, on_progress=reading)
    smaller = f"{byte_size(before)} became {byte_size(header.file_size)}"
    shelf.note(f"{target}: {header.describe()}, {smaller}; chatcli -m {shlex.quote(str(target))}")
