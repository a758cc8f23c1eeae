"""Open WebUI's feedback: ratings of answers in a chat, of which each holds a snapshot."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from chatcli.datasets.imports.fields import Unusable, part_of, said, text_of
from chatcli.feedback.answers import Answer, Model, PromptMessage, Provenance
from chatcli.feedback.records import Judge, Rating, Target, rating

_ORIGIN = "import:openwebui"


def openwebui(row: Mapping[str, Any], digest: str, now: datetime) -> Rating:
    """A feedback object as a rating.

    Raises:
        ValueError: it rates nothing, or its snapshot does not hold the answer.
    """
    data, meta = part_of(row, "data"), part_of(row, "meta")
    name = text_of(meta, "message_id")
    messages = part_of(row, "snapshot", "chat", "chat", "history", "messages")
    if name is None or not isinstance(messages.get(name), dict):
        raise Unusable("its snapshot does not hold the answer that was rated (meta.message_id)")
    path = _path(messages, name)
    if path[-1].role != "assistant" or len(path) < 2:
        raise Unusable("what was rated is not an answer")
    model = text_of(data, "model_id") or text_of(meta, "model_id")
    system = text_of(part_of(row, "snapshot", "chat", "chat", "params"), "system")
    prompt = ([PromptMessage(role="system", content=system)] if system else []) + path[:-1]
    reason, tags = text_of(data, "reason"), data.get("tags")
    foreign = text_of(row, "id") or digest
    who = text_of(row, "user_id")
    return rating(
        prompt,
        Answer(content=path[-1].content, provenance=Provenance(model=Model(name=model)) if model else None),
        Target(transcript=text_of(meta, "chat_id") or _ORIGIN, messages=(name,)),
        thumb=_thumb(data.get("rating")),
        score=_score(part_of(data, "details").get("rating")),
        reasons=(reason,) if reason else (),
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        comment=text_of(data, "comment"),
        judge=Judge(name=who),
        origin=_ORIGIN,
        foreign_id=foreign,
        time=_time(row.get("updated_at") or row.get("created_at"), now),
    )


def _path(messages: Mapping[str, Any], name: str) -> list[PromptMessage]:
    """The messages from the first down to one; each names its parent."""
    path: list[PromptMessage] = []
    at: Any = name
    while isinstance(at, str) and isinstance(messages.get(at), dict):
        if len(path) >= len(messages):
            raise Unusable("its messages go round in a circle")
        path.append(said(messages[at]))
        at = messages[at].get("parentId")
    return path[::-1]


def _thumb(value: Any) -> Literal[-1, 1] | None:
    try:
        number = int(value)
    except (TypeError, ValueError):
        return None
    return 1 if number == 1 else -1 if number == -1 else None


def _score(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 1 <= number <= 10 else None


def _time(value: Any, now: datetime) -> datetime:
    if isinstance(value, (int, float)) and 0 < value < 253402300800:
        return datetime.fromtimestamp(value, UTC)
    return now
