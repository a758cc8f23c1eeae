"""``chatcli transcripts``: list, search, rename, remove and count conversations."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatcli.cli import completion as completing
from chatcli.cli.options import AsJson, Yes
from chatcli.cli.transcripts.context import Ref, TranscriptsContext, local_time
from chatcli.cli.transcripts.export import export
from chatcli.cli.transcripts.imports import import_
from chatcli.cli.transcripts.show import show
from chatcli.errors import ExitCode, UsageError
from chatcli.terminal.sanitize import sanitize_line
from chatcli.words import counted

if TYPE_CHECKING:
    from chatcli.storage.index.index import Hit, Summary

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_(
    context: typer.Context,
    count: Annotated[
        int, typer.Option("--count", metavar="N", min=0, help="Most conversations to list; 0: all.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """List conversations, the newest first: id, date, number of messages, model, title."""
    archive = TranscriptsContext.of(context)
    found = archive.index.newest(count + 1 if count else None)
    shown = found[:count] if count else found
    if as_json:
        archive.invocation.write_json([_summary(s) for s in shown])
        return
    from chatcli.terminal.theme import BOLD, DIM, PLAIN, RED

    page = archive.page()
    names = max((len(s.name) for s in shown), default=0)
    counts = max((len(str(s.messages)) for s in shown), default=0)
    models = max((len(", ".join(s.models)) for s in shown), default=0)
    for s in shown:
        about = f"{local_time(s.written)}  {s.messages:>{counts}}  {', '.join(s.models):<{models}}  "
        damage = f"  [damaged at {s.damage}]" if s.damage else ""
        page.line((f"{s.name:<{names}}  ", PLAIN), (about, DIM), (s.title, BOLD), (damage, RED), clip=True)
    page.show()
    if not shown:
        archive.invocation.say(f"there is no conversation yet in {archive.store.folder}")
    elif len(found) > len(shown):
        archive.invocation.say(f"these are the newest {count}; --count 0 lists all")


@app.command("search")
def search(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="WORDS...",
            help='Words, "phrases", prefix*, model:NAME, role:user|assistant|system|title, after:DATE, '
            "before:DATE, rated:good|bad. DATE is 2026-11-20, 2026-11, 2026, today or yesterday.",
        ),
    ],
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, help="Most messages to list.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Find messages by their words, the newest conversations first."""
    archive = TranscriptsContext.of(context)
    hits = archive.index.search(query_of(words), count=count)
    if as_json:
        archive.invocation.write_json([_hit(hit) for hit in hits])
        return
    from chatcli.terminal.theme import BOLD, DIM

    page = archive.page()
    former = ""
    for hit in hits:
        if hit.name != former:
            page.line((hit.name, BOLD), (f"  {local_time(hit.written)}  {hit.title}", DIM), clip=True)
            former = hit.name
        at = f"{hit.message} {hit.role}" if hit.message else hit.role
        page.line((f"  {at}: ", DIM), *_highlighted(hit))
    page.show()
    if not hits:
        archive.invocation.say("nothing was found")


def query_of(words: list[str]) -> str:
    """Return the query of a command line; an argument with spaces among others is a phrase."""
    return " ".join(map(_quoted, words)) if len(words) > 1 else words[0]


def _quoted(word: str) -> str:
    if '"' in word or not any(c.isspace() for c in word):
        return word
    key, colon, value = word.partition(":")
    return f'{key}:"{value}"' if colon and key in {"model", "role", "after", "before"} else f'"{word}"'


def _highlighted(hit: "Hit") -> Iterator[tuple[str, str]]:
    from chatcli.terminal.theme import BOLD, PLAIN, RED

    at = 0
    for begin, end in hit.matches:
        yield hit.snippet[at:begin], PLAIN
        yield hit.snippet[begin:end], f"{BOLD} {RED}"
        at = end
    yield hit.snippet[at:], PLAIN


app.command("show")(show)


@app.command("rename")
def rename(
    context: typer.Context,
    ref: Ref,
    title: Annotated[list[str], typer.Argument(metavar="TITLE...", help="The new title.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Rewrite a damaged file and keep a copy of it.")
    ] = False,
) -> None:
    """Give a conversation a title."""
    archive = TranscriptsContext.of(context)
    words = " ".join(" ".join(title).split())
    if not words:
        raise UsageError("a title needs at least one visible character")
    name = archive.store.resolve(ref)
    archive.read(name, repair=repair)  # reports damage
    opened = archive.store.open(name, repair=repair)
    try:
        opened.log.rename(words)
    finally:
        opened.log.close()
    archive.invocation.say(f"{name} now has the title {sanitize_line(words)!r}")


@app.command("rm")
def rm(
    context: typer.Context,
    refs: Annotated[
        list[str],
        typer.Argument(
            metavar="REF...",
            help="Conversations, named as for show.",
            autocompletion=completing.transcripts,
        ),
    ],
    yes: Yes = False,
    feedback: Annotated[
        bool, typer.Option("--feedback", help="Also remove the judgements of their answers.")
    ] = False,
) -> None:
    """Remove conversations for good: file, pictures, entries of the search index, cached model states."""
    from chatcli.storage.feedback.removal import remove_judgements
    from chatcli.storage.state_cache import StateCache

    archive = TranscriptsContext.of(context)
    invocation = archive.invocation
    names = archive.names(refs)
    titles = {s.name: s.title for s in archive.index.newest(None)}
    if not yes and not invocation.confirm(names, (f"{n}  {sanitize_line(titles.get(n, ''))}" for n in names)):
        raise typer.Exit(ExitCode.FAILED)
    if feedback:  # first: once the conversations are gone, this command cannot be repeated
        count = remove_judgements(invocation.paths.feedback_log, names)
        invocation.say(f"removed {counted(count, 'record')} of the feedback log")
    states = StateCache(invocation.paths.kv_states, 0)
    for name in names:
        states.remove(name)  # the conversation last: if this fails, the same command can be given again
        archive.index.forget(name)
        archive.store.remove(name)
        invocation.say(f"removed {name}: its files, its index entries, its cached state")


app.command("export")(export)
app.command("import")(import_)


@app.command("path")
def path(
    context: typer.Context,
    ref: Annotated[
        str | None,
        typer.Argument(
            metavar="[REF]",
            help="A conversation, named as for show; default: the folder of all.",
            autocompletion=completing.transcripts,
        ),
    ] = None,
) -> None:
    """Print the path of a conversation, or of the folder of all conversations."""
    archive = TranscriptsContext.of(context)
    store = archive.store
    archive.invocation.write(f"{store.folder if ref is None else store.path(store.resolve(ref))}\n")


@app.command("stats")
def stats(context: typer.Context, as_json: AsJson = False) -> None:
    """Count conversations and messages, in total, by model and by month, and bytes on disk."""
    archive = TranscriptsContext.of(context)
    found = archive.index.newest(None)
    models = Counter(model for s in found for model in s.models)
    months = Counter(local_time(s.started or s.written)[:7] for s in found)
    record: dict[str, Any] = {
        "conversations": len(found),
        "messages": sum(s.messages for s in found),
        "bytes": sum(_sizes(archive, found)),
        "damaged": sum(bool(s.damage) for s in found),
        "models": dict(models.most_common()),
        "months": dict(sorted(months.items(), reverse=True)),
    }
    if as_json:
        archive.invocation.write_json(record)
        return
    for name in ("conversations", "messages", "bytes", "damaged"):
        archive.invocation.write(f"{name:<14}{record[name]:>12,}\n")
    for heading in ("models", "months"):
        if record[heading]:
            archive.invocation.write(f"\nconversations by {heading[:-1]}\n")
        for name, number in record[heading].items():
            archive.invocation.write(f"{number:>12,}  {sanitize_line(name)}\n")


def _sizes(archive: TranscriptsContext, found: "Iterable[Summary]") -> Iterator[int]:
    from chatcli.storage.transcripts.pictures import PictureFolder

    for summary in found:
        try:
            file = archive.store.path(summary.name)
            yield file.stat().st_size + PictureFolder(file).size
        except OSError:  # another process removed it
            yield 0


def _summary(summary: "Summary") -> dict[str, Any]:
    return {
        "id": summary.name,
        "title": summary.title,
        "written": summary.written.isoformat(),
        "started": summary.started.isoformat() if summary.started else None,
        "messages": summary.messages,
        "models": list(summary.models),
        "damage": summary.damage or None,
    }


def _hit(hit: "Hit") -> dict[str, Any]:
    return {
        "id": hit.name,
        "title": hit.title,
        "written": hit.written.isoformat(),
        "message": hit.message or None,
        "role": hit.role,
        "snippet": hit.snippet,
        "matches": [list(span) for span in hit.matches],
    }
