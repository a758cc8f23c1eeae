"""``chatcli models import`` and ``quantize``: register your own models, and make smaller ones."""

import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.cli.models.context import ModelsContext, Name
from chatcli.errors import ModelNotFound, StorageError, UsageError
from chatcli.library.stores.local_model import size_of
from chatcli.words import byte_size

if TYPE_CHECKING:
    from chatcli.engine.gguf import Header

_PIECE = 1 << 22  # bytes


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A GGUF file; any part of a split model.")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="The name; default: the name of the file.")
    ] = None,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the file into the folder of chatcli.")] = False,
    projector: Annotated[
        str | None,
        typer.Option(
            "--projector",
            metavar="MMPROJ",
            help="Projector for pictures; default: the only one next to the model.",
        ),
    ] = None,
) -> None:
    """Give a model file a name, in its place or as a copy."""
    from chatcli.engine.gguf import check, check_projector, read_header
    from chatcli.library.names.finding import Located
    from chatcli.library.projector_choice import named_projector
    from chatcli.library.stores.local_model import files_at

    models = ModelsContext.of(context)
    files = files_at(str(file))
    if files is None:
        raise ModelNotFound(f"no model file at {file}")
    header = check(read_header(files[0]))[0]
    chosen, place = _free_name(models, files[0], name), files[0].absolute()
    given = named_projector(projector).absolute() if projector is not None else None
    if given is not None:
        check_projector(read_header(given), header)
    used = given or _projector_beside(models, place, header)
    settings = replace(models.settings, projector=str(given)) if given is not None else models.settings
    for reason in models.try_model(Located(chosen, files, projector=used), settings):
        used = None
        models.invocation.say(f"no pictures: {reason}")
    if copy:
        _copy_all(models, files, chosen, used)
    else:
        models.change_registry(lambda registry: registry.with_file(chosen, place, given))
    sees = f", sees pictures with {used.name}" if used is not None else ""
    models.invocation.say(f"{chosen}: {header.describe()}{sees}; chatcli -m {shlex.quote(chosen)}")


def _free_name(models: ModelsContext, file: Path, name: str | None) -> str:
    """Return the name for an imported file."""
    from chatcli.library.names.aliases import read_registry
    from chatcli.library.names.new_names import free_name
    from chatcli.library.stores import Store, local_models
    from chatcli.library.stores.local_model import split_stem

    wanted = split_stem(file.name) if name is None else name
    meaning = read_registry(models.places.registry).meaning(wanted)
    if meaning != wanted:
        raise UsageError(
            f"{wanted} is an alias of {meaning}; choose another --name, or remove it: "
            f"chatcli models alias {shlex.quote(wanted)} --remove"
        )
    former = [m for m in local_models(models.places) if m.name == wanted and m.store is Store.REGISTERED]
    same = [m for m in former if not m.path.is_file() or m.path.samefile(file)]
    free_name(wanted, models.places, mine=same[0] if same else None)
    return wanted


def _projector_beside(models: ModelsContext, file: Path, header: "Header") -> Path | None:
    """Return the projector next to a model if it fits; say why it does not."""
    from chatcli.library.projector_choice import sane_projector
    from chatcli.library.stores.projectors import projector_beside

    found = projector_beside(file)
    if found is None:
        return None
    fits = sane_projector(found, header, lambda reason: models.invocation.say(f"no pictures: {reason}"))
    return found if fits is not None else None


def _copy_all(models: ModelsContext, files: tuple[Path, ...], name: str, projector: Path | None) -> None:
    """Copy the files under a new name. Each appears when it is complete, the first part of the model last."""
    from chatcli.files.disk import FILE_MODE, make_private_folder, storage_error
    from chatcli.files.replace import part_of
    from chatcli.library.stores.local_model import renamed
    from chatcli.terminal.progress import file_progress

    folder = models.places.models
    if Path(name).name != name:
        raise UsageError(f"{name!r} cannot be the name of a file")
    targets = [folder / renamed(file.name, name) for file in files]
    if projector is not None:  # this name ties it to the model (library.stores.beside)
        files, targets = (*files, projector), [*targets, folder / f"mmproj-{name}.gguf"]
    taken = [target for target in targets if target.exists()]
    if taken:
        raise UsageError(f"{taken[0]} exists; choose another --name")
    size = sum(file.stat().st_size for file in files)
    nearest = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(nearest).free
    if size > free:
        raise StorageError(f"{byte_size(size)} do not fit into the {byte_size(free)} free in {folder}")
    try:
        make_private_folder(folder)
        with models.progress() as view:
            for file, target in reversed(list(zip(files, targets, strict=True))):
                with part_of(target) as part, file_progress(view, file) as reading:
                    part.chmod(FILE_MODE)
                    _copy(file, part, reading)
    except OSError as error:
        raise storage_error("write", folder, error) from error


def _copy(source: Path, target: Path, tell: Callable[[int], None]) -> None:
    """Copy a file and flush it to the disk."""
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
        typer.Option("--requantize", help="Accept a quantized model; the quality drops twice."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a smaller version of a model with the quantizer of llama.cpp."""
    from chatcli.engine.llama.quantize import quantize as run
    from chatcli.terminal.progress import file_progress

    models = ModelsContext.of(context)
    found = models.find(source)
    before = size_of(found.files)
    with models.progress() as view, file_progress(view, found.path, before) as reading:
        header = run(found.path, target, kind, requantize=requantize, overwrite=force, on_progress=reading)
    smaller = f"{byte_size(before)} became {byte_size(header.file_size)}"
    models.invocation.say(f"{target}: {header.describe()}, {smaller}; chatcli -m {shlex.quote(str(target))}")
