"""Formats of whole judgements: LMSYS's arena, Open WebUI's feedback, and the log's own records."""

from typing import Any

from chatcli.datasets.derivation import EventRow, Unit
from chatcli.datasets.derivation_sketch import GOOD, SketchedAnswer
from chatcli.datasets.formats.declaration import Format, decoded, message

UNKNOWN = "unknown"
_WINNERS = {"left": "model_a", "right": "model_b", "tie": "tie", "both_bad": "tie (bothbad)"}


def _arena(row: EventRow, _marks: bool) -> dict[str, Any]:
    """Model A is the one shown on the left, so that a preference for a side can be measured."""
    sketch = row.sketch
    a, b = sketch.answers if sketch.left == 0 else sketch.answers[::-1]
    asked = [message(m.role, m.content) for m in sketch.prompt]
    return {
        "question_id": sketch.id,
        "model_a": _name(a),
        "model_b": _name(b),
        "winner": _WINNERS[sketch.winner or "tie"],
        "conversation_a": [*asked, message("assistant", a.content)],
        "conversation_b": [*asked, message("assistant", b.content)],
        "turn": sum(m.role == "user" for m in sketch.prompt),
        "language": UNKNOWN,
        "tstamp": sketch.time.timestamp(),
    }


def _openwebui(row: EventRow, _marks: bool) -> dict[str, Any]:
    sketch, answer = row.sketch, row.sketch.judged[0]
    said = [*[message(m.role, m.content) for m in sketch.prompt], message("assistant", answer.content)]
    ids = [f"{sketch.id}-{at}" for at in range(1, len(said) + 1)]
    chat = sketch.target.transcript if sketch.target else ""
    history = {
        name: {
            "id": name,
            "parentId": ids[at - 1] if at else None,
            "childrenIds": ids[at + 1 : at + 2],
            **turn,
        }
        for at, (name, turn) in enumerate(zip(ids, said, strict=True))
    }
    model, when = _name(answer), int(sketch.time.timestamp())
    return {
        "id": sketch.id,
        "user_id": "",
        "version": 0,
        "type": "rating",
        "data": {
            "rating": 1 if sketch.places == (GOOD,) else -1,
            "model_id": model,
            "sibling_model_ids": None,
            "reason": sketch.reasons[0] if sketch.reasons else "",
            "comment": sketch.comment or "",
            "tags": list(sketch.tags),
            "details": {} if sketch.score is None else {"rating": sketch.score},
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


def _name(answer: SketchedAnswer) -> str:
    model = answer.model
    return model.name if model else UNKNOWN


ARENA = Format(
    "arena", "comparisons with the columns of LMSYS's arena conversations", Unit.COMPARISONS, _arena
)
OPENWEBUI = Format(
    "openwebui", "ratings as Open WebUI exports and imports its feedback: one JSON array",
    Unit.RATINGS, _openwebui, tabular=False, array=True,
)  # fmt: skip
RAW = Format(
    "raw", "the judgements that count, as the log holds them",
    Unit.JUDGEMENTS, lambda row, _marks: decoded(row.line), reasoning=True, pictures=True,
    tabular=False,
)  # fmt: skip
