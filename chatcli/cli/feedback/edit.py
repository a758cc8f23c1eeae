"""``chatcli feedback edit``: replaces a judgement; the old one stays in the log and does not count."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from chatcli.cli.feedback.context import FeedbackContext, JudgementId, verdict_of
from chatcli.errors import UsageError
from chatcli.feedback.codec import encode, from_plain
from chatcli.feedback.judgements import Fate
from chatcli.feedback.reasons import nearest, read_reasons
from chatcli.feedback.records import Record, new_id

# Fields that may be changed, by kind; the others are facts.
_EDITABLE = {
    "rating": ("thumb", "score", "reasons", "comment", "tags"),
    "comparison": ("winner", "reasons", "comment", "tags"),
    "ranking": ("ranks", "reasons", "comment", "tags"),
    "correction": ("edited", "reasons", "comment", "tags"),
    "retraction": ("comment",),
}


def edit(
    context: typer.Context,
    ref: JudgementId,
    good: Annotated[bool, typer.Option("--good", help="Make it a good rating.")] = False,
    bad: Annotated[bool, typer.Option("--bad", help="Make it a bad rating.")] = False,
    score: Annotated[int | None, typer.Option("--score", metavar="N", help="A score of 1 to 10.")] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option("--reason", metavar="REASON", help="New reason; replaces all reasons. Repeatable."),
    ] = None,
    comment: Annotated[
        str | None, typer.Option("--comment", metavar="TEXT", help="New comment; empty for none.")
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="TAG", help="New tag; replaces all tags. Repeatable."),
    ] = None,
) -> None:
    """Change a judgement: with options or, without any, in $EDITOR. The old one stays in the log."""
    feedback = FeedbackContext.of(context)
    record = feedback.log.find(ref)
    fate = feedback.log.fate(record.id)
    if fate is not Fate.LIVE:
        raise UsageError(f"{record.id} does not count any more ({fate.value}); judge the answer again")
    plain: dict[str, Any] = msgspec.json.decode(encode(record))
    if good and bad:
        raise UsageError("--good and --bad exclude each other")
    changes: dict[str, Any] = {}
    if good or bad:
        changes["thumb"] = 1 if good else -1
    if score is not None:
        changes["score"] = score
    if comment is not None:
        changes["comment"] = comment or None
    if tag is not None:
        changes["tags"] = [t for t in tag if t]
    if reason is not None:
        changes["reasons"] = _reasons(reason, changes.get("thumb", plain.get("thumb")))
    if not changes:
        changes = _edited(feedback, plain)
    _save(feedback, record, plain, changes)


def _reasons(typed: list[str], thumb: int | None) -> list[str]:
    """The reasons of the vocabulary for typed words."""
    found: list[str] = []
    for text in typed:
        reading = read_reasons(text, thumb or 1)
        if reading.comment is not None and thumb is None:
            reading = read_reasons(text, -1)
        if reading.comment is not None:
            near = reading.hint or nearest(text, thumb or 1)
            hint = f"; did you mean {near}?" if near else "; --comment takes free text"
            raise UsageError(f"{text!r} is not a reason{hint}")
        found += reading.reasons
    return found


def _edited(feedback: FeedbackContext, plain: dict[str, Any]) -> dict[str, Any]:
    """The fields that were changed in the editor."""
    from chatcli.terminal.prompt.editor import edit as edit_text

    names = _EDITABLE[plain["kind"]]
    before = {name: plain.get(name, [] if name in ("reasons", "tags") else None) for name in names}
    text = msgspec.json.format(msgspec.json.encode(before), indent=2).decode()
    try:
        after = msgspec.json.decode(edit_text(text, feedback.invocation.environ))
    except msgspec.DecodeError as error:
        raise UsageError(f"the edited text is not JSON: {error}; nothing was changed") from None
    if not isinstance(after, dict) or not set(after) <= set(names):
        raise UsageError(f"only {', '.join(names)} can be changed; nothing was changed")
    return {name: value for name, value in after.items() if value != before[name]}


def _save(feedback: FeedbackContext, record: Record, plain: dict[str, Any], changes: dict[str, Any]) -> None:
    if all(plain.get(name) == value for name, value in changes.items()):
        feedback.invocation.note("chatcli: nothing was changed")
        return
    names = _EDITABLE[plain["kind"]]
    for name in changes:
        if name not in names:
            raise UsageError(f"a {plain['kind']} has no {name}; {', '.join(names)} can be changed")
    now = datetime.now(UTC)
    stamp = {"id": new_id(now), "time": now.isoformat(), "replaces": record.id}
    fields = {name: value for name, value in {**plain, **changes, **stamp}.items() if value is not None}
    try:
        edited = from_plain(fields)
    except ValueError as error:
        raise UsageError(f"{error}; nothing was changed") from None
    feedback.log.append(edited)
    feedback.invocation.note(f"chatcli: {edited.id} ({verdict_of(edited)}) replaces {record.id}")
