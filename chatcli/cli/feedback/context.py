"""What the commands of ``chatcli feedback`` share: the log, and a judgement in a few words."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import typer

from chatcli.cli.invocation import Invocation
from chatcli.cli.options import ChatOptions
from chatcli.feedback.codec import encode
from chatcli.feedback.judgements import Fate
from chatcli.feedback.records import Comparison, Correction, Ranking, Rating, Record, answers_in
from chatcli.settings import Settings
from chatcli.storage.feedback.log import FeedbackLog

#: The argument that names a judgement.
JudgementId = Annotated[
    str, typer.Argument(metavar="ID", help="Id of a judgement, its beginning or last part; or last.")
]


@dataclass(frozen=True, slots=True)
class FeedbackContext:
    """Invocation, settings and log of one command."""

    invocation: Invocation
    settings: Settings
    log: FeedbackLog

    @classmethod
    def of(cls, context: typer.Context) -> "FeedbackContext":
        """Built from the context of the command line.

        Raises:
            ChatcliError: a setting is invalid.
        """
        invocation = Invocation.from_process()
        options = context.find_root().obj or ChatOptions()
        settings = options.settings(invocation.environ, invocation.paths)
        return cls(invocation, settings, FeedbackLog(invocation.paths.feedback_log))


def short_id(record_id: str) -> str:
    """The last part of an id, which is enough to type."""
    return record_id.rpartition("-")[2]


def verdict_of(record: Record) -> str:
    """The verdict of a record in a few words."""
    if isinstance(record, Rating):
        score = f" {record.score}/10" if record.score is not None else ""
        return ("good" if record.good else "bad") + score
    if isinstance(record, Comparison):
        if record.better is None:
            return "both bad" if record.winner == "both_bad" else "tie"
        return f"{'AB'[record.better]} is better"
    if isinstance(record, Ranking):
        return "ranks " + " ".join(map(str, record.ranks))
    return "corrected" if isinstance(record, Correction) else "retracted"


def models_of(record: Record) -> list[str]:
    """Names of the models whose answers a record judges."""
    return [answer.model_name or "unknown" for answer in answers_in(record)]


def record_json(record: Record, fate: Fate) -> dict[str, Any]:
    """A record as in the file, with its fate."""
    fields: dict[str, Any] = msgspec.json.decode(encode(record))
    return {"fate": fate.value, **fields}
