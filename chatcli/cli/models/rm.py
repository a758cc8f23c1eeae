"""``chatcli models rm``: frees the disk of a model."""

from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.cli import completion as completing
from chatcli.cli.models.context import Shelf
from chatcli.errors import ExitCode, ModelNotFound, UsageError
from chatcli.library.bundled import NAME as BUNDLED
from chatcli.library.bundled import bundled_model
from chatcli.words import byte_size, listed

if TYPE_CHECKING:
    from chatcli.library.removal import Removal


def rm(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...", help="Models, named as in the list.", autocompletion=completing.models
        ),
    ] = None,
    foreign: Annotated[
        bool, typer.Option("--foreign", help="Remove files that belong to other programs, too.")
    ] = False,
    unfinished: Annotated[
        bool,
        typer.Option(
            "--unfinished", help="Remove what unfinished downloads left, of all repositories or NAME."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove models from the disk and say how much that frees."""
    from chatcli.library.names.finding import find_model
    from chatcli.library.removal import plan_removal, remove
    from chatcli.library.stores import local_models

    shelf = Shelf.of(context)
    if unfinished:
        _rm_unfinished(shelf, names or [], yes=yes)
        return
    if not names:
        raise UsageError("name the models to remove; chatcli models list shows them")
    staying, default = local_models(shelf.places), shelf.default_path()
    plans = []
    for name in dict.fromkeys(names):
        try:
            found = find_model(name, shelf.places, whole=False)
        except ModelNotFound as error:
            raise ModelNotFound(f"{error}{_unfinished_too(shelf, name)}") from None
        if found.path == bundled_model():
            raise UsageError(f"{BUNDLED} comes with the program and stays")
        if found.model is None:
            raise UsageError(f"{found.path} is in none of the places chatcli knows; remove it yourself")
        # What goes with it keeps no blob and no projector any more.
        staying = [model for model in staying if model.files != found.model.files]
        plans.append(plan_removal(found.model, staying, foreign=foreign))
    if not yes and not _confirmed(shelf, plans):
        raise typer.Exit(ExitCode.FAILED)
    for plan in plans:
        remove(plan)
        if str(plan.model.store) == "registered":
            _forget(shelf, plan.model.name)
        freed = "the file stays where it is" if plan.forget else f"{byte_size(plan.freed)} are free again"
        shelf.note(f"removed {plan.model.name}; {freed}")
        if default == plan.model.path:
            shelf.note(
                f"it was the default model; chatcli models default {BUNDLED} goes back to the bundled one"
            )


def _forget(shelf: Shelf, name: str) -> None:
    """Take a name out of the registry."""
    from chatcli.files.replace import update
    from chatcli.library.names.aliases import decode_registry

    file = shelf.places.registry
    update(file, lambda data: decode_registry(data, str(file)).without(name).encode())


def _unfinished_too(shelf: Shelf, name: str) -> str:
    """What to do where a name is that of an unfinished download only."""
    from chatcli.library.hub.leftovers import leftovers_in

    repos = {one.cache.repo.lower() for cache in shelf.places.hub for one in leftovers_in(cache)}
    here = any(name.lower().startswith(repo) for repo in repos)
    return f"; chatcli models rm --unfinished {quote(name)} frees what of it is here" if here else ""


def _rm_unfinished(shelf: Shelf, names: list[str], *, yes: bool) -> None:
    """Remove what pulls left behind, of these repositories or of all."""
    from chatcli.library.hub.leftovers import leftovers_in
    from chatcli.library.names.hub_reference import parse_reference

    found = [leftover for cache in shelf.places.hub for leftover in leftovers_in(cache)]
    for repo in (parse_reference(name).repo for name in names):
        if repo.lower() not in {leftover.cache.repo.lower() for leftover in found}:
            raise ModelNotFound(f"there is no unfinished download of {repo}")
    wanted = {parse_reference(name).repo.lower() for name in names}
    found = [leftover for leftover in found if not names or leftover.cache.repo.lower() in wanted]
    lines = [f"{one.cache.repo}  {byte_size(one.size)}  {one.path}" for one in found]
    if found and not yes and not _agreed(shelf, [one.cache.repo for one in found], lines):
        raise typer.Exit(ExitCode.FAILED)
    freed = 0
    for one in found:
        size = one.size
        if one.remove():
            freed += size
        else:
            shelf.note(f"{one.cache.repo} is being fetched; its {byte_size(size)} stay")
    shelf.note(f"{byte_size(freed)} are free again" if found else "there is no unfinished download")


def _confirmed(shelf: Shelf, plans: "list[Removal]") -> bool:
    lines = []
    for plan in plans:
        shared = "; other programs use this cache, too" if str(plan.model.store) == "hugging face" else ""
        lines.append(f"{plan.model.name}  {byte_size(plan.freed)}  {plan.model.store}{shared}")
        lines += [f"  {path}" for path in plan.names]
    return _agreed(shelf, [plan.model.name for plan in plans], lines)


def _agreed(shelf: Shelf, names: list[str], lines: list[str]) -> bool:
    """Whether the person wants to remove what these lines say."""
    if not shelf.invocation.stdin.isatty():
        raise UsageError(f"nobody can be asked whether to remove {listed(names, most=5)}; give --yes")
    for line in lines:
        shelf.invocation.note(line)
    if typer.confirm("Remove for good?", err=True):
        return True
    shelf.note("nothing was removed")
    return False
