"""Rating stored answers one after the other with single keys."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import Role
from chatcli.chat.pictures import in_words
from chatcli.feedback.reasons import label, vocabulary
from chatcli.feedback.records import Rating, Thumb
from chatcli.session.judgement_words import JudgementWords, rating_words
from chatcli.session.judging import AnswerJudging
from chatcli.terminal.ballot.question import QUIT, Key, report_unsaved, vote
from chatcli.terminal.prompt.keyboard import on_ctrl_c
from chatcli.terminal.screen import Screen

_SCORES = "1234567890"  # 0 is 10
_GOOD = Key("good", ("up",), "↑ good")
_BAD = Key("bad", ("down",), "↓ bad")
_SCORE = [Key(digit, (digit,), "1-9, 0 score" if digit == "1" else "") for digit in _SCORES]
_REASON = Key("reason", ("r",), "r reason")
_COMMENT = Key("comment", ("c",), "c comment")
_NEXT = Key("next", ("n", "right", "enter", " "), "n next")
_PREVIOUS = Key("previous", ("p", "left"), "p previous")
_UNRATE = Key("unrate", ("u",), "u unrate")
_BACK = Key("back", ("enter", "escape"), "Enter done")
_LETTERS = "123456789"


class RatedAnswer(NamedTuple):
    """An answer and its conversation."""

    conversation: Conversation
    node: Node


class RatingSession:
    """Shows answer after answer, until there are no more or the person leaves."""

    def __init__(self, items: Iterator[RatedAnswer], judge: AnswerJudging, screen: Screen) -> None:
        self._items = items
        self._judge = judge
        self._screen = screen
        self.seen: list[RatedAnswer] = []
        self.rated: set[tuple[str, int]] = set()

    def hold(self) -> None:
        """Hold the session. Ctrl-C ends it; all ratings are kept."""
        with suppress(KeyboardInterrupt), on_ctrl_c(lambda: None), self._screen.keyboard.held():
            self._go()  # a question raises KeyboardInterrupt; elsewhere Ctrl-C does nothing

    def _go(self) -> None:
        at = 0
        while (item := self._at(at)) is not None:
            self._show(item)
            step = self._ask(item, first=at == 0)
            if step == 0:
                return
            self._screen.text("")
            at = max(0, at + step)

    def _at(self, index: int) -> RatedAnswer | None:
        self.seen += islice(self._items, max(0, index + 1 - len(self.seen)))
        return self.seen[index] if index < len(self.seen) else None

    def _ask(self, item: RatedAnswer, *, first: bool) -> int:
        """Take keys until the person goes on (1), back (-1) or leaves (0)."""
        while True:
            rating = self._judge.rating(item.conversation, item.node.id)
            keys = [_GOOD, _BAD, *_SCORE, _NEXT, *(() if first else (_PREVIOUS,))]
            keys += [_REASON, _COMMENT, _UNRATE] if rating is not None else []
            chosen = vote(self._screen, _question(rating), [*keys, QUIT])
            self._screen.keyboard.take()
            if chosen in {_NEXT.means, _PREVIOUS.means, QUIT.means}:
                return {_NEXT.means: 1, _PREVIOUS.means: -1}.get(chosen, 0)
            self._obey(item, chosen, rating)

    def _obey(self, item: RatedAnswer, chosen: str, rating: Rating | None) -> None:
        if chosen == _UNRATE.means and rating is not None:
            self._judge.retract(rating, item.conversation)
            self._screen.note(f"(no longer rated; it was {rating_words(rating)})")
            self.rated.discard((item.conversation.id, item.node.id))
        elif chosen == _REASON.means and rating is not None:
            self._reasons(item, rating)
        elif chosen == _COMMENT.means and rating is not None:
            comment = self._line("comment: ", rating.comment or "")
            if comment is not None:
                self._rate(
                    item, JudgementWords(rating.thumb, rating.score, rating.reasons, comment or None), None
                )
        elif chosen in _SCORES:
            self._rate(item, JudgementWords(None, int(chosen) or 10), rating)
        else:
            self._rate(item, JudgementWords(1 if chosen == _GOOD.means else -1, None), rating)

    def _reasons(self, item: RatedAnswer, rating: Rating) -> None:
        """Let the person choose reasons by number; each key adds or removes one."""
        thumb: Thumb = 1 if rating.good else -1
        known = list(vocabulary(thumb))
        keys = [
            Key(reason, (digit,), f"{digit} {label(reason)}")
            for digit, reason in zip(_LETTERS, known, strict=False)
        ]
        reasons = list(rating.reasons)
        while True:
            said = ", ".join(map(label, reasons)) or "none"
            try:
                chosen = vote(self._screen, f"Reasons ({said}):", [*keys, _BACK])
            except KeyboardInterrupt:
                return
            if chosen == _BACK.means:
                break
            if chosen in reasons:
                reasons.remove(chosen)
            else:
                reasons.append(chosen)
        if tuple(reasons) != rating.reasons:
            self._rate(item, JudgementWords(rating.thumb, rating.score, tuple(reasons), rating.comment), None)

    def _rate(self, item: RatedAnswer, words: JudgementWords, former: Rating | None) -> None:
        said = words.after(former)
        with report_unsaved(self._screen, self._judge):
            self._judge.rate(
                item.conversation,
                item.node.id,
                thumb=said.thumb,
                score=said.score,
                reasons=said.reasons,
                comment=said.comment,
                origin="rate",
            )
        self.rated.add((item.conversation.id, item.node.id))
        rating = self._judge.rating(item.conversation, item.node.id)
        self._screen.note(f"({rating_words(rating)})" if rating is not None else "(rated)")

    def _line(self, question: str, default: str) -> str | None:
        """Ask for a line of text; None on Ctrl-C or Ctrl-D."""
        from prompt_toolkit import PromptSession

        try:
            return PromptSession[str]().prompt(question, default=default).strip()
        except (KeyboardInterrupt, EOFError):
            return None

    def _show(self, item: RatedAnswer) -> None:
        conversation, node = item.conversation, item.node
        question = question_of(conversation, node)
        title = " ".join((conversation.title or conversation.id).split())
        model = node.message.generation.model.name if node.message.generation else "unknown"
        self._screen.note(f"{title} · {conversation.started:%Y-%m-%d} · {model}")
        self._screen.text(f"> {question}")
        self._screen.answer(node.message.content)


def question_of(conversation: Conversation, node: Node) -> str:
    """The user message that an answer belongs to."""
    path = conversation.path(node.parent) if node.parent is not None else []
    return next((in_words(n.message) for n in reversed(path) if n.message.role is Role.USER), "")


def _question(rating: Rating | None) -> str:
    return f"{rating_words(rating) if rating is not None else 'Not rated'}:"
