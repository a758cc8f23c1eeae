"""The command-line options of ``chatcli feedback export``."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatcli.datasets.formats.table import FORMATS
from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.datasets.export import ExportOptions

_Several = list[str] | None


def _option(panel: str, text: str, *names: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, metavar=metavar, rich_help_panel=panel, help=text)


_output, _which = partial(_option, "Output"), partial(_option, "Which judgements")
_how, _private = partial(_option, "How rows are made"), partial(_option, "Privacy")


@dataclass(frozen=True, slots=True)
class ExportArguments:
    """Options of the command line."""

    format: Annotated[
        str, _output(f"Format of the rows: {', '.join(FORMATS)}.", "-f", "--format", metavar="NAME")
    ] = "dpo"
    out: Annotated[
        str | None,
        _output(
            "Folder for data, card and manifest (default: feedback-FORMAT), or one file that ends with "
            ".jsonl, .json or .parquet, or - for stdout.",
            "-o",
            "--out",
            metavar="FOLDER|FILE|-",
        ),
    ] = None
    parquet: Annotated[bool, _output("Write Parquet instead of JSON lines.", "--parquet")] = False
    split: Annotated[
        float | None,
        _output(
            "Share of the rows for training; the others are for validation. Divided by conversation; no "
            "prompt is on both sides.",
            "--split",
            metavar="SHARE",
        ),
    ] = None
    seed: Annotated[int, _output("Seed of the split.", "--seed", metavar="N")] = 0
    force: Annotated[bool, _output("Replace an earlier export.", "--force")] = False
    dry_run: Annotated[bool, _output("Write nothing; print the counts of each step.", "--dry-run")] = False
    show_formats: Annotated[bool, _output("Describe the formats, each with an example row.", "--list")] = (
        False
    )
    log: Annotated[str | None, _which("Read this log instead of your own.", "--log", metavar="FILE")] = None
    sources: Annotated[
        _Several,
        _which(
            "Only this source: thumbs, comparison, ranking or edit. Repeatable.",
            "--source",
            metavar="NAME",
        ),
    ] = None
    judges: Annotated[str, _which("Whose judgements count.", "--judges", metavar="human|ai|any")] = "human"
    models: Annotated[
        _Several, _which("Only answers of this model. Repeatable.", "--model", metavar="NAME")
    ] = None
    adapters: Annotated[
        _Several,
        _which(
            "Only answers with this adapter (beginning of its SHA-256), or without one. Repeatable.",
            "--adapter",
            metavar="SHA256|none",
        ),
    ] = None
    since: Annotated[
        str | None, _which("Only judgements from this date on (UTC).", "--since", metavar="DATE")
    ] = None
    until: Annotated[
        str | None, _which("Only judgements before this date (UTC).", "--until", metavar="DATE")
    ] = None
    reasons: Annotated[
        _Several, _which("Only judgements with this reason. Repeatable.", "--reason", metavar="WORD")
    ] = None
    tags: Annotated[
        _Several, _which("Only judgements with this tag. Repeatable.", "--tag", metavar="WORD")
    ] = None
    conversations: Annotated[
        _Several, _which("Only judgements of this conversation. Repeatable.", "--conversation", metavar="ID")
    ] = None
    min_rating: Annotated[
        int | None, _which("Good ratings count only from this score on.", "--min-rating", metavar="1-10")
    ] = None
    include_cut: Annotated[
        bool, _how("Also take answers that were truncated, stopped or failed.", "--include-cut")
    ] = False
    reasoning: Annotated[
        str,
        _how(
            "Drop the reasoning of answers, keep it in its own field, or wrap it in <think> tags.",
            "--reasoning",
            metavar="drop|keep|wrap",
        ),
    ] = "drop"
    ties: Annotated[
        str,
        _how(
            "In formats with labels: label both answers of a tie good (or both bad), or skip them.",
            "--ties",
            metavar="label|skip",
        ),
    ] = "label"
    contradictions: Annotated[
        str,
        _how(
            "For answers that were judged both ways: take the majority, drop them, or keep both.",
            "--contradictions",
            metavar="majority|drop|keep",
        ),
    ] = "majority"
    keep_duplicates: Annotated[bool, _how("Also keep rows that are equal.", "--keep-duplicates")] = False
    max_per_prompt: Annotated[
        int, _how("Most rows of one prompt; 0 for all.", "--max-per-prompt", metavar="N")
    ] = 36
    no_marks: Annotated[
        bool, _how("Only the columns of the trainer: no source, group or weight.", "--no-marks")
    ] = False
    redact: Annotated[
        bool,
        _private(
            "Replace e-mail addresses, phone numbers, keys, user names in paths and credentials in URLs "
            "by placeholders, and show the changes.",
            "--redact",
        ),
    ] = False
    redact_patterns: Annotated[
        _Several,
        _private(
            "Also redact what matches this; implies --redact. Repeatable.",
            "--redact-pattern",
            metavar="REGEX",
        ),
    ] = None
    review: Annotated[bool, _private("Show each row and ask whether to keep it.", "--review")] = False
    push_to_hub: Annotated[
        str | None,
        _private(
            "Ask, then upload the folder to the Hugging Face Hub; private unless --public.",
            "--push-to-hub",
            metavar="OWNER/NAME",
        ),
    ] = None
    public: Annotated[bool, _private("Make the upload public.", "--public")] = False
    yes: Annotated[bool, _private("Upload without asking, for scripts.", "--yes")] = False

    def options(self, log: Path) -> "ExportOptions":
        """The options of the export.

        Args:
            log: the log of the user, unless another one is given.

        Raises:
            UsageError: options do not go together, or have impossible values.
        """
        from chatcli.datasets.export import ExportOptions
        from chatcli.datasets.rules import SOURCES, Rules
        from chatcli.datasets.splits import DatasetSplit

        rules = Rules(
            sources=tuple(self.sources) if self.sources else SOURCES,
            judges=self.judges,  # type: ignore[arg-type]  # Rules checks it
            cut=self.include_cut,
            reasoning=self.reasoning,  # type: ignore[arg-type]
            ties=self.ties,  # type: ignore[arg-type]
            contradictions=self.contradictions,  # type: ignore[arg-type]
            duplicates=self.keep_duplicates,
            per_prompt=self.max_per_prompt,
            least_score=self.min_rating,
            models=tuple(self.models or ()),
            adapters=tuple(self.adapters or ()),
            reasons=tuple(self.reasons or ()),
            tags=tuple(self.tags or ()),
            conversations=tuple(self.conversations or ()),
            since=_date(self.since, "--since"),
            until=_date(self.until, "--until"),
            marks=not self.no_marks,
        )
        return ExportOptions(
            log=Path(self.log) if self.log else log,
            format=self.format,
            rules=rules,
            split=None if self.split is None else DatasetSplit(self.split, self.seed),
            redact=self.redact,
            redact_patterns=tuple(self.redact_patterns or ()),
            parquet=self.parquet or (self.out or "").endswith(".parquet"),
            force=self.force,
        )


def _date(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} takes a date such as 2026-11-20, not {text!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
