"""``chatcli models recommend``: models that suit this machine."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatcli.cli.models.context import ModelsContext, tokens
from chatcli.cli.options import AsJson
from chatcli.errors import ExitCode
from chatcli.words import byte_size

if TYPE_CHECKING:
    from chatcli.library.catalog import CatalogEntry
    from chatcli.library.fit.recommend import Facts


def recommend(
    context: typer.Context,
    every: Annotated[
        bool, typer.Option("--all", help="List the whole catalogue with embedding models, and what fits.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Recommend up to three models for the memory, GPU and free disk space of this machine."""
    from chatcli.library import catalog
    from chatcli.library.fit.recommend import measured
    from chatcli.library.fit.recommend import recommend as choose
    from chatcli.library.names.finding import is_here
    from chatcli.library.stores import local_models

    models = ModelsContext.of(context)
    facts, local, entries = measured(models.places), local_models(models.places), catalog.entries()
    present = [entry.name for entry in entries if is_here(entry, local)]
    if every:
        _list_all(models, facts, present, as_json=as_json)
        return
    proposals = choose(facts, entries, present)
    if as_json:
        found = [
            _record(p.entry) | {"where": p.where, "present": p.present, "reason": p.reason} for p in proposals
        ]
        models.invocation.write_json({"machine": asdict(facts), "models": found})
        return
    gpu = f"{byte_size(facts.gpu)} of GPU memory" if facts.gpu else "no GPU for llama.cpp"
    free = f"{byte_size(facts.available)} of memory, {gpu}, {byte_size(facts.disk)} of disk space"
    models.invocation.say(f"free here: {free}; {facts.cores} cores")
    if not proposals:
        models.invocation.say("no model of the catalogue fits; free memory or disk space, or use lkjsxclm")
        raise typer.Exit(ExitCode.FAILED)
    from chatcli.terminal.theme import BOLD, DIM, PLAIN

    page = models.page()
    for p in proposals:
        size = "on this machine" if p.present else f"{byte_size(p.entry.size)} to download"
        sees = ", sees pictures" if p.entry.vision else ""
        page.line((p.entry.name, BOLD), (f"  {p.entry.title}, {size}, {p.entry.license}{sees}", DIM))
        page.line((f"  {p.reason}", PLAIN))
        page.line((f"  {'chatcli -m' if p.present else 'chatcli pull'} {p.entry.name}", PLAIN))
    page.show()


def _list_all(models: ModelsContext, facts: "Facts", present: list[str], *, as_json: bool) -> None:
    """Print the catalogue; the state of an entry says whether it is on this machine or fits."""
    from chatcli.library import catalog
    from chatcli.library.fit.recommend import fits

    def state(entry: "CatalogEntry") -> str:
        return "here" if entry.name in present else "fits" if fits(entry, facts, present) else "too big"

    entries = catalog.entries()
    if as_json:
        models.invocation.write_json(
            [
                _record(e) | {"kind": e.kind, "context": e.context, "good_for": e.good_for, "state": state(e)}
                for e in entries
            ]
        )
        return
    page = models.page()
    page.table(
        [
            (
                *(e.name, byte_size(e.size), tokens(e.context), e.license, state(e)),
                f"{e.good_for}; sees pictures" if e.vision else e.good_for,
            )
            for e in entries
        ],
        numbers=(1, 2),
    )
    page.show()


def _record(entry: "CatalogEntry") -> dict[str, Any]:
    return {
        name: getattr(entry, name) for name in ("name", "reference", "size", "memory", "license", "vision")
    }
