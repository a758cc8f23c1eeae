"""``chatcli models rm``: remove models and free their disk space."""

from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.cli import completion as completing
from chatcli.cli.models.context import ModelsContext
from chatcli.cli.options import Yes
from chatcli.errors import ExitCode, ModelNotFound, UsageError
from chatcli.library.catalog import BUNDLED, bundled_model
from chatcli.words import byte_size

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
        bool, typer.Option("--foreign", help="Also remove files that belong to other programs.")
    ] = False,
    unfinished: Annotated[
        bool,
        typer.Option("--unfinished", help="Remove unfinished downloads, all or those of NAME."),
    ] = False,
    yes: Yes = False,
) -> None:
    """Remove models from the disk and print how much space that frees."""
    from chatcli.library.names.finding import find_model
    from chatcli.library.removal import plan_removal, remove
    from chatcli.library.stores import local_models

    models = ModelsContext.of(context)
    say = models.invocation.say
    if unfinished:
        _rm_unfinished(models, names or [], yes=yes)
        return
    if not names:
        raise UsageError("name the models to remove; chatcli models list shows them")
    staying, default = local_models(models.places), models.default_path()
    plans = []
    for name in dict.fromkeys(names):
        try:
            found = find_model(name, models.places, whole=False)
        except ModelNotFound as error:
            raise ModelNotFound(f"{error}{_unfinished_hint(models, name)}") from None
        if found.path == bundled_model():
            raise UsageError(f"{BUNDLED} comes with chatcli and stays")
        if found.model is None:
            raise UsageError(f"{found.path} is in no model folder of chatcli; remove the file yourself")
        # A model that goes away keeps no shared file alive.
        staying = [model for model in staying if model.files != found.model.files]
        plans.append(plan_removal(found.model, staying, foreign=foreign))
    if not yes and not models.invocation.confirm([p.model.name for p in plans], _described(plans)):
        raise typer.Exit(ExitCode.FAILED)
    for plan in plans:
        remove(plan)
        name = plan.model.name
        if str(plan.model.store) == "registered":
            models.change_registry(lambda registry, name=name: registry.without(name))  # type: ignore[misc]
        say(
            f"removed {name}; "
            + ("the file stays" if plan.forget else f"{byte_size(plan.freed)} are free again")
        )
        if default == plan.model.path:
            say(f"it was the default model; chatcli models default {BUNDLED} sets the bundled one")


def _described(plans: "list[Removal]") -> list[str]:
    lines = []
    for plan in plans:
        shared = "; other programs use this cache too" if str(plan.model.store) == "hugging face" else ""
        lines.append(f"{plan.model.name}  {byte_size(plan.freed)}  {plan.model.store}{shared}")
        lines += [f"  {path}" for path in plan.names]
    return lines


def _unfinished_hint(models: ModelsContext, name: str) -> str:
    """Return how to remove an unfinished download with this name, or ''."""
    from chatcli.library.stores.repo_cache import unfinished_in

    repos = {one.cache.repo.lower() for cache in models.places.hub for one in unfinished_in(cache)}
    here = any(name.lower().startswith(repo) for repo in repos)
    return f"; chatcli models rm --unfinished {quote(name)} frees an unfinished download" if here else ""


def _rm_unfinished(models: ModelsContext, names: list[str], *, yes: bool) -> None:
    """Remove the unfinished downloads of these repositories, or of all."""
    from chatcli.library.names.hub_reference import parse_reference
    from chatcli.library.stores.repo_cache import unfinished_in

    invocation = models.invocation
    found = [leftover for cache in models.places.hub for leftover in unfinished_in(cache)]
    wanted = {parse_reference(name).repo.lower(): parse_reference(name).repo for name in names}
    for lower, repo in wanted.items():
        if lower not in {leftover.cache.repo.lower() for leftover in found}:
            raise ModelNotFound(f"there is no unfinished download of {repo}")
    found = [leftover for leftover in found if not names or leftover.cache.repo.lower() in wanted]
    if not found:
        invocation.say("there is no unfinished download")
        return
    lines = [f"{one.cache.repo}  {byte_size(one.size)}  {one.path}" for one in found]
    if not yes and not invocation.confirm([one.cache.repo for one in found], lines):
        raise typer.Exit(ExitCode.FAILED)
    freed = 0
    for one in found:
        size = one.size
        if one.remove():
            freed += size
        else:
            invocation.say(f"{one.cache.repo} is being downloaded; its {byte_size(size)} stay")
    invocation.say(f"{byte_size(freed)} are free again")
