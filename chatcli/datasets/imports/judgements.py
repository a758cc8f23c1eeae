"""Foreign feedback as records of the log: Open WebUI, the arena, HH-RLHF, and TRL's DPO and KTO rows.

A record is marked with its origin, ``import:NAME``, and a foreign id: the one the row has, or else a digest
of the row. So the same row is never taken twice.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from chatcli.datasets.formats.hh import turns_of
from chatcli.datasets.imports.fields import Unusable, list_of, said, text_of
from chatcli.datasets.imports.openwebui import openwebui
from chatcli.feedback.answers import Answer, Model, PromptMessage, Provenance
from chatcli.feedback.records import Judgement, Target, Winner, comparison, rating

_WINNERS: Mapping[str, Winner] = {
    "model_a": "left", "model_b": "right", "tie": "tie", "tie (bothbad)": "both_bad", "both_bad": "both_bad"
}  # fmt: skip
#: A row as a record; the text is the foreign id it has if it names none itself.
Importer = Callable[[Mapping[str, Any], str, datetime], Judgement]


def imported(name: str, row: Any, now: datetime) -> Judgement:
    """The record that a foreign row is.

    Args:
        name: one of ``IMPORTERS``.
        row: decoded JSON.
        now: stands for the time of a judgement whose own is not known.

    Raises:
        ValueError: it is none; says why.
    """
    if not isinstance(row, dict):
        raise Unusable("a row is an object in braces")
    digest = hashlib.sha256(msgspec.json.encode(row, order="sorted")).hexdigest()[:32]
    return IMPORTERS[name](row, digest, now)


def _pair(origin: str) -> Importer:
    """Rows with a better and a worse answer, prompt and answers as messages or as text, or HH's two texts."""

    def importer(row: Mapping[str, Any], digest: str, now: datetime) -> Judgement:
        prompt, chosen = _prompt_and_answer(row, "chosen")
        other, rejected = _prompt_and_answer(row, "rejected")
        if [(m.role, m.content) for m in prompt] != [(m.role, m.content) for m in other]:
            raise Unusable("chosen and rejected answer different prompts")
        return comparison(
            prompt, (chosen, rejected), _target(origin, digest), winner="left", left=0, blind=False,
            origin=origin, foreign_id=digest, time=now,
        )  # fmt: skip

    return importer


def _kto(row: Mapping[str, Any], digest: str, now: datetime) -> Judgement:
    prompt, answer = _prompt_and_answer(row, "completion")
    label = row.get("label")
    if not isinstance(label, bool):
        raise Unusable("label must be true or false")
    return rating(
        prompt, answer, _target("import:kto", digest), thumb=1 if label else -1,
        origin="import:kto", foreign_id=digest, time=now,
    )  # fmt: skip


def _arena(row: Mapping[str, Any], digest: str, now: datetime) -> Judgement:
    winner = _WINNERS.get(str(row.get("winner")))
    if winner is None:
        raise Unusable(f"winner must be one of {', '.join(_WINNERS)}, not {row.get('winner')!r:.40}")
    sides = []
    for side in ("a", "b"):
        messages = [said(m) for m in list_of(row, f"conversation_{side}")]
        sides.append(_apart(messages, text_of(row, f"model_{side}")))
    (prompt, a), (other, b) = sides
    if [m.content for m in prompt if m.role == "user"] != [m.content for m in other if m.role == "user"]:
        raise Unusable("the two conversations ask different questions")
    if [m.content for m in prompt] != [m.content for m in other]:
        raise Unusable("the answers follow different conversations; only single turns can be compared")
    foreign = str(row.get("question_id") or digest)
    stamp = row.get("tstamp")
    time = now
    if isinstance(stamp, (int, float)) and 0 < stamp < 253402300800:
        time = datetime.fromtimestamp(stamp, UTC)
    return comparison(
        prompt, (a, b), _target("import:arena", foreign), winner=winner, left=0, blind=True,
        origin="import:arena", foreign_id=foreign, time=time,
    )  # fmt: skip


def _prompt_and_answer(row: Mapping[str, Any], name: str) -> tuple[tuple[PromptMessage, ...], Answer]:
    """The prompt, and the answer in a column.

    Prompt and answer are messages or text; the prompt may be part of the answer's column.
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
    return _apart([said(m) for m in [*(prompt or []), *value]])


def _apart(
    messages: list[PromptMessage], model: str | None = None
) -> tuple[tuple[PromptMessage, ...], Answer]:
    if len(messages) < 2 or messages[-1].role != "assistant":
        raise Unusable("a conversation must end with an answer of the assistant to something")
    *prompt, answer = messages
    by = Provenance(model=Model(name=model)) if model else None
    return tuple(prompt), Answer(content=answer.content, reasoning=answer.reasoning, provenance=by)


def _target(origin: str, foreign_id: str) -> Target:
    return Target(transcript=origin, messages=(foreign_id,))


#: By name of the format.
IMPORTERS: Mapping[str, Importer] = {
    "openwebui": openwebui,
    "arena": _arena,
    "hh-rlhf": _pair("import:hh-rlhf"),
    "dpo": _pair("import:dpo"),
    "kto": _kto,
}
