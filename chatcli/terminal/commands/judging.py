"""Commands that judge an answer: good, bad, a score, a correction."""

from collections.abc import Sequence

from chatcli.chat.conversation import Node
from chatcli.chat.message import Role
from chatcli.errors import ChatcliError, UsageError
from chatcli.feedback.reasons import DOWN, UP
from chatcli.feedback.records import Thumb
from chatcli.session.answering import EDITS
from chatcli.session.judgement_words import HIGHEST, THUMBS, JudgementWords, rating_words, read_judgement
from chatcli.session.judging import seen_by
from chatcli.storage.feedback.guideline import short, version_of
from chatcli.terminal.ballot.question import report_unsaved
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.conversation import last_answer, message_at, messages_of
from chatcli.terminal.commands.declaration import SlashCommand
from chatcli.words import listed


@SlashCommand("/good", ("/+1", "/👍"), arguments="[REASON|COMMENT]", offers=lambda _: UP.items())
def good(chat: Chat, argument: str) -> None:
    """Rate the last answer good.

    Give a reason or its beginning; several with commas. Any other text is a comment.
    A second /good adds to the first, /bad replaces it, /unrate takes it back. A message
    that is only a thumb does the same.
    """
    rate_answer(chat, last_answer(chat), read_judgement("good", argument))


@SlashCommand("/bad", ("/-1", "/👎"), arguments="[REASON|COMMENT]", offers=lambda _: DOWN.items())
def bad(chat: Chat, argument: str) -> None:
    """Rate the last answer bad.

    Like /good. With a good answer to the same message (/regen) it makes a training pair.
    """
    rate_answer(chat, last_answer(chat), read_judgement("bad", argument))


@SlashCommand(
    "/rate",
    arguments="[N] 1-10|good|bad [REASON|COMMENT]",
    offers=lambda _: {**UP, **DOWN}.items(),
    words=("good", "bad"),
)
def rate(chat: Chat, argument: str) -> None:
    """Rate the last answer, or message N: 1 to 10, good or bad.

    /rate 8 rates the last answer, /rate 4 8 rates message 4; /context shows the numbers.
    1 is useless, 6 is good enough, 10 is perfect.
    """
    first, _, rest = argument.partition(" ")
    second, _, reason = rest.strip().partition(" ")
    if first.isdecimal() and _is_judgement(second):
        rate_answer(chat, answer_at(chat, first), read_judgement(second, reason))
    elif _is_judgement(first):
        rate_answer(chat, last_answer(chat), read_judgement(first, rest))
    else:
        raise UsageError(
            f"/rate needs good, bad or 1 to {HIGHEST}; before it may come the number of an answer "
            "(/context shows the numbers)"
        )


@SlashCommand("/unrate", arguments="[N]")
def unrate(chat: Chat, argument: str) -> None:
    """Take back the rating of the last answer, or of message N."""
    node = answer_at(chat, argument) if argument else last_answer(chat)
    conversation, original = chat.session.conversation, _original(chat, node)
    mark = chat.rating_mark(original.id)
    if not mark:
        raise UsageError(f"{_which(chat, node)} is not rated")
    for said in (chat.judge.rating, chat.judge.correction):
        if record := said(conversation, original.id):
            with report_unsaved(chat.screen, chat.judge):
                chat.judge.retract(record, conversation)
    chat.screen.note(f"({_which(chat, node)} is no longer rated; it was {mark})")


@SlashCommand("/fix", arguments="[N]")
def fix(chat: Chat, argument: str) -> None:
    """Correct the last answer, or message N, in $EDITOR.

    Your text is kept as better than the model's, and the chat goes on from it.
    """
    session = chat.session
    node = answer_at(chat, argument) if argument else last_answer(chat)
    seen_by(session.conversation, node)  # raises before editing if the answer follows no message
    text = chat.edit(node.message.content)
    if text == node.message.content or not text.strip():
        chat.screen.note("(unchanged)" if text.strip() else "(empty; nothing was changed)")
        return
    session.edit_answer(node.id, text)
    edited = session.conversation.path()[-1]
    with report_unsaved(chat.screen, chat.judge):
        chat.judge.correct(session.conversation, _original(chat, node).id, edited.id)
    kept = "" if chat.judge.keeps else "; not saved, because of --no-log"
    chat.screen.note(f"(corrected; the chat goes on from your text{kept}; /siblings has the original answer)")


@SlashCommand("/guidelines", arguments="[edit]", words=("edit",))
def guidelines(chat: Chat, argument: str) -> None:
    """Show your guidelines for judging, or edit them."""
    file = chat.surroundings.guideline
    text = file.read()
    if not argument:
        chat.screen.answer(text)
        where = file.path if file.path.exists() else "built in; /guidelines edit makes your own"
        chat.screen.note(f"(version {short(version_of(text))}, {where})")
        return
    if argument != "edit":
        raise UsageError(f"/guidelines takes nothing or edit, not {argument!r}")
    edited = chat.edit(text)
    if not edited.strip() or version_of(edited) == version_of(text):
        chat.screen.note("(unchanged)")
        return
    file.write(edited)
    chat.screen.note(
        f"(version {short(version_of(edited))} from the next judgement on; saved in {file.path})"
    )


def judge_by_key(chat: Chat, thumb: Thumb) -> None:
    """Rate the last answer, for a key pressed at the prompt. Errors are shown."""
    try:
        rate_answer(chat, last_answer(chat), JudgementWords(thumb, None))
    except ChatcliError as error:
        chat.screen.error(str(error))


def key_hint(chat: Chat, keys: Sequence[str]) -> str:
    """Text for the bottom line: the rating of the last answer, or the keys that rate it."""
    conversation = chat.session.conversation
    last = conversation.node(conversation.head) if conversation.head is not None else None
    if last is None or last.message.role is not Role.ASSISTANT or EDITS in last.extra:
        return ""
    mark = chat.rating_mark(last.id)
    if mark:
        return mark
    named = [(key, word) for key, word in zip(keys, THUMBS.values(), strict=True) if key != "none"]
    return " ".join(f"{key.title()} {word}" for key, word in named)


def rate_answer(chat: Chat, node: Node, words: JudgementWords) -> None:
    """Rate an answer and show its rating, which adds to a former one of the same direction or replaces it."""
    conversation = chat.session.conversation
    former = chat.judge.rating(conversation, node.id)
    said = words.after(former)
    whole = (said.thumb, said.score, said.reasons, said.comment)
    if former is not None and whole == (former.thumb, former.score, former.reasons, former.comment):
        chat.screen.note(
            f"({_which(chat, node)} is already rated {rating_words(former)}; /unrate takes it back)"
        )
        return
    with report_unsaved(chat.screen, chat.judge):
        chat.judge.rate(
            conversation,
            node.id,
            thumb=said.thumb,
            score=said.score,
            reasons=said.reasons,
            comment=said.comment,
        )
    chat.screen.note(_summary(chat, node, said.hint))


def answer_at(chat: Chat, number: str) -> Node:
    """The answer with this message number; raises UsageError."""
    node = message_at(chat, number)
    if node.message.role is not Role.ASSISTANT:
        raise UsageError(f"message {number} is not an answer; /context shows the numbers")
    return node


def _is_judgement(word: str) -> bool:
    try:
        read_judgement(word)
    except UsageError:
        return False
    return True


def _original(chat: Chat, node: Node) -> Node:
    """The answer of the model that an edited answer came from, or the answer itself."""
    siblings = chat.session.conversation.siblings(node.id)
    answers = {str(n.id): n for n in siblings if n.message.role is Role.ASSISTANT}
    while (edited := answers.pop(node.extra.get(EDITS, ""), None)) is not None:
        node = edited
    return node


def _summary(chat: Chat, node: Node, hint: str | None) -> str:
    """The rating of an answer, and the pairs that it makes."""
    conversation = chat.session.conversation
    rating = chat.judge.rating(conversation, node.id)
    parts = [f"{_which(chat, node)}: {rating_words(rating) if rating else 'rated'}"]
    others = chat.judge.opposites(conversation, node.id)
    if others and rating is not None:
        alternatives = [n.id for n in chat.session.alternatives(node.id)]
        places = [f"answer {alternatives.index(n.id) + 1}" for n in others if n.id in alternatives]
        which = listed(places) or "another answer"
        word = THUMBS[-1 if rating.good else 1]
        parts.append(f"a pair with {which}, which is {word}" if len(others) == 1 else f"pairs with {which}")
    if hint:
        parts.append(f"taken as a comment; did you mean {hint}?")
    if not chat.judge.keeps:
        parts.append("not saved, because of --no-log")
    return f"({'; '.join(parts)})"


def _which(chat: Chat, node: Node) -> str:
    path = messages_of(chat)
    return f"message {path.index(node) + 1}" if node in path else "the answer"
