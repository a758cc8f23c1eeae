"""Commands that say what the person thinks of an answer: good, bad, a score, what it should have been."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chatcli.chat.conversation import Node
from chatcli.chat.message import Role
from chatcli.errors import ChatcliError, StorageError, UsageError
from chatcli.feedback.records import Thumb
from chatcli.session.answering import EDITS
from chatcli.session.judging import seen_by
from chatcli.session.verdict_words import Verdict, read_verdict
from chatcli.storage.feedback.guideline import short, version_of
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.conversation import message_at, messages_of
from chatcli.terminal.verdicts import HIGHEST, THUMBS, verdict_of
from chatcli.words import counted, listed


def good(chat: Chat, argument: str) -> None:
    """The last answer is good."""
    rate_answer(chat, last_answer(chat), read_verdict("good", argument))


def bad(chat: Chat, argument: str) -> None:
    """The last answer is bad."""
    rate_answer(chat, last_answer(chat), read_verdict("bad", argument))


def rate(chat: Chat, argument: str) -> None:
    """``8``, ``good``, ``3 bad``, ``3 8``: of the last answer, or of message 3; then reasons or a comment."""
    first, _, rest = argument.partition(" ")
    second, _, reason = rest.strip().partition(" ")
    if first.isdecimal() and _is_verdict(second):
        rate_answer(chat, answer_at(chat, first), read_verdict(second, reason))
    elif _is_verdict(first):
        rate_answer(chat, last_answer(chat), read_verdict(first, rest))
    else:
        raise UsageError(
            f"/rate takes good, bad or 1 to {HIGHEST}; before it, the number of an answer that is not the "
            "last (/context shows the numbers)"
        )


def unrate(chat: Chat, argument: str) -> None:
    """What was said of an answer does not count any more."""
    node = answer_at(chat, argument) if argument else last_answer(chat)
    conversation, original = chat.session.conversation, _original(chat, node)
    mark = chat.rating_mark(original.id)
    if not mark:
        raise UsageError(f"{_which(chat, node)} is not rated")
    with said_if_not_saved(chat):
        chat.judge.retract(conversation, original.id)
    with said_if_not_saved(chat):
        chat.judge.retract_correction(conversation, original.id)
    chat.screen.note(f"({_which(chat, node)} is not rated any more; it was {mark})")


def fix(chat: Chat, argument: str) -> None:
    """An answer as it should have been: it is chosen over the original, and the chat goes on from it."""
    session = chat.session
    node = answer_at(chat, argument) if argument else last_answer(chat)
    seen_by(session.conversation, node)  # refuses what answers nothing, before anything is edited
    text = chat.edit(node.message.content)
    if text == node.message.content or not text.strip():
        chat.screen.note("(empty; nothing was changed)" if not text.strip() else "(unchanged)")
        return
    session.edit_answer(node.id, text)
    edited = session.conversation.path()[-1]
    with said_if_not_saved(chat):
        chat.judge.correct(session.conversation, _original(chat, node).id, edited.id)
    kept = "" if chat.judge.keeps else "; not kept, because of --no-log"
    chat.screen.note(
        f"(your text is preferred to the answer; the chat goes on from it{kept}; /siblings has the answer)"
    )


def guidelines(chat: Chat, argument: str) -> None:
    """Shows or changes what judgements go by."""
    file = chat.surroundings.guideline
    text = file.read()
    if not argument:
        chat.screen.answer(text)
        where = file.path if file.path.exists() else "the program's own; /guidelines edit makes them yours"
        chat.screen.note(f"(version {short(version_of(text))}, {where})")
        return
    if argument != "edit":
        raise UsageError(f"/guidelines takes nothing, or edit, not {argument!r}")
    edited = chat.edit(text)
    if not edited.strip() or version_of(edited) == version_of(text):
        chat.screen.note("(unchanged)")
        return
    file.write(edited)
    chat.screen.note(f"(version {short(version_of(edited))} from the next judgement on; kept in {file.path})")


def judge_by_key(chat: Chat, thumb: Thumb) -> None:
    """What a key does that is pressed at the prompt: the last answer is good, or bad. Raises nothing."""
    try:
        rate_answer(chat, last_answer(chat), Verdict(thumb, None))
    except ChatcliError as error:
        chat.screen.error(str(error))


def key_hint(chat: Chat, keys: Sequence[str]) -> str:
    """What the bottom line says of judging: the verdict on the last answer, or the keys that give one.

    Args:
        keys: the names of the settings for good and bad.
    """
    conversation = chat.session.conversation
    last = conversation.node(conversation.head) if conversation.head is not None else None
    if last is None or last.message.role is not Role.ASSISTANT or EDITS in last.extra:
        return ""
    mark = chat.rating_mark(last.id)
    if mark:
        return mark
    named = [(key, word) for key, word in zip(keys, THUMBS.values(), strict=True) if key != "none"]
    return " ".join(f"{key.title()} {word}" for key, word in named)


def rate_answer(chat: Chat, node: Node, verdict: Verdict) -> None:
    """Keep what somebody thinks of an answer, and say what it comes to.

    What is said again in the same sense is added to what was said before; the opposite replaces it.
    """
    conversation = chat.session.conversation
    former = chat.judge.rating(conversation, node.id)
    said = verdict.after(former)
    whole = (said.thumb, said.score, said.reasons, said.comment)
    if former is not None and whole == (former.thumb, former.score, former.reasons, former.comment):
        chat.screen.note(
            f"({_which(chat, node)} is rated {verdict_of(former)} already; /unrate takes it back)"
        )
        return
    with said_if_not_saved(chat):
        chat.judge.rate(
            conversation,
            node.id,
            thumb=said.thumb,
            score=said.score,
            reasons=said.reasons,
            comment=said.comment,
        )
    chat.screen.note(_summary(chat, node, said.hint))


@contextmanager
def said_if_not_saved(chat: Chat) -> Iterator[None]:
    """Inside, a judgement that cannot be written is said aloud and remembered, and the chat goes on."""
    try:
        yield
    except StorageError as error:
        count = chat.judge.unsaved
        waits = f"{counted(count, 'judgement')} {'waits' if count == 1 else 'wait'}"
        chat.screen.error(
            f"not saved yet: {error} ({waits} in memory; the next judgement and the end try again)"
        )


def last_answer(chat: Chat) -> Node:
    """The last answer of the active path.

    Raises:
        UsageError: there is none.
    """
    found = (n for n in reversed(messages_of(chat)) if n.message.role is Role.ASSISTANT)
    node = next(found, None)
    if node is None:
        raise UsageError("there is no answer yet")
    return node


def answer_at(chat: Chat, number: str) -> Node:
    """An answer by its number among the messages.

    Raises:
        UsageError: there is no such message, or it is the person's own.
    """
    node = message_at(chat, number)
    if node.message.role is not Role.ASSISTANT:
        raise UsageError(f"message {number} is your own; /context shows the numbers of the answers")
    return node


def _is_verdict(word: str) -> bool:
    try:
        read_verdict(word)
    except UsageError:
        return False
    return True


def _original(chat: Chat, node: Node) -> Node:
    """What the model answered, if this is an edited answer."""
    siblings = chat.session.conversation.siblings(node.id)
    answers = {str(n.id): n for n in siblings if n.message.role is Role.ASSISTANT}
    while (edited := answers.pop(node.extra.get(EDITS, ""), None)) is not None:
        node = edited
    return node


def _summary(chat: Chat, node: Node, hint: str | None) -> str:
    """What an answer is rated now, and the pairs that this makes."""
    conversation = chat.session.conversation
    rating = chat.judge.rating(conversation, node.id)
    parts = [f"{_which(chat, node)}: {verdict_of(rating) if rating else 'rated'}"]
    others = chat.judge.opposites(conversation, node.id)
    if others and rating is not None:
        alternatives = [n.id for n in chat.session.alternatives(node.id)]
        places = [f"answer {alternatives.index(n.id) + 1}" for n in others if n.id in alternatives]
        which = listed(places) or "another answer"
        word = THUMBS[-1 if rating.good else 1]
        parts.append(f"a pair with {which}, which is {word}" if len(others) == 1 else f"pairs with {which}")
    if hint:
        parts.append(f"the words are a comment; was {hint} meant?")
    if not chat.judge.keeps:
        parts.append("not kept, because of --no-log")
    return f"({'; '.join(parts)})"


def _which(chat: Chat, node: Node) -> str:
    path = messages_of(chat)
    return f"message {path.index(node) + 1}" if node in path else "the answer"
