"""Imports judgements of pairs and labels: the arena of LMSYS, HH-RLHF, and the DPO and KTO rows of TRL."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chatcli.datasets.formats.tuners import turns_of
from chatcli.datasets.imports.rows import Unusable, list_of, message_in, text_of, time_of
from chatcli.feedback.answers import Answer, Model, PromptMessage, Provenance
from chatcli.feedback.records import Judgement, Target, Winner, comparison, rating

_WINNERS: Mapping[str, Winner] = {
    "model_a": "left", "model_b": "right", "tie": "tie", "tie (bothbad)": "both_bad", "both_bad": "both_bad"
}  # fmt: skip


def hh_rlhf(row: Mapping[str, Any], digest: str, now: datetime) -> Judgement:
    """A row with two conversations as text."""
    return _pair(row, digest, now, "import:hh-rlhf")


def dpo(row: Mapping[str, Any], digest: str, now: datetime) -> Judgement:
    """A row with a better and a worse answer, as messages or as text."""
    return _pair(row, digest, now, "import:dpo")


def _pair(row: Mapping[str, Any], digest: str, now: datetime, origin: str) -> Judgement:
    prompt, chosen = _prompt_and_answer(row, "chosen")
    other, rejected = _prompt_and_answer(row, "rejected")
    if [(m.role, m.content) for m in prompt] != [(m.role, m.content) for m in other]:
        raise Unusable("chosen and rejected answer different prompts")
    return comparison(
        prompt, (chosen, rejected), _target(origin, digest), winner="left", left=0, blind=False,
        origin=origin, foreign_id=digest, time=now,
    )  # fmt: skip


def kto(row: Mapping[str, Any], digest: str, now: datetime) -> Judgement:
    """A row with an answer and a label."""
    prompt, answer = _prompt_and_answer(row, "completion")
    label = row.get("label")
    if not isinstance(label, bool):
        raise Unusable("label must be true or false")
    return rating(
        prompt, answer, _target("import:kto", digest), thumb=1 if label else -1,
        origin="import:kto", foreign_id=digest, time=now,
    )  # fmt: skip


def arena(row: Mapping[str, Any], digest: str, now: datetime) -> Judgement:
    """A row of the arena: two conversations and a winner."""
    winner = _WINNERS.get(str(row.get("winner")))
    if winner is None:
        raise Unusable(f"winner must be one of {', '.join(_WINNERS)}, not {row.get('winner')!r:.40}")
    sides = []
    for side in ("a", "b"):
        messages = [message_in(m) for m in list_of(row, f"conversation_{side}")]
        sides.append(_apart(messages, text_of(row, f"model_{side}")))
    (prompt, a), (other, b) = sides
    if [m.content for m in prompt if m.role == "user"] != [m.content for m in other if m.role == "user"]:
        raise Unusable("the two conversations ask different questions")
    if [m.content for m in prompt] != [m.content for m in other]:
        raise Unusable("the answers follow different conversations; only single turns can be compared")
    foreign = str(row.get("question_id") or digest)
    return comparison(
        prompt, (a, b), _target("import:arena", foreign), winner=winner, left=0, blind=True,
        origin="import:arena", foreign_id=foreign, time=time_of(row.get("tstamp")) or now,
    )  # fmt: skip


def _prompt_and_answer(row: Mapping[str, Any], name: str) -> tuple[tuple[PromptMessage, ...], Answer]:
    """The prompt, and the answer in a column.

    Both are messages or text. The prompt may be in the column of the answer.
    """
    value, prompt = row.get(name), row.get("prompt")
    if isinstance(value, str) and prompt is None:
        return _apart([PromptMessage(role=role, content=text) for role, text in turns_of(value)])
    if isinstance(value, str):
        value = [{"role": "assistant", "content": value}]
    if isinstance(value, dict):
        value = [value]
    if isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    if not isinstance(value, list) or not isinstance(prompt, (list, type(None))):
        raise Unusable(f"{name} must be a list of messages, or text")
    return _apart([message_in(m) for m in [*(prompt or []), *value]])


def _apart(
    messages: list[PromptMessage], model: str | None = None
) -> tuple[tuple[PromptMessage, ...], Answer]:
    if len(messages) < 2 or messages[-1].role != "assistant":
        raise Unusable("a conversation must end with a message of the assistant that answers another")
    *prompt, answer = messages
    by = Provenance(model=Model(name=model)) if model else None
    return tuple(prompt), Answer(content=answer.content, reasoning=answer.reasoning, provenance=by)


def _target(origin: str, foreign_id: str) -> Target:
    return Target(transcript=origin, messages=(foreign_id,))
