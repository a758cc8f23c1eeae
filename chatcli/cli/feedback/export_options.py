"""The options of ``chatcli feedback export``."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.datasets.derivation_rules import Rules
    from chatcli.datasets.derivation_survey import Split

_OUTPUT, _WHICH, _HOW, _PRIVATE = "Output", "Which judgements", "How rows are made", "Privacy"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the command line said."""

    format: Annotated[
        str,
        typer.Option(
            "-f", "--format", metavar="NAME", rich_help_panel=_OUTPUT,
            help="What for: dpo, kto, reward, sft, openai, axolotl, llama-factory, openrlhf, hh-rlhf, arena, "
            "openwebui or raw.",
        ),
    ] = "dpo"  # fmt: skip
    out: Annotated[
        str | None,
        typer.Option(
            "-o", "--out", metavar="FOLDER|FILE|-", rich_help_panel=_OUTPUT,
            help="A folder for data, card, manifest (default: feedback-FORMAT); one file, if it ends with "
            ".jsonl, .json or .parquet; - is stdout.",
        ),
    ] = None  # fmt: skip
    parquet: Annotated[
        bool, typer.Option("--parquet", rich_help_panel=_OUTPUT, help="Parquet in place of JSON lines.")
    ] = False
    split: Annotated[
        float | None,
        typer.Option(
            "--split", metavar="SHARE", rich_help_panel=_OUTPUT,
            help="Share of the rows to train on; the others go to validation. By conversation, and no prompt "
            "is on both sides.",
        ),
    ] = None  # fmt: skip
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", rich_help_panel=_OUTPUT, help="Of the split.")
    ] = 0
    force: Annotated[
        bool, typer.Option("--force", rich_help_panel=_OUTPUT, help="Replace an earlier export.")
    ] = False
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", rich_help_panel=_OUTPUT, help="Write nothing; print the counts of every step."
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
        typer.Option("--log", metavar="FILE", rich_help_panel=_WHICH, help="Another log than your own."),
    ] = None
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--source", metavar="NAME", rich_help_panel=_WHICH,
            help="Only these: thumbs, comparison, ranking, edit. Repeatable.",
        ),
    ] = None  # fmt: skip
    judges: Annotated[
        str,
        typer.Option("--judges", metavar="human|ai|any", rich_help_panel=_WHICH, help="Whose judgements."),
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
            help="Only with this adapter (its sha256 or the beginning), or none. Repeatable.",
        ),
    ] = None  # fmt: skip
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", rich_help_panel=_WHICH, help="Judged then or later (UTC)."),
    ] = None
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="DATE", rich_help_panel=_WHICH, help="Judged before then (UTC)."),
    ] = None
    reasons: Annotated[
        list[str] | None,
        typer.Option(
            "--reason", metavar="WORD", rich_help_panel=_WHICH, help="Only with this reason. Repeatable."
        ),
    ] = None
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="WORD", rich_help_panel=_WHICH, help="Only with this tag. Repeatable."),
    ] = None
    conversations: Annotated[
        list[str] | None,
        typer.Option(
            "--conversation", metavar="ID", rich_help_panel=_WHICH,
            help="Only of this conversation. Repeatable.",
        ),
    ] = None  # fmt: skip
    min_rating: Annotated[
        int | None,
        typer.Option(
            "--min-rating", metavar="1-10", rich_help_panel=_WHICH,
            help="Good ratings count only with a score of at least so much.",
        ),
    ] = None  # fmt: skip
    include_cut: Annotated[
        bool,
        typer.Option(
            "--include-cut", rich_help_panel=_HOW, help="Also answers that were truncated, stopped or failed."
        ),
    ] = False
    reasoning: Annotated[
        str,
        typer.Option(
            "--reasoning", metavar="drop|keep|wrap", rich_help_panel=_HOW,
            help="Of answers: left out, in a field of its own, or in <think> tags before the answer.",
        ),
    ] = "drop"  # fmt: skip
    ties: Annotated[
        str,
        typer.Option(
            "--ties", metavar="label|skip", rich_help_panel=_HOW,
            help="Where single answers are labelled: a tie labels both good (both bad: bad), or nothing.",
        ),
    ] = "label"  # fmt: skip
    contradictions: Annotated[
        str,
        typer.Option(
            "--contradictions", metavar="majority|drop|keep", rich_help_panel=_HOW,
            help="Answers that were judged both ways: as the majority says, not at all, or both.",
        ),
    ] = "majority"  # fmt: skip
    keep_duplicates: Annotated[
        bool, typer.Option("--keep-duplicates", rich_help_panel=_HOW, help="Also rows that are equal.")
    ] = False
    max_per_prompt: Annotated[
        int,
        typer.Option(
            "--max-per-prompt", metavar="N", rich_help_panel=_HOW, help="Most rows of one prompt; 0: all."
        ),
    ] = 36
    no_marks: Annotated[
        bool,
        typer.Option(
            "--no-marks", rich_help_panel=_HOW, help="Only the trainer's columns: no source, group, weight."
        ),
    ] = False
    redact: Annotated[
        bool,
        typer.Option(
            "--redact", rich_help_panel=_PRIVATE,
            help="Put placeholders for e-mail addresses, phone numbers, keys, user names in paths, "
            "credentials in URLs, and show what changes.",
        ),
    ] = False  # fmt: skip
    redact_patterns: Annotated[
        list[str] | None,
        typer.Option(
            "--redact-pattern", metavar="REGEX", rich_help_panel=_PRIVATE,
            help="Also what matches this; implies --redact. Repeatable.",
        ),
    ] = None  # fmt: skip
    review: Annotated[
        bool,
        typer.Option("--review", rich_help_panel=_PRIVATE, help="Look at each row, and keep or drop it."),
    ] = False
    push_to_hub: Annotated[
        str | None,
        typer.Option(
            "--push-to-hub", metavar="OWNER/NAME", rich_help_panel=_PRIVATE,
            help="Upload the folder to the Hugging Face Hub, after asking; private unless --public.",
        ),
    ] = None  # fmt: skip
    public: Annotated[
        bool, typer.Option("--public", rich_help_panel=_PRIVATE, help="Let everybody see the upload.")
    ] = False
    yes: Annotated[
        bool, typer.Option("--yes", rich_help_panel=_PRIVATE, help="Upload without asking, for scripts.")
    ] = False

    def rules(self) -> "Rules":
        """The rules of derivation.

        Raises:
            UsageError: an option makes no sense.
        """
        from chatcli.datasets.derivation_rules import SOURCES, Rules

        return Rules(
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

    def division(self) -> "Split | None":
        """How rows are divided.

        Raises:
            UsageError: the share is none.
        """
        from chatcli.datasets.derivation_survey import Split

        if self.split is None:
            return None
        if not 0 < self.split < 1:
            raise UsageError(f"--split is a share between 0 and 1, such as 0.9, not {self.split:g}")
        return Split(self.split, self.seed)


def _date(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} takes a date such as 2026-11-20, not {text!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
