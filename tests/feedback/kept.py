"""What a run of the program left in its feedback log."""

import json
from pathlib import Path
from typing import Any

from chatcli.feedback.codec import decode, json_schema
from chatcli.feedback.records import Record

from .json_schema import faults


def kept_records(home: Path) -> list[Record]:
    """The records below a home; each is valid by the published schema."""
    file = home / "feedback.jsonl"
    schema: dict[str, Any] = json_schema()
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    for line in lines:
        assert not list(faults(json.loads(line), schema, schema))
    return [decode(line) for line in lines]
