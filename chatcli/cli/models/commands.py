"""``chatcli models``: what is on this machine, what would suit it, and what to call it."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatcli.chat.formats.json_text import json_text
from chatcli.cli import completion as completing
from chatcli.cli.models.context import AsJson, Shelf, table, tokens
from chatcli.cli.models.make import import_, quantize
from chatcli.cli.models.recommend import recommend
from chatcli.cli.models.rm import rm
from chatcli.cli.models.show import show
from chatcli.cli.models.verify import verify
from chatcli.cli.pull import pull
from chatcli.errors import ChatcliError, UsageError
from chatcli.library.bundled import NAME as BUNDLED
from chatcli.library.bundled import bundled_model
from chatcli.words import byte_size

if TYPE_CHECKING:
    from chatcli.library.stores import LocalModel

app = typer.Typer(
    help="Models: list, show, recommend, verify, remove, name, import, quantize.", no_args_is_help=True
)


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the models on this machine, other programs' too: size, kind, context, store, and which see."""
    from chatcli.library.hub.leftovers import leftovers_in
    from chatcli.library.names.aliases import read_registry
    from chatcli.library.stores import LocalModel, Store, local_models

    shelf = Shelf.of(context)
    file = bundled_model()
    own = LocalModel(BUNDLED, (file,), file.stat().st_size, Store.CHATCLI)
    default = shelf.default_path()
    records = [_record(m, default) for m in (own, *local_models(shelf.places))]
    aliases = read_registry(shelf.places.registry).aliases
    unfinished = [
        {"repo": one.cache.repo, "path": str(one.path), "size": one.size}
        for cache in shelf.places.hub
        for one in leftovers_in(cache)
        if one.size
    ]
    if as_json:
        content = {"models": records, "aliases": dict(aliases), "unfinished": unfinished}
        shelf.invocation.write_bytes(json_text(content, indent=2).encode())
        return
    page = shelf.page()
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
    table(page, rows, numbers=(1, 4))
    for alias, target in aliases.items():
        page.line((f"  {alias} is {target}", ()))
    for repo, size in _by_repository(unfinished).items():
        page.line((f"  {repo}: {byte_size(size)} of unfinished downloads", ()))
    page.show()
    if unfinished:
        shelf.note("chatcli pull goes on with a download; chatcli models rm --unfinished frees its space")
    if default is None:
        shelf.note(f"the default model, {shelf.settings.model}, is not on this machine")
    if len(records) == 1:
        shelf.note("there is no other model yet; chatcli models recommend names some that suit this machine")


def _by_repository(unfinished: list[dict[str, Any]]) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for one in unfinished:
        sizes[one["repo"]] += one["size"]
    return sizes


def _record(model: "LocalModel", default: Path | None) -> dict[str, Any]:
    """What is known of a model, its header's facts included; a header that cannot be read is a problem."""
    from chatcli.engine.gguf import read_header
    from chatcli.library.projector_lookup import sane_projector

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
            help="The model to chat with from now on; without it: print the present one.",
            autocompletion=completing.models,
        ),
    ] = None,
) -> None:
    """Print or set the model that is used where none is named (the setting model in config.toml)."""
    shelf = Shelf.of(context)
    if name is None:
        shelf.invocation.write(f"{shelf.settings.model}\n")
        return
    from chatcli.library.names.finding import files_at
    from chatcli.storage.config_file import set_value

    found = shelf.find(name)
    is_path = found.path != bundled_model() and files_at(name) is not None
    lasting = str(found.path.absolute()) if is_path else name
    set_value(shelf.invocation.paths.config_file, "model", lasting)
    shelf.note(f"the model is {lasting} from now on ({shelf.invocation.paths.config_file})")
    origin = shelf.settings.origins.get("model", "")
    if origin.startswith(("CHATCLI_", "persona")):
        shelf.note(f"here {origin} says otherwise, and goes before it")


@app.command("alias")
def alias(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[ALIAS]", help="The new name.")] = None,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="The model it shall stand for.", autocompletion=completing.models
        ),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Forget the alias.")] = False,
) -> None:
    """Give a model another name; without arguments: list those names."""
    from chatcli.files.replace import update
    from chatcli.library.names.aliases import decode_registry, read_registry
    from chatcli.library.names.finding import files_at
    from chatcli.library.names.new_names import free_name

    shelf = Shelf.of(context)
    file = shelf.places.registry
    registry = read_registry(file)
    present = registry.aliases
    if name is None or (target is None and not remove):
        if name is not None and name not in present:
            raise UsageError(f"there is no alias {name!r}; chatcli models alias {name} NAME makes one")
        shown = present if name is None else {name: present[name]}
        shelf.invocation.write("".join(f"{a} = {t}\n" for a, t in shown.items()))
        return
    if remove:
        if name not in present:
            raise UsageError(f"there is no alias {name!r}")
        update(file, lambda data: decode_registry(data, str(file)).without(name).encode())
        shelf.note(f"{name} is no alias any more")
        return
    assert target is not None
    free_name(name, shelf.places)
    found = shelf.find(target)
    meant = registry.meaning(target)  # not the other alias, which may come to stand for something else
    if found.path == bundled_model():
        meant = BUNDLED
    elif files_at(meant) is not None:
        meant = str(found.path.absolute())
    update(file, lambda data: decode_registry(data, str(file)).with_alias(name, meant).encode())
    shelf.note(f"{name} is {meant} from now on")


app.command("pull")(pull)
app.command("import")(import_)
app.command("quantize")(quantize)
