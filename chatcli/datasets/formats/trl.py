"""The dataset types of TRL: conversational, with an explicit prompt. OpenRLHF reads the same pairs.

TRL tells the type of a file by its first row, so all rows have one shape. Its trainers know some columns
(margin, images, tools, chat_template_kwargs); our own have other names.
Source: TRL 1.16, docs/source/dataset_formats.
"""

from typing import Any

from chatcli.datasets.formats.declaration import Format, answered, messages
from chatcli.datasets.plan import LabelRow, PairRow, Unit


def _pair(row: PairRow, marks: bool) -> dict[str, Any]:
    said: dict[str, Any] = {
        "prompt": messages(row.prompt),
        "chosen": [answered(row.chosen)],
        "rejected": [answered(row.rejected)],
    }
    if marks:
        said |= {"source": row.source, "group": row.group, "weight": row.weight}
    return said


def _label(row: LabelRow, marks: bool) -> dict[str, Any]:
    said: dict[str, Any] = {
        "prompt": messages(row.prompt),
        "completion": [answered(row.answer)],
        "label": row.good,
    }
    return {**said, "source": row.source} if marks else said


def _conversation(row: LabelRow, marks: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"messages": [*messages(row.prompt), answered(row.answer)]}
    return {**said, "source": row.source} if marks else said


DPO = Format(
    "dpo", "pairs for TRL's DPO, ORPO and CPO trainers: prompt, chosen, rejected",
    Unit.PAIRS, _pair, reasoning=True, marks=True,
)  # fmt: skip
KTO = Format(
    "kto", "single answers with a label for TRL's KTO trainer: prompt, completion, label",
    Unit.LABELS, _label, reasoning=True, marks=True,
)  # fmt: skip
REWARD = Format(
    "reward", "pairs for TRL's reward trainer: prompt, chosen, rejected",
    Unit.PAIRS, _pair, reasoning=True, marks=True,
)  # fmt: skip
SFT = Format(
    "sft", "good answers for TRL's SFT trainer: messages",
    Unit.GOOD, _conversation, reasoning=True, marks=True,
)  # fmt: skip
OPENRLHF = Format(
    "openrlhf", "pairs for OpenRLHF with --apply_chat_template --prompt_key prompt",
    Unit.PAIRS, lambda row, _marks: _pair(row, False),
)  # fmt: skip
