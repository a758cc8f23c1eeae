"""``chatcli models rm``: frees the disk of a model."""

from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.cli import completing
from chatcli.cli.models_shelf import Shelf, gigabytes
from chatcli.errors import ExitCode, UsageError
from chatcli.library.bundled import NAME as BUNDLED
from chatcli.library.bundled import bundled_model

if TYPE_CHECKING:
    from chatcli.library.removal import Removal


def rm(
    context: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="Models, named as in the list.", autocompletion=completing.models
        ),
    ],
    foreign: Annotated[
        bool, typer.Option("--foreign", help="Remove files that belong to other programs, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove models from the disk and say how much that frees."""
    from chatcli.library.removal import plan_removal, remove
    from chatcli.library.stores import local_models

    shelf = Shelf.of(context)
    staying = local_models(shelf.places)
    plans = []
    for name in names:
        found = shelf.find(name)
        if found.path == bundled_model():
            raise UsageError(f"{BUNDLED} comes with the program and stays")
        if found.model is None:
            raise UsageError(f"{found.path} is in none of the places chatcli knows; remove it yourself")
        staying = [model for model in staying if model != found.model]
        plans.append(plan_removal(found.model, staying, foreign=foreign))
    if not yes and not _confirmed(shelf, plans):
        raise typer.Exit(ExitCode.FAILED)
    for plan in plans:
        remove(plan)
        if str(plan.model.store) == "registered":
            _forget(shelf, plan.model.name)
        freed = "the file stays where it is" if plan.forget else f"{gigabytes(plan.freed)} are free again"
        shelf.note(f"removed {plan.model.name}; {freed}")
        if shelf.settings.model == plan.model.name:
            shelf.note(
                f"it was the default model; chatcli models default {BUNDLED} goes back to the bundled one"
            )


def _forget(shelf: Shelf, name: str) -> None:
    """Take a name out of the registry."""
    from chatcli.library.registry import decode_registry
    from chatcli.storage.registry_file import update

    file = shelf.places.registry
    update(file, lambda data: decode_registry(data, str(file)).without(name).encode())


def _confirmed(shelf: Shelf, plans: "list[Removal]") -> bool:
    if not shelf.invocation.stdin.isatty():
        listed = ", ".join(plan.model.name for plan in plans[:5])
        raise UsageError(f"nobody can be asked whether to remove {listed}; give --yes")
    for plan in plans:
        shared = "; other programs use this cache, too" if str(plan.model.store) == "hugging face" else ""
        shelf.invocation.note(f"{plan.model.name}  {gigabytes(plan.freed)}  {plan.model.store}{shared}")
        for path in plan.names:
            shelf.invocation.note(f"  {path}")
    if typer.confirm("Remove for good?", err=True):
        return True
    shelf.note("nothing was removed")
    return False
