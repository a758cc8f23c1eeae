"""``chatcli rate``: rate past answers one by one with single keys, or the last answer from a script."""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.cli.invocation import exit_on_signals
from chatcli.cli.options import LAST
from chatcli.cli.transcripts.context import TranscriptsContext
from chatcli.errors import ChatcliError, UsageError
from chatcli.words import counted, excerpt

if TYPE_CHECKING:
    from chatcli.chat.conversation import Conversation, Node
    from chatcli.storage.feedback.log import FeedbackLog
    from chatcli.terminal.ballot.rating import RatedAnswer


def rate(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TRANSCRIPT] | --last VERDICT [REASON]...",
            help="A conversation; default: all. With --last: good, bad or 1 to 10, and reasons.",
        ),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="Rate the last answer of the last conversation without questions.")
    ] = False,
) -> None:
    """Rate past answers, or with ``--last`` the last answer."""
    archive = TranscriptsContext.of(context)
    invocation = archive.invocation
    if not archive.settings.log:
        raise UsageError("ratings are not kept with --no-log or log = false; run rate without it")
    given = list(words or [])
    if last:
        if not given:
            raise UsageError("--last needs a rating: good, bad or 1 to 10, and reasons if you like")
        _rate_last(archive, given[0], " ".join(given[1:]))
        return
    if len(given) > 1:
        raise UsageError("rate takes one conversation; to give a rating, add --last")
    if not invocation.interactive:
        raise UsageError("rating needs a terminal; in a script: chatcli rate --last good|bad|1-10 [REASON]")
    _rate_one_by_one(archive, given)


def _rate_last(archive: TranscriptsContext, word: str, reason: str) -> None:
    """Rate the newest answer, and name it on stderr."""
    from chatcli.chat.message import Role
    from chatcli.session.judgement_words import rating_words, read_judgement
    from chatcli.terminal.ballot.rating import question_of

    verdict = read_judgement(word, reason)
    conversation = archive.store.read(LAST, repair=True).conversation
    node = next((n for n in reversed(conversation.path()) if n.message.role is Role.ASSISTANT), None)
    if node is None:
        raise UsageError(f"there is no answer in the last conversation, {conversation.id}")
    with closing(archive.invocation.sessions.judge(archive.settings)) as judge:
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
    question = excerpt(question_of(conversation, node))
    hint = f" (kept as a comment; did you mean {verdict.hint}?)" if verdict.hint else ""
    archive.invocation.say(f"{rating_words(rating)}: the answer to {question!r} in {conversation.id}{hint}")


def _rate_one_by_one(archive: TranscriptsContext, given: list[str]) -> None:
    from chatcli.storage.feedback.log import FeedbackLog
    from chatcli.terminal.ballot.rating import RatingSession

    invocation = archive.invocation
    names = archive.names(given) if given else [summary.name for summary in archive.index.newest(None)]
    screen = invocation.screen(archive.settings)
    items = _items(archive, names, _rated(FeedbackLog(invocation.paths.feedback_log)))
    with exit_on_signals(), closing(invocation.sessions.judge(archive.settings)) as judge:
        session = RatingSession(items, judge, screen)
        session.hold()
    if not session.seen:
        screen.note("(there is no answer to rate yet)")
    else:
        screen.note(f"({counted(len(session.rated), 'answer')} rated)")


def _items(
    archive: TranscriptsContext, names: list[str], rated: set[tuple[str, int | str]]
) -> "Iterator[RatedAnswer]":
    """Yield all answers, unrated answers first; each conversation is read when its turn comes."""
    from chatcli.terminal.ballot.rating import RatedAnswer

    for wanted in (False, True):
        for name in names:
            if wanted and not any(transcript == name for transcript, _ in rated):
                continue
            try:
                conversation = archive.store.read(name, repair=True).conversation
            except ChatcliError as error:
                if not wanted:
                    archive.invocation.say(f"{error}; skipped")
                continue
            for node in _answers(conversation):
                if ((name, node.id) in rated) == wanted:
                    yield RatedAnswer(conversation, node)


def _answers(conversation: "Conversation") -> "Iterator[Node]":
    """Yield the answers of models on all branches, without corrections and without continued beginnings."""
    from chatcli.chat.message import Role
    from chatcli.session.answering import CONTINUES, EDITS

    begun = {node.extra[CONTINUES] for node in conversation.nodes if CONTINUES in node.extra}
    for node in conversation.nodes:
        answers = node.message.role is Role.ASSISTANT and node.parent is not None
        if answers and EDITS not in node.extra and str(node.id) not in begun:
            yield node


def _rated(log: "FeedbackLog") -> set[tuple[str, int | str]]:
    """Return the rated answers, each as conversation and message."""
    from chatcli.feedback.records import Rating

    found: set[tuple[str, int | str]] = set()
    for record in log.live():
        if isinstance(record, Rating) and record.target is not None:
            found.add((record.target.transcript, record.target.messages[0]))
    return found
