"""Imports feedback of other programs into the log, each row once.

A record has the origin ``import:NAME`` and a foreign id: that of the row, or else a digest of the row.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatcli.feedback.records import Judgement
    from chatcli.storage.feedback.log import FeedbackLog

#: Name -> module in this folder, and the function that makes a row a record.
IMPORTERS = {
    "openwebui": "openwebui.openwebui",
    "arena": "pairs.arena",
    "hh-rlhf": "pairs.hh_rlhf",
    "dpo": "pairs.dpo",
    "kto": "pairs.kto",
}


@dataclass(slots=True)
class ImportCounts:
    """Rows by what became of them."""

    new: int = 0
    known: int = 0
    unusable: int = 0


def imported(name: str, row: Any, now: datetime) -> "Judgement":
    """The record of a row.

    Args:
        name: one of ``IMPORTERS``.
        row: decoded JSON.
        now: time of a judgement that has none.

    Raises:
        ValueError: the row does not fit the format; says why.
    """
    import msgspec

    if not isinstance(row, dict):
        raise ValueError("a row must be an object in braces")
    digest = hashlib.sha256(msgspec.json.encode(row, order="sorted")).hexdigest()[:32]
    module, _, function = IMPORTERS[name].partition(".")
    importer = getattr(import_module(f"chatcli.datasets.imports.{module}"), function)
    record: Judgement = importer(row, digest, now)
    return record


def import_file(
    log: "FeedbackLog",
    file: str,
    name: str,
    *,
    dry_run: bool = False,
    complain: Callable[[int, str], None] = lambda place, fault: None,
) -> ImportCounts:
    """Append the rows of a file to the log, without those that were imported before.

    Args:
        name: one of ``IMPORTERS``.
        dry_run: only count.
        complain: receives place and fault of each row that cannot be used.

    Raises:
        ChatcliError: the file cannot be read, or the log cannot be written.
    """
    from chatcli.datasets.imports.rows import foreign_rows

    # Records that do not count any more are known too: what was retracted stays away.
    known = {r.foreign_id for r in log.read_backwards() if r is not None and r.origin == f"import:{name}"}
    counts, now = ImportCounts(), datetime.now(UTC)
    for place, row in foreign_rows(file):
        try:
            if isinstance(row, ValueError):
                raise row
            record = imported(name, row, now)
        except (ValueError, RecursionError) as error:
            counts.unusable += 1
            complain(place, str(error))
            continue
        if record.foreign_id in known:
            counts.known += 1
            continue
        known.add(record.foreign_id)
        if not dry_run:
            log.append(record)  # type: ignore[arg-type]  # every judgement is a record
        counts.new += 1
    return counts
