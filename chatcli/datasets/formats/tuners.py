"""Preference pairs as OpenAI's fine-tuning, Axolotl and LLaMA-Factory read them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from chatcli.datasets.formats.declaration import Format, Rendered, answered, messages, takes_turns
from chatcli.datasets.plan import PairRow, Unit
from chatcli.feedback.answers import PromptMessage

_SPEAKERS = {"user": "human", "assistant": "gpt"}


def _openai(row: PairRow, _marks: bool) -> Rendered:
    """One turn is compared; the last message of the input is of the user."""
    if row.prompt[-1].role == "assistant":
        return None
    return {
        "input": {"messages": messages(row.prompt)},
        "preferred_output": [answered(row.chosen)],
        "non_preferred_output": [answered(row.rejected)],
    }


def _axolotl(row: PairRow, _marks: bool) -> Rendered:
    return {
        "messages": messages(row.prompt),
        "chosen": answered(row.chosen),
        "rejected": answered(row.rejected),
    }


def _llama_factory(row: PairRow, _marks: bool) -> Rendered:
    """The names of ShareGPT. The reader refuses conversations that do not take turns."""
    if not takes_turns(row.prompt):
        return None
    system, turns = _apart(row.prompt)
    return {
        "conversations": [{"from": _SPEAKERS[m.role], "value": m.content} for m in turns],
        "chosen": {"from": "gpt", "value": row.chosen.content},
        "rejected": {"from": "gpt", "value": row.rejected.content},
        "system": system,
    }


def _apart(prompt: Sequence[PromptMessage]) -> tuple[str, Sequence[PromptMessage]]:
    return (prompt[0].content, prompt[1:]) if prompt[0].role == "system" else ("", prompt)


def _dataset_info(files: Mapping[str, str]) -> Mapping[str, bytes]:
    """The entries by which LLaMA-Factory finds datasets: dataset_info.json, beside the data."""
    columns = {name: name for name in ("chosen", "rejected", "system")}
    entries = {
        f"chatcli_{split}": {
            "file_name": file,
            "formatting": "sharegpt",
            "ranking": True,
            "columns": {"messages": "conversations", **columns},
        }
        for split, file in files.items()
    }
    encoded = msgspec.json.format(msgspec.json.encode(entries), indent=2)
    return {"dataset_info.json": encoded + b"\n"}


def _entry(name: str, summary: str, render: Any, **more: Any) -> Format:
    return Format(name, summary, Unit.PAIRS, render, **more)


OPENAI = _entry("openai", "pairs for OpenAI's preference fine-tuning", _openai)
AXOLOTL = _entry("axolotl", "pairs for Axolotl's chat_template.default", _axolotl)
LLAMA_FACTORY = _entry(
    "llama-factory",
    "pairs for LLaMA-Factory's DPO, ORPO and reward stages, with dataset_info.json",
    _llama_factory,
    companions=_dataset_info,
)
