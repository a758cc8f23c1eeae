"""``chatcli rate``: judge past answers one by one with single keys, or the last one from a script."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.cli.invocation import Invocation
from chatcli.cli.leaving import leaves_on_signals
from chatcli.cli.options import LAST, ChatOptions
from chatcli.errors import ChatcliError, UsageError
from chatcli.settings import Settings

if TYPE_CHECKING:
    from chatcli.chat.conversation import Conversation, Node
    from chatcli.storage.feedback_log import FeedbackLog
    from chatcli.storage.transcripts import TranscriptStore
    from chatcli.terminal.ballot_rating import RatedAnswer

_EXCERPT = 60


def rate(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TRANSCRIPT] | --last VERDICT [REASON]...",
            help="A conversation, else all; with --last: good, bad or 1 to 10, and why.",
        ),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="Judge the last answer of the last conversation; asks nothing.")
    ] = False,
) -> None:
    """Rate past answers with single keys, those that are not rated first; the keys are shown.

    With --last nothing is asked: chatcli rate --last good "to the point".
    """
    invocation = Invocation.from_process()
    options = context.find_root().obj or ChatOptions()
    settings = options.settings(invocation.environ, invocation.paths)
    if not settings.log:
        raise UsageError("nothing is to be kept (--no-log, or log = false), so there is nothing to rate")
    given = list(words or [])
    if last:
        if not given:
            raise UsageError("--last takes the judgement: good, bad or 1 to 10, and perhaps why")
        _rate_last(given[0], " ".join(given[1:]), settings, invocation)
        return
    if len(given) > 1:
        raise UsageError("rate takes one conversation; a judgement is given with --last")
    if not invocation.interactive:
        raise UsageError("rating needs a terminal; in a script: chatcli rate --last good|bad|1-10 [REASON]")
    _rate_one_by_one(given, settings, invocation)


def _rate_last(word: str, reason: str, settings: Settings, invocation: Invocation) -> None:
    """Judge the newest answer, and say on stderr which one that is."""
    from chatcli.chat.message import Role
    from chatcli.cli.wiring import judge_of
    from chatcli.session.judgement_words import rating_words, read_judgement
    from chatcli.terminal.ballot_rating import question_of

    verdict = read_judgement(word, reason)
    conversation = _store(invocation).read(LAST, repair=True).conversation
    node = next((n for n in reversed(conversation.path()) if n.message.role is Role.ASSISTANT), None)
    if node is None:
        raise UsageError(f"there is no answer in the last conversation, {conversation.id}")
    with closing(judge_of(settings, invocation)) as judge:
        said = verdict.after(judge.rating(conversation, node.id))
        rating = judge.rate(
            conversation,
            node.id,
            thumb=said.thumb,
            score=said.score,
            reasons=said.reasons,
            comment=said.comment,
            origin="rate",
        )
    question = _excerpt(question_of(conversation, node))
    hint = f" (the words are a comment; was {verdict.hint} meant?)" if verdict.hint else ""
    invocation.note(f"chatcli: {rating_words(rating)}: the answer to {question!r} in {conversation.id}{hint}")


def _rate_one_by_one(given: Sequence[str], settings: Settings, invocation: Invocation) -> None:
    from chatcli.cli.wiring import judge_of
    from chatcli.storage.feedback_log import FeedbackLog
    from chatcli.storage.index import TranscriptIndex
    from chatcli.terminal.ballot_rating import RatingSession
    from chatcli.terminal.screen import Screen

    paths = invocation.paths
    store = _store(invocation)
    index = TranscriptIndex(paths.transcripts, paths.index)
    names = [store.resolve(given[0])] if given else [summary.name for summary in index.newest(None)]
    screen = Screen(
        invocation.stdout,
        invocation.environ,
        color=settings.color,
        markdown=settings.markdown,
        plain=settings.plain,
        keys=invocation.stdin,
    )
    items = _items(store, names, _rated(FeedbackLog(paths.feedback_log)), invocation)
    with leaves_on_signals(), closing(judge_of(settings, invocation)) as judge:
        session = RatingSession(items, judge, screen)
        session.hold()
    if not session.seen:
        screen.note("(there is no answer to rate yet)")
    else:
        count = len(session.rated)
        screen.note(f"({count} answer{'' if count == 1 else 's'} rated)")


def _items(
    store: "TranscriptStore", names: Sequence[str], rated: set[tuple[str, int | str]], invocation: Invocation
) -> "Iterator[RatedAnswer]":
    """All answers, those that are not rated first; a conversation is read when its turn comes."""
    from chatcli.terminal.ballot_rating import RatedAnswer

    for wanted in (False, True):
        for name in names:
            if wanted and not any(transcript == name for transcript, _ in rated):
                continue
            try:
                conversation = store.read(name, repair=True).conversation
            except ChatcliError as error:
                if not wanted:
                    invocation.note(f"chatcli: {error}; passed over")
                continue
            for node in _answers(conversation):
                if ((name, node.id) in rated) == wanted:
                    yield RatedAnswer(conversation, node)


def _answers(conversation: "Conversation") -> "Iterator[Node]":
    """The answers of models on all branches: no edits by hand, no beginnings that were continued."""
    from chatcli.chat.message import Role
    from chatcli.session.answering import CONTINUES, EDITS

    begun = {node.extra[CONTINUES] for node in conversation.nodes if CONTINUES in node.extra}
    for node in conversation.nodes:
        answers = node.message.role is Role.ASSISTANT and node.parent is not None
        if answers and EDITS not in node.extra and str(node.id) not in begun:
            yield node


def _rated(log: "FeedbackLog") -> set[tuple[str, int | str]]:
    """The answers that are rated: conversation and message."""
    from chatcli.feedback.records import Rating

    found: set[tuple[str, int | str]] = set()
    for record in log.live():
        if isinstance(record, Rating) and record.target is not None:
            found.add((record.target.transcript, record.target.messages[0]))
    return found


def _store(invocation: Invocation) -> "TranscriptStore":
    from chatcli.storage.index import TranscriptIndex
    from chatcli.storage.transcripts import TranscriptStore

    paths = invocation.paths
    return TranscriptStore(paths.transcripts, TranscriptIndex(paths.transcripts, paths.index).titled)


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else line[: _EXCERPT - 1] + "…"
