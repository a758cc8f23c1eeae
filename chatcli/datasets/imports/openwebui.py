"""Imports the feedback of Open WebUI: ratings of answers, each with a snapshot of its chat."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from chatcli.datasets.imports.rows import Unusable, message_in, part_of, text_of, time_of
from chatcli.feedback.answers import Answer, Model, PromptMessage, Provenance
from chatcli.feedback.records import Judge, Rating, Target, rating

_ORIGIN = "import:openwebui"


def openwebui(row: Mapping[str, Any], digest: str, now: datetime) -> Rating:
    """A feedback object as a rating.

    Raises:
        ValueError: it has no rating, or its snapshot lacks the answer.
    """
    data, meta = part_of(row, "data"), part_of(row, "meta")
    name = text_of(meta, "message_id")
    messages = part_of(row, "snapshot", "chat", "chat", "history", "messages")
    if name is None or not isinstance(messages.get(name), dict):
        raise Unusable("the snapshot lacks the rated answer (meta.message_id)")
    path = _path(messages, name)
    if path[-1].role != "assistant" or len(path) < 2:
        raise Unusable("the rated message is not an answer")
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
        time=time_of(row.get("updated_at") or row.get("created_at")) or now,
    )


def _path(messages: Mapping[str, Any], name: str) -> list[PromptMessage]:
    """The messages from the first to this one; each names its parent."""
    path: list[PromptMessage] = []
    at: Any = name
    while isinstance(at, str) and isinstance(messages.get(at), dict):
        if len(path) >= len(messages):
            raise Unusable("the messages form a circle")
        path.append(message_in(messages[at]))
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
