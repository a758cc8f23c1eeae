"""Formats of whole judgements: the arena of LMSYS, the feedback of Open WebUI, and the records of the log."""

from typing import Any

import msgspec

from chatcli.datasets.formats.declaration import Format, message
from chatcli.datasets.plan import JudgementRow, Unit
from chatcli.feedback.records import Comparison, Rating

_UNKNOWN = "unknown"
_WINNERS = {"left": "model_a", "right": "model_b", "tie": "tie", "both_bad": "tie (bothbad)"}


def _arena(row: JudgementRow, _marks: bool) -> dict[str, Any]:
    """Model A is the one on the left, so that a preference for a side can be measured."""
    record = row.record
    assert isinstance(record, Comparison)
    a, b = record.answers if record.left == 0 else record.answers[::-1]
    asked = [message(m.role, m.content) for m in record.prompt]
    return {
        "question_id": record.id,
        "model_a": a.model_name or _UNKNOWN,
        "model_b": b.model_name or _UNKNOWN,
        "winner": _WINNERS[record.winner],
        "conversation_a": [*asked, message("assistant", a.content)],
        "conversation_b": [*asked, message("assistant", b.content)],
        "turn": sum(m.role == "user" for m in record.prompt),
        "language": _UNKNOWN,
        "tstamp": record.time.timestamp(),
    }


def _openwebui(row: JudgementRow, _marks: bool) -> dict[str, Any]:
    record = row.record
    assert isinstance(record, Rating)
    answer = record.answer
    said = [*[message(m.role, m.content) for m in record.prompt], message("assistant", answer.content)]
    ids = [f"{record.id}-{at}" for at in range(1, len(said) + 1)]
    chat = record.target.transcript if record.target else ""
    history = {
        name: {
            "id": name,
            "parentId": ids[at - 1] if at else None,
            "childrenIds": ids[at + 1 : at + 2],
            **turn,
        }
        for at, (name, turn) in enumerate(zip(ids, said, strict=True))
    }
    model, when = answer.model_name or _UNKNOWN, int(record.time.timestamp())
    return {
        "id": record.id,
        "user_id": "",
        "version": 0,
        "type": "rating",
        "data": {
            "rating": 1 if record.good else -1,
            "model_id": model,
            "sibling_model_ids": None,
            "reason": record.reasons[0] if record.reasons else "",
            "comment": record.comment or "",
            "tags": list(record.tags),
            "details": {} if record.score is None else {"rating": record.score},
        },
        "meta": {
            "arena": False,
            "model_id": model,
            "message_id": ids[-1],
            "message_index": len(ids),
            "chat_id": chat,
            "base_models": {model: None},
        },
        "snapshot": {
            "chat": {
                "id": chat,
                "chat": {"models": [model], "history": {"messages": history, "currentId": ids[-1]}},
            }
        },
        "created_at": when,
        "updated_at": when,
    }


ARENA = Format(
    "arena", "comparisons with the columns of LMSYS's arena conversations", Unit.COMPARISONS, _arena
)
OPENWEBUI = Format(
    "openwebui", "ratings as Open WebUI exports and imports its feedback: one JSON array",
    Unit.RATINGS, _openwebui, tabular=False, array=True,
)  # fmt: skip
RAW = Format(
    "raw", "the judgements that count, as the log holds them",
    Unit.JUDGEMENTS, lambda row, _marks: msgspec.json.decode(row.line), reasoning=True, pictures=True,
    tabular=False,
)  # fmt: skip
