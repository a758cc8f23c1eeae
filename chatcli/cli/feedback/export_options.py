"""The command-line options of ``chatcli feedback export``."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.datasets.formats.table import FORMATS
from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.datasets.export import ExportOptions

_OUTPUT, _WHICH, _HOW, _PRIVATE = "Output", "Which judgements", "How rows are made", "Privacy"


@dataclass(frozen=True, slots=True)
class ExportArguments:
    """Options of the command line."""

    format: Annotated[
        str,
        typer.Option(
            "-f", "--format", metavar="NAME", rich_help_panel=_OUTPUT,
            help=f"Format of the rows: {', '.join(FORMATS)}.",
        ),
    ] = "dpo"  # fmt: skip
    out: Annotated[
        str | None,
        typer.Option(
            "-o", "--out", metavar="FOLDER|FILE|-", rich_help_panel=_OUTPUT,
            help="Folder for data, card and manifest (default: feedback-FORMAT), or one file that ends with "
            ".jsonl, .json or .parquet, or - for stdout.",
        ),
    ] = None  # fmt: skip
    parquet: Annotated[
        bool, typer.Option("--parquet", rich_help_panel=_OUTPUT, help="Write Parquet instead of JSON lines.")
    ] = False
    split: Annotated[
        float | None,
        typer.Option(
            "--split", metavar="SHARE", rich_help_panel=_OUTPUT,
            help="Share of the rows for training; the others are for validation. Divided by conversation; no "
            "prompt is on both sides.",
        ),
    ] = None  # fmt: skip
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", rich_help_panel=_OUTPUT, help="Seed of the split.")
    ] = 0
    force: Annotated[
        bool, typer.Option("--force", rich_help_panel=_OUTPUT, help="Replace an earlier export.")
    ] = False
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", rich_help_panel=_OUTPUT, help="Write nothing; print the counts of each step."
        ),
    ] = False
    show_formats: Annotated[
        bool,
        typer.Option(
            "--list", rich_help_panel=_OUTPUT, help="Describe the formats, each with an example row."
        ),
    ] = False
    log: Annotated[
        str | None,
        typer.Option(
            "--log", metavar="FILE", rich_help_panel=_WHICH, help="Read this log instead of your own."
        ),
    ] = None
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--source", metavar="NAME", rich_help_panel=_WHICH,
            help="Only this source: thumbs, comparison, ranking or edit. Repeatable.",
        ),
    ] = None  # fmt: skip
    judges: Annotated[
        str,
        typer.Option(
            "--judges", metavar="human|ai|any", rich_help_panel=_WHICH, help="Whose judgements count."
        ),
    ] = "human"
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model", metavar="NAME", rich_help_panel=_WHICH, help="Only answers of this model. Repeatable."
        ),
    ] = None
    adapters: Annotated[
        list[str] | None,
        typer.Option(
            "--adapter", metavar="SHA256|none", rich_help_panel=_WHICH,
            help="Only answers with this adapter (beginning of its SHA-256), or without one. Repeatable.",
        ),
    ] = None  # fmt: skip
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="DATE", rich_help_panel=_WHICH, help="Only judgements from this date on (UTC)."
        ),
    ] = None
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="DATE", rich_help_panel=_WHICH, help="Only judgements before this date (UTC)."
        ),
    ] = None
    reasons: Annotated[
        list[str] | None,
        typer.Option(
            "--reason",
            metavar="WORD",
            rich_help_panel=_WHICH,
            help="Only judgements with this reason. Repeatable.",
        ),
    ] = None
    tags: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", metavar="WORD", rich_help_panel=_WHICH, help="Only judgements with this tag. Repeatable."
        ),
    ] = None
    conversations: Annotated[
        list[str] | None,
        typer.Option(
            "--conversation", metavar="ID", rich_help_panel=_WHICH,
            help="Only judgements of this conversation. Repeatable.",
        ),
    ] = None  # fmt: skip
    min_rating: Annotated[
        int | None,
        typer.Option(
            "--min-rating", metavar="1-10", rich_help_panel=_WHICH,
            help="Good ratings count only from this score on.",
        ),
    ] = None  # fmt: skip
    include_cut: Annotated[
        bool,
        typer.Option(
            "--include-cut",
            rich_help_panel=_HOW,
            help="Also take answers that were truncated, stopped or failed.",
        ),
    ] = False
    reasoning: Annotated[
        str,
        typer.Option(
            "--reasoning", metavar="drop|keep|wrap", rich_help_panel=_HOW,
            help="Drop the reasoning of answers, keep it in its own field, or wrap it in <think> tags.",
        ),
    ] = "drop"  # fmt: skip
    ties: Annotated[
        str,
        typer.Option(
            "--ties", metavar="label|skip", rich_help_panel=_HOW,
            help="In formats with labels: label both answers of a tie good (or both bad), or skip them.",
        ),
    ] = "label"  # fmt: skip
    contradictions: Annotated[
        str,
        typer.Option(
            "--contradictions", metavar="majority|drop|keep", rich_help_panel=_HOW,
            help="For answers that were judged both ways: take the majority, drop them, or keep both.",
        ),
    ] = "majority"  # fmt: skip
    keep_duplicates: Annotated[
        bool, typer.Option("--keep-duplicates", rich_help_panel=_HOW, help="Also keep rows that are equal.")
    ] = False
    max_per_prompt: Annotated[
        int,
        typer.Option(
            "--max-per-prompt", metavar="N", rich_help_panel=_HOW, help="Most rows of one prompt; 0 for all."
        ),
    ] = 36
    no_marks: Annotated[
        bool,
        typer.Option(
            "--no-marks",
            rich_help_panel=_HOW,
            help="Only the columns of the trainer: no source, group or weight.",
        ),
    ] = False
    redact: Annotated[
        bool,
        typer.Option(
            "--redact", rich_help_panel=_PRIVATE,
            help="Replace e-mail addresses, phone numbers, keys, user names in paths and credentials in URLs "
            "by placeholders, and show the changes.",
        ),
    ] = False  # fmt: skip
    redact_patterns: Annotated[
        list[str] | None,
        typer.Option(
            "--redact-pattern", metavar="REGEX", rich_help_panel=_PRIVATE,
            help="Also redact what matches this; implies --redact. Repeatable.",
        ),
    ] = None  # fmt: skip
    review: Annotated[
        bool,
        typer.Option("--review", rich_help_panel=_PRIVATE, help="Show each row and ask whether to keep it."),
    ] = False
    push_to_hub: Annotated[
        str | None,
        typer.Option(
            "--push-to-hub", metavar="OWNER/NAME", rich_help_panel=_PRIVATE,
            help="Ask, then upload the folder to the Hugging Face Hub; private unless --public.",
        ),
    ] = None  # fmt: skip
    public: Annotated[
        bool, typer.Option("--public", rich_help_panel=_PRIVATE, help="Make the upload public.")
    ] = False
    yes: Annotated[
        bool, typer.Option("--yes", rich_help_panel=_PRIVATE, help="Upload without asking, for scripts.")
    ] = False

    def options(self, log: Path) -> "ExportOptions":
        """The options of the export.

        Args:
            log: the log of the user, unless another one is given.

        Raises:
            UsageError: options do not go together, or have impossible values.
        """
        from chatcli.datasets.export import ExportOptions
        from chatcli.datasets.rules import SOURCES, Rules
        from chatcli.datasets.splits import Split

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
            split=None if self.split is None else Split(self.split, self.seed),
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
