"""``chatcli models recommend``: models that suit this machine."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.chat.formats.json_text import json_text
from chatcli.cli.models.context import AsJson, Shelf, table, tokens
from chatcli.errors import ExitCode
from chatcli.words import byte_size

if TYPE_CHECKING:
    from chatcli.library.catalog import CatalogEntry
    from chatcli.library.fit.recommend import Facts


def recommend(
    context: typer.Context,
    every: Annotated[
        bool, typer.Option("--all", help="List the whole catalogue, embedding models too, and what fits.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look at memory, GPU and free disk, and name up to three models that suit them, with the reason."""
    from chatcli.library import catalog
    from chatcli.library.fit.recommend import measured
    from chatcli.library.fit.recommend import recommend as choose
    from chatcli.library.names.finding import is_here
    from chatcli.library.stores import local_models

    shelf = Shelf.of(context)
    facts = measured(shelf.places)
    models = local_models(shelf.places)
    present = [entry.name for entry in catalog.entries() if is_here(entry, models)]
    if every:
        _list_all(shelf, facts, present, as_json=as_json)
        return
    proposals = choose(facts, catalog.entries(), present)
    if as_json:
        record = {
            "machine": asdict(facts),
            "models": [
                {
                    "name": p.entry.name,
                    "reference": p.entry.reference,
                    "size": p.entry.size,
                    "memory": p.entry.memory,
                    "license": p.entry.license,
                    "vision": p.entry.vision,
                    "where": p.where,
                    "present": p.present,
                    "reason": p.reason,
                }
                for p in proposals
            ],
        }
        shelf.invocation.write_bytes(json_text(record, indent=2).encode())
        return
    gpu = f", {byte_size(facts.gpu)} on the GPU" if facts.gpu else ", no GPU llama.cpp could use"
    shelf.note(
        f"{byte_size(facts.available)} of memory are free{gpu}, {byte_size(facts.disk)} of disk, "
        f"{facts.cores} cores"
    )
    page = shelf.page()
    for p in proposals:
        from chatcli.terminal.rows import BOLD, DIM, PLAIN

        size = "on this machine" if p.present else f"{byte_size(p.entry.size)} to fetch"
        sees = ", sees pictures" if p.entry.vision else ""
        page.line((p.entry.name, BOLD), (f"  {p.entry.title}, {size}, {p.entry.license}{sees}", DIM))
        page.line((f"  {p.reason}", PLAIN))
        page.line((f"  {'chatcli -m' if p.present else 'chatcli pull'} {p.entry.name}", PLAIN))
    page.show()
    if not proposals:
        shelf.note("no model of the catalogue fits; free some memory or disk, or use the bundled lkjsxclm")
        raise typer.Exit(ExitCode.FAILED)


def _good_for(entry: "CatalogEntry") -> str:
    return f"{entry.good_for}; sees pictures" if entry.vision else entry.good_for


def _list_all(shelf: Shelf, facts: "Facts", present: list[str], *, as_json: bool) -> None:
    """The catalogue: name, size, context, licence, whether it is here or fits, what it is good for."""
    from chatcli.library import catalog
    from chatcli.library.fit.recommend import fits

    entries = catalog.entries()
    state = {
        e.name: "here" if e.name in present else "fits" if fits(e, facts, present) else "too big"
        for e in entries
    }
    if as_json:
        records = [
            {
                "name": e.name,
                "reference": e.reference,
                "kind": e.kind,
                "size": e.size,
                "memory": e.memory,
                "context": e.context,
                "license": e.license,
                "vision": e.vision,
                "good_for": e.good_for,
                "state": state[e.name],
            }
            for e in entries
        ]
        shelf.invocation.write_bytes(json_text(records, indent=2).encode())
        return
    rows = [
        (e.name, byte_size(e.size), tokens(e.context), e.license, state[e.name], _good_for(e))
        for e in entries
    ]
    page = shelf.page()
    table(page, rows, numbers=(1, 2))
    page.show()
