"""Pairs for the fine-tuning of OpenAI, for Axolotl and LLaMA-Factory, and as in the HH-RLHF of Anthropic."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from chatcli.datasets.formats.declaration import Format, Rendered, answered, messages, takes_turns
from chatcli.datasets.plan import PairRow, Unit
from chatcli.feedback.answers import PromptMessage

_SPEAKERS = {"user": "human", "assistant": "gpt"}
_HUMAN, _ASSISTANT = "\n\nHuman:", "\n\nAssistant:"
_TURN = re.compile(r"\n\n(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


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


def _hh_rlhf(row: PairRow, _marks: bool) -> Rendered:
    """The row; the system prompt stands before the first turn. A text with the mark of a turn is refused."""
    texts = [m.content for m in row.prompt] + [row.chosen.content, row.rejected.content]
    if not takes_turns(row.prompt) or any(_TURN.search(text) for text in texts):
        return None
    head = "".join(map(_turn, row.prompt)) + f"{_ASSISTANT} "
    return {"chosen": head + row.chosen.content, "rejected": head + row.rejected.content}


def _turn(said: PromptMessage) -> str:
    if said.role == "system":
        return said.content
    return f"{_HUMAN if said.role == 'user' else _ASSISTANT} {said.content}"


def turns_of(text: str) -> list[tuple[str, str]]:
    """Role and content of each turn of a conversation; text before the first turn is a system prompt.

    Raises:
        ValueError: the text has no turn.
    """
    parts: Sequence[str] = _TURN.split(text)
    if len(parts) < 3:
        raise ValueError("no '\\n\\nHuman:' and '\\n\\nAssistant:' in it")
    turns = [(_ROLES[parts[at]], parts[at + 1].removeprefix(" ")) for at in range(1, len(parts), 2)]
    return [("system", parts[0]), *turns] if parts[0] else turns


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
HH_RLHF = _entry("hh-rlhf", "pairs as in Anthropic's HH-RLHF: two texts, chosen and rejected", _hh_rlhf)
