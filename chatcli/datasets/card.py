"""What goes with the data of an export: the card for people, the manifest for programs.

Both are made of the log, the options and the counts alone, so the same export gives the same bytes.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from chatcli.datasets.derivation_rules import Rules
from chatcli.datasets.derivation_sketch import SketchedModel
from chatcli.datasets.derivation_survey import Split
from chatcli.datasets.formats.declaration import Format
from chatcli.datasets.funnel import Funnel
from chatcli.datasets.lengths import Lengths

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))


@dataclass(frozen=True, slots=True)
class DataFileFacts:
    """What is known of a data file; ``storage.dataset`` writes them.

    Attributes:
        sha256: of the file, in hex.
    """

    name: str
    split: str
    rows: int
    bytes: int
    sha256: str


@dataclass(slots=True)
class Account:
    """Everything there is to say about an export.

    Attributes:
        version: of chatcli.
        input_sha256: of the log, in hex.
        redacted: how often each placeholder stands for something; None: nothing was redacted.
        patterns: the user's own, that were redacted too.
        labels: rows by verdict, where rows have one.
        sources: rows by where they come from.
        models: answers by who gave them.
    """

    format: Format
    rules: Rules
    split: Split | None
    funnel: Funnel
    lengths: Lengths
    version: str
    input_sha256: str
    files: Sequence[DataFileFacts] = ()
    redacted: Counter[str] | None = None
    patterns: tuple[str, ...] = ()
    labels: Counter[bool] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    models: Counter[SketchedModel | None] = field(default_factory=Counter)

    def options(self) -> dict[str, Any]:
        """The options by name, all of them."""
        values: dict[str, Any] = {"format": self.format.name}
        for entry in fields(Rules):
            value = getattr(self.rules, entry.name)
            values[entry.name] = value.isoformat() if isinstance(value, datetime) else value
        values["split"] = None if self.split is None else self.split._asdict()
        values["redact"] = self.redacted is not None
        values["redact_patterns"] = self.patterns
        return values


def manifest(account: Account, others: Sequence[str]) -> dict[str, Any]:
    """What manifest.json says.

    Args:
        others: names of the files besides data and manifest.
    """
    return {
        "chatcli": account.version,
        "input": {"sha256": account.input_sha256},
        "options": account.options(),
        "rows": {name: account.funnel.rows[name] for name in sorted(account.funnel.rows)},
        "funnel": [[name, number] for name, number in account.funnel.steps()],
        "files": [
            {"name": f.name, "split": f.split, "rows": f.rows, "bytes": f.bytes, "sha256": f.sha256}
            for f in account.files
        ],
        "other_files": list(others),
    }


def card(account: Account) -> str:
    """What README.md says, with the metadata that the Hugging Face Hub reads."""
    return "\n".join([*_metadata(account), *_words(account), ""])


def _metadata(account: Account) -> Iterator[str]:
    rows = account.funnel.rows.total()
    size = next((name for limit, name in _SIZES if rows < limit), "n>1M")
    yield from ("---", "license: unknown  # fill in before you share this", "pretty_name: Judged answers")
    yield from ("tags:", "- chatcli", "- preference", "- rlhf", "size_categories:", f"- {size}")
    yield from ("configs:", "- config_name: default", "  data_files:")
    for file in account.files:
        yield from (f"  - split: {file.split}", f"    path: {file.name}")
    yield from ("---", "")


def _words(account: Account) -> Iterator[str]:
    form, funnel = account.format, account.funnel
    yield from ("# Judged answers", "")
    yield f"Made by chatcli {account.version} from judgements of answers in chats, for {form.summary}."
    yield from ("", "**License:** to be filled in. **Language:** to be filled in.", "")
    yield from ("| file | split | rows | bytes |", "|---|---|---|---|")
    yield from (f"| {f.name} | {f.split} | {f.rows} | {f.bytes} |" for f in account.files)
    yield from ("", "## Balance", "")
    if account.labels:
        good = account.labels[True]
        yield f"- {good} good and {account.labels.total() - good} bad answers"
    yield from (f"- {account.sources[name]} from {name}" for name in sorted(account.sources))
    yield from (f"- {line}" for line in account.lengths.lines())
    yield from ("", "## How the rows were made", "", "```", *funnel.lines(), "```", "")
    yield from _derivation(account)
    yield from ("", "Options:", "")
    yield from (f"- `{name}`: {_said(value)}" for name, value in account.options().items())
    yield from ("", "## Models", "")
    yield from _models(account.models)
    yield from ("", "## Private data", "")
    if account.redacted is None:
        yield "Texts are as they were written; nothing was redacted."
    else:
        yield "Texts were searched for private data. Replaced were:"
        yield ""
        counts = sorted(account.redacted.items())
        yield from ([f"- {count} × `{name}`" for name, count in counts] or ["- nothing"])


def _derivation(account: Account) -> Iterator[str]:
    yield "Pairs come from two ratings of one prompt (a good answer over a bad one), comparisons (the"
    yield "winner over the loser), rankings (each answer over every worse one, as one group) and corrections"
    yield "(the edited text over the original). One prompt is everything the model saw. `group` holds"
    yield "pairs together that come from one ranking, or from all ratings of a prompt; `weight` is 1 / the"
    yield "number of pairs in the group."
    if account.split is not None:
        yield "Sides of the split are drawn by conversation; no prompt is on both."


def _models(models: Counter[SketchedModel | None]) -> Iterator[str]:
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
