"""``chatcli feedback show``: all of one judgement."""

from typing import Annotated

import typer

from chatcli.chat.pictures import in_words
from chatcli.cli.feedback.context import FeedbackContext, JudgementId, record_json, verdict_of
from chatcli.cli.transcripts.context import local_time
from chatcli.cli.transcripts.page import Page
from chatcli.feedback.answers import Answer
from chatcli.feedback.judgements import Fate
from chatcli.feedback.records import (
    Comparison,
    Correction,
    Judgement,
    Ranking,
    Record,
    Retraction,
    answers_in,
    kind_of,
)
from chatcli.storage.feedback.guideline import short
from chatcli.terminal.theme import BOLD, DIM, PLAIN
from chatcli.words import counted

# The sampling parameters that are shown; --json has all.
_SHOWN = ("temperature", "top_k", "top_p", "min_p", "seed")


def show(
    context: typer.Context,
    ref: JudgementId,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole record as JSON.")] = False,
    pager: Annotated[
        bool, typer.Option("--pager/--no-pager", help="On a terminal, show long output in $PAGER.")
    ] = True,
) -> None:
    """Show a judgement: verdict, judge, prompt, answers and their provenance."""
    feedback = FeedbackContext.of(context)
    record = feedback.log.find(ref)
    fate = feedback.log.fate(record.id)
    if as_json:
        feedback.invocation.write_json(record_json(record, fate))
        return

    page = Page(feedback.invocation, feedback.settings)
    _head(page, record, fate)
    if isinstance(record, Retraction):
        page.line(("retracts  ", DIM), (record.retracts, ""))
    elif isinstance(record, Judgement):
        _body(page, record)
    page.show(pager=pager)


def _head(page: Page, record: Record, fate: Fate) -> None:
    judge = record.judge
    who = judge.name or judge.by
    if judge.model is not None:
        who = f"{judge.model.name}, by the principle: {judge.principle}"
    lines = [
        ("id", record.id),
        ("judged", f"{local_time(record.time)}, by {who}, in {record.origin}"),
        ("state", fate.value),
    ]
    if isinstance(record, Judgement):
        lines.append(("reasons", ", ".join(record.reasons)))
        lines.append(("tags", ", ".join(record.tags)))
        if record.target is not None:
            at = ", ".join(map(str, record.target.messages))
            lines.append(("target", f"{record.target.transcript}, message {at}"))
    lines.append(("guideline", short(record.guideline or "")))
    page.line((f"{kind_of(record)}: ", DIM), (verdict_of(record), BOLD))
    for name, value in lines:
        if value:
            page.line((f"{name:<10}", DIM), (value, PLAIN))
    if record.comment:
        page.line(("comment", DIM))
        page.text(record.comment)


def _body(page: Page, record: Judgement) -> None:
    for message in record.prompt:
        page.line()
        page.line((message.role, DIM))
        page.text(in_words(message))
    for index, answer in enumerate(answers_in(record)):
        page.line()
        place = "answer"
        if isinstance(record, Comparison):
            side = "left" if record.left == index else "right"
            place = f"answer {'AB'[index]} ({side}{', better' if record.better == index else ''})"
        elif isinstance(record, Ranking):
            place = f"answer {index + 1} (rank {record.ranks[index]})"
        page.line((place, BOLD), (f"  {answer.model_name or 'unknown model'}", DIM))
        if origin := _origin(answer):
            page.line((origin, DIM))
        if answer.reasoning:
            page.text(answer.reasoning, DIM)
        page.text(answer.content)
    if isinstance(record, Correction):
        page.line()
        page.line(("corrected", BOLD))
        page.text(record.edited)


def _origin(answer: Answer) -> str:
    """Provenance of an answer, in one line."""
    provenance = answer.provenance
    if provenance is None:
        return ""
    model, usage = provenance.model, provenance.usage
    facts = [model.file or "", model.quantization or ""] if model else []
    if model is not None and model.adapter:
        facts.append(f"adapter {model.adapter[:8]}")
    if model is not None and model.projector:
        facts.append(f"projector {model.projector[:8]}")
    facts += [f"{name} {value}" for name, value in (provenance.parameters or {}).items() if name in _SHOWN]
    if usage is not None and usage.completion_tokens is not None:
        facts.append(counted(usage.completion_tokens, "token"))
    if provenance.finish_reason:
        facts.append(f"ended: {provenance.finish_reason}")
    return ", ".join(fact for fact in facts if fact)
