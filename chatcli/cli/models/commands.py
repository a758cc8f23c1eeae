"""``chatcli models``: the models on this machine and their names."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatcli.cli import completion as completing
from chatcli.cli.models.context import ModelsContext, tokens
from chatcli.cli.models.make import import_, quantize
from chatcli.cli.models.recommend import recommend
from chatcli.cli.models.rm import rm
from chatcli.cli.models.show import show
from chatcli.cli.models.verify import verify
from chatcli.cli.options import AsJson
from chatcli.cli.pull import pull
from chatcli.errors import ChatcliError, UsageError
from chatcli.library.catalog import BUNDLED, bundled_model
from chatcli.words import byte_size

if TYPE_CHECKING:
    from chatcli.library.stores import LocalModel

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the models on this machine, of other programs too: size, kind, context, store, pictures."""
    from chatcli.library.names.aliases import read_registry
    from chatcli.library.stores import LocalModel, Store, local_models
    from chatcli.library.stores.repo_cache import unfinished_in

    models = ModelsContext.of(context)
    file = bundled_model()
    own = LocalModel(BUNDLED, (file,), file.stat().st_size, Store.CHATCLI)
    default = models.default_path()
    records = [_record(m, default) for m in (own, *local_models(models.places))]
    aliases = read_registry(models.places.registry).aliases
    unfinished: list[dict[str, Any]] = [
        {"repo": one.cache.repo, "path": str(one.path), "size": one.size}
        for cache in models.places.hub
        for one in unfinished_in(cache)
        if one.size
    ]
    if as_json:
        content = {"models": records, "aliases": dict(aliases), "unfinished": unfinished}
        models.invocation.write_json(content)
        return
    page = models.page()
    rows = [
        (
            f"{'*' if r['default'] else ' '} {r['name']}",
            byte_size(r["size"]),
            r["quantization"] or "",
            r["architecture"] or "",
            tokens(r["context"]) if r["context"] else "",
            r["store"],
            r["problem"] or ("sees pictures" if r["sees"] else ""),
        )
        for r in records
    ]
    page.table(rows, numbers=(1, 4))
    for alias, target in aliases.items():
        page.line((f"  {alias} is {target}", ""))
    sizes: Counter[str] = Counter()
    for one in unfinished:
        sizes[one["repo"]] += one["size"]
    for repo, size in sizes.items():
        page.line((f"  {repo}: {byte_size(size)} of unfinished downloads", ""))
    page.show()
    if unfinished:
        models.invocation.say(
            "chatcli pull continues a download; chatcli models rm --unfinished frees its space"
        )
    if default is None:
        models.invocation.say(f"the default model, {models.settings.model}, is not on this machine")
    if len(records) == 1:
        models.invocation.say(
            "there is no other model yet; chatcli models recommend suggests some for this machine"
        )


def _record(model: "LocalModel", default: Path | None) -> dict[str, Any]:
    """Return what is known of a model and its header; an unreadable header is its ``problem``."""
    from chatcli.engine.gguf import read_header
    from chatcli.library.projector_choice import sane_projector

    record: dict[str, Any] = {
        "name": model.name,
        "store": str(model.store) if model.name != BUNDLED else "bundled",
        "size": model.size,
        "quantization": model.tag or None,
        "architecture": None,
        "context": None,
        "default": model.path == default,
        "files": [str(file) for file in model.files],
        "repo": model.repo or None,
        "sha256": model.sha256 or None,
        "projector": str(model.projector) if model.projector is not None else None,
        "sees": False,
        "problem": f"lacks {', '.join(model.missing[:3])}" if model.missing else None,
    }
    if model.missing and not model.path.is_file():
        return record
    try:
        header = read_header(model.path)
    except ChatcliError as error:
        return record | {"problem": str(error)}
    return record | {
        "quantization": header.quantization or record["quantization"],
        "architecture": header.architecture or None,
        "context": header.context_length or None,
        "sees": model.projector is not None and sane_projector(model.projector, header) is not None,
    }


app.command("show")(show)
app.command("recommend")(recommend)
app.command("verify")(verify)
app.command("rm")(rm)


@app.command("default")
def default(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="The new default model; without it, the present one is printed.",
            autocompletion=completing.models,
        ),
    ] = None,
) -> None:
    """Print or set the default model, the setting ``model`` of config.toml."""
    models = ModelsContext.of(context)
    if name is None:
        models.invocation.write(f"{models.settings.model}\n")
        return
    from chatcli.library.stores.local_model import files_at
    from chatcli.storage.config_file import set_value

    found = models.find(name)
    is_path = found.path != bundled_model() and files_at(name) is not None
    lasting = str(found.path.absolute()) if is_path else name
    set_value(models.invocation.paths.config_file, "model", lasting)
    models.invocation.say(f"the default model is now {lasting} ({models.invocation.paths.config_file})")
    origin = models.settings.origins.get("model", "")
    if origin.startswith(("CHATCLI_", "persona")):
        models.invocation.say(f"{origin} overrides this setting")


@app.command("alias")
def alias(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[ALIAS]", help="The new name.")] = None,
    target: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="The model that it names.", autocompletion=completing.models),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the alias.")] = False,
) -> None:
    """Give a model another name; without arguments, list the aliases."""
    from chatcli.library.names.aliases import read_registry
    from chatcli.library.names.new_names import free_name
    from chatcli.library.stores.local_model import files_at

    models = ModelsContext.of(context)
    registry = read_registry(models.places.registry)
    present = registry.aliases
    if name is None or (target is None and not remove):
        if name is not None and name not in present:
            raise UsageError(f"there is no alias {name!r}; chatcli models alias {name} NAME creates it")
        shown = present if name is None else {name: present[name]}
        models.invocation.write("".join(f"{a} = {t}\n" for a, t in shown.items()))
        return
    if remove:
        if name not in present:
            raise UsageError(f"there is no alias {name!r}")
        models.change_registry(lambda registry: registry.without(name))
        models.invocation.say(f"removed the alias {name}")
        return
    assert target is not None
    free_name(name, models.places)
    found = models.find(target)
    meant = registry.meaning(target)  # not another alias, whose meaning may change
    if found.path == bundled_model():
        meant = BUNDLED
    elif files_at(meant) is not None:
        meant = str(found.path.absolute())
    models.change_registry(lambda registry: registry.with_alias(name, meant))
    models.invocation.say(f"{name} now means {meant}")


app.command("pull")(pull)
app.command("import")(import_)
app.command("quantize")(quantize)
