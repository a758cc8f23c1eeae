"""``chatcli models recommend``: models that suit this machine."""

from dataclasses import asdict

import typer

from chatcli.chat.formats.json_text import json_text
from chatcli.cli.models_shelf import AsJson, Shelf, gigabytes
from chatcli.errors import ExitCode


def recommend(context: typer.Context, as_json: AsJson = False) -> None:
    """Look at memory, GPU and free disk, and name up to three models that suit them, with the reason."""
    from chatcli.library import catalog
    from chatcli.library.names import is_here
    from chatcli.library.recommend import measured
    from chatcli.library.recommend import recommend as choose
    from chatcli.library.stores import local_models

    shelf = Shelf.of(context)
    facts = measured(shelf.places)
    models = local_models(shelf.places)
    present = [entry.name for entry in catalog.entries() if is_here(entry, models)]
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
                    "where": p.where,
                    "present": p.present,
                    "reason": p.reason,
                }
                for p in proposals
            ],
        }
        shelf.invocation.write_bytes(json_text(record, indent=2).encode())
        return
    gpu = f", {gigabytes(facts.gpu)} on the GPU" if facts.gpu else ", no GPU llama.cpp could use"
    shelf.note(
        f"{gigabytes(facts.available)} of memory are free{gpu}, {gigabytes(facts.disk)} of disk, "
        f"{facts.cores} cores"
    )
    page = shelf.page()
    for p in proposals:
        from chatcli.terminal.rows import BOLD, DIM, PLAIN

        size = "on this machine" if p.present else f"{gigabytes(p.entry.size)} to fetch"
        page.line((p.entry.name, BOLD), (f"  {p.entry.title}, {size}, {p.entry.license}", DIM))
        page.line((f"  {p.reason}", PLAIN))
        page.line((f"  {'chatcli -m' if p.present else 'chatcli pull'} {p.entry.name}", PLAIN))
    page.show()
    if not proposals:
        shelf.note("no model of the catalogue fits; free some memory or disk, or use the bundled lkjsxclm")
        raise typer.Exit(ExitCode.FAILED)
