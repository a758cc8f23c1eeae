"""What accompanies the data of an export: the report, the card for people, the manifest for programs.

They are made of the log, the options and the counts alone, so the same export gives the same bytes.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from chatcli import __version__
from chatcli.datasets.formats.declaration import Format
from chatcli.datasets.funnel import Funnel
from chatcli.datasets.judged import AnsweringModel
from chatcli.datasets.lengths import Lengths
from chatcli.datasets.redact import Redactor
from chatcli.datasets.rules import Rules
from chatcli.datasets.splits import DatasetSplit
from chatcli.files.record_log import DamagedLine

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))


@dataclass(frozen=True, slots=True)
class DataFileFacts:
    """The facts of a data file that ``folder`` wrote; ``sha256`` is of the file, in hex."""

    name: str
    split: str
    rows: int
    bytes: int
    sha256: str


@dataclass(slots=True)
class ExportReport:
    """Everything that is known of an export.

    Attributes:
        input_sha256: SHA-256 of the log, in hex.
        faults: lines of the log that cannot be read.
        redactor: what redacted the texts, or None; it has the counts.
        patterns: the patterns of the user that were redacted too.
        labels: rows by verdict, if rows have one.
        sources: rows by source.
        models: answers by model.
        files: the data files.
        written: names of all files of the dataset.
    """

    format: Format
    rules: Rules
    split: DatasetSplit | None
    redactor: Redactor | None = None
    patterns: tuple[str, ...] = ()
    funnel: Funnel = field(default_factory=Funnel)
    lengths: Lengths = field(default_factory=Lengths)
    input_sha256: str = ""
    faults: Sequence[DamagedLine] = ()
    labels: Counter[bool] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    models: Counter[AnsweringModel | None] = field(default_factory=Counter)
    files: Sequence[DataFileFacts] = ()
    written: Sequence[str] = ()

    def options(self) -> dict[str, Any]:
        """All options by name."""
        values: dict[str, Any] = {"format": self.format.name}
        for entry in fields(Rules):
            value = getattr(self.rules, entry.name)
            values[entry.name] = value.isoformat() if isinstance(value, datetime) else value
        values["split"] = None if self.split is None else self.split._asdict()
        values["redact"] = self.redactor is not None
        values["redact_patterns"] = self.patterns
        return values


def manifest(report: ExportReport, others: Sequence[str]) -> dict[str, Any]:
    """The contents of manifest.json.

    Args:
        others: names of the files other than data and manifest.
    """
    return {
        "chatcli": __version__,
        "input": {"sha256": report.input_sha256},
        "options": report.options(),
        "rows": {name: report.funnel.rows[name] for name in sorted(report.funnel.rows)},
        "funnel": [[name, number] for name, number in report.funnel.steps()],
        "files": [
            {"name": f.name, "split": f.split, "rows": f.rows, "bytes": f.bytes, "sha256": f.sha256}
            for f in report.files
        ],
        "other_files": list(others),
    }


def card(report: ExportReport) -> str:
    """The contents of README.md, with the metadata that the Hugging Face Hub reads."""
    return "\n".join([*_metadata(report), *_words(report), ""])


def _metadata(report: ExportReport) -> Iterator[str]:
    rows = report.funnel.rows.total()
    size = next((name for limit, name in _SIZES if rows < limit), "n>1M")
    yield from ("---", "license: unknown  # fill in before you share this", "pretty_name: Judged answers")
    yield from ("tags:", "- chatcli", "- preference", "- rlhf", "size_categories:", f"- {size}")
    yield from ("configs:", "- config_name: default", "  data_files:")
    for file in report.files:
        yield from (f"  - split: {file.split}", f"    path: {file.name}")
    yield from ("---", "")


def _words(report: ExportReport) -> Iterator[str]:
    form, funnel = report.format, report.funnel
    yield from ("# Judged answers", "")
    yield f"Made by chatcli {__version__} from judgements of answers in chats, for {form.summary}."
    yield from ("", "**License:** to be filled in. **Language:** to be filled in.", "")
    yield from ("| file | split | rows | bytes |", "|---|---|---|---|")
    yield from (f"| {f.name} | {f.split} | {f.rows} | {f.bytes} |" for f in report.files)
    yield from ("", "## Balance", "")
    if report.labels:
        good = report.labels[True]
        yield f"- {good} good and {report.labels.total() - good} bad answers"
    yield from (f"- {report.sources[name]} from {name}" for name in sorted(report.sources))
    yield from (f"- {line}" for line in report.lengths.lines())
    yield from ("", "## How the rows were made", "", "```", *funnel.lines(), "```", "")
    yield from _derivation(report)
    yield from ("", "Options:", "")
    yield from (f"- `{name}`: {_said(value)}" for name, value in report.options().items())
    yield from ("", "## Models", "")
    yield from _models(report.models)
    yield from ("", "## Private data", "")
    if report.redactor is None:
        yield "Texts are as they were written; nothing was redacted."
    else:
        yield "Texts were searched for private data. Replaced were:"
        yield ""
        counts = sorted(report.redactor.counts.items())
        yield from ([f"- {count} × `{name}`" for name, count in counts] or ["- nothing"])


def _derivation(report: ExportReport) -> Iterator[str]:
    yield "Pairs come from two ratings of one prompt (a good answer over a bad one), comparisons (the"
    yield "winner over the loser), rankings (each answer over every worse one, as one group) and corrections"
    yield "(the edited text over the original). One prompt is everything the model saw. `group` holds"
    yield "pairs together that come from one ranking, or from all ratings of a prompt; `weight` is 1 / the"
    yield "number of pairs in the group."
    if report.split is not None:
        yield "Sides of the split are drawn by conversation; no prompt is on both."


def _models(models: Counter[AnsweringModel | None]) -> Iterator[str]:
    yield from ("| model | file | adapter | chat template | answers |", "|---|---|---|---|---|")
    rows = []
    for model, count in models.items():
        if model is None:
            rows.append(("unknown (written or edited by a person, or imported)", "", "", "", count))
        else:
            name, file = _cell(model.name), _cell(model.file or "")
            rows.append((name, file, (model.adapter or "")[:12], (model.template or "")[:12], count))
    yield from ("| " + " | ".join(map(str, row)) + " |" for row in sorted(rows))


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _said(value: Any) -> str:
    if value is None or value == ():
        return "not given"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return str(value)
