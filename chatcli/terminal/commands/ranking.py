"""The command that puts several answers in order, two at a time."""

import secrets
from collections.abc import Sequence
from typing import Literal

from chatcli.chat.conversation import Node
from chatcli.errors import UsageError
from chatcli.feedback.ranking import RankingTask, most_questions
from chatcli.feedback.records import Choice
from chatcli.session.arena.duel import Duel
from chatcli.terminal.ballot.question import LEFT, RIGHT, TIE, TITLES, UNDO, report_unsaved, vote
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.comparing import answers_of, keep_typed, not_kept, present
from chatcli.terminal.commands.declaration import SlashCommand
from chatcli.terminal.prompt.keyboard import on_ctrl_c
from chatcli.words import counted, excerpt

_FEWEST, _MOST = 3, 9
_CHOICES: dict[str, Literal["left", "right", "tie"]] = {"left": "left", "right": "right", "tie": "tie"}


@SlashCommand("/rank", arguments="3..9", words=("3", "5"))
def rank(chat: Chat, argument: str) -> None:
    """Get several answers and put them in order, two at a time.

    Answers may tie. The order is kept as a judgement, and the chat goes on from the best.
    """
    count = _count(argument)
    own = present(chat.session)
    duel = Duel(chat.session, [(own, chat.session.engine)] * count)
    nodes = answers_of(chat, duel, lambda: _wait(chat, duel, count))
    if nodes is None:
        return
    texts = list(dict.fromkeys(node.message.content for node in nodes))
    if len(texts) == 1:
        chat.screen.note(f"(all {count} answers are the same; /set temperature 1 makes them differ)")
        return
    try:
        task = _ask(chat, texts)
    except KeyboardInterrupt:
        chat.screen.note("(not judged; the chat goes on from before, and /siblings has all answers)")
        return
    _settle(chat, duel, nodes, texts, task)


def _count(argument: str) -> int:
    if not argument.isdecimal() or not _FEWEST <= int(argument) <= _MOST:
        raise UsageError(f"/rank needs the number of answers to order, {_FEWEST} to {_MOST}")
    return int(argument)


def _wait(chat: Chat, duel: Duel, count: int) -> bool:
    """Wait for all answers; returns whether they can be judged."""
    answers = duel.start()

    def is_ready(seconds: float) -> bool:
        answers.wait(seconds)
        return answers.done

    def progress() -> tuple[str, float | None]:
        done = sum(node is not None for node in duel.nodes)
        loading = chat.screen.waiting()
        return loading if loading[0] else (f"writing answer {min(done + 1, count)} of {count}", done / count)

    try:
        with on_ctrl_c(answers.cancel):
            chat.screen.wait(is_ready, progress)
        return duel.whole and not answers.cancelled
    finally:
        answers.end()
        keep_typed(chat)


def _ask(chat: Chat, texts: Sequence[str]) -> RankingTask:
    """Let the person order the texts; raises KeyboardInterrupt on Ctrl-C."""
    most = most_questions(len(texts))
    swaps = [bool(secrets.randbits(1)) for _ in range(most)]
    task = RankingTask(len(texts), swapped=lambda number: swaps[number])
    while task.question is not None:
        left, right = task.question
        number = len(task.choices) + 1
        chat.screen.side_by_side([(TITLES[0], texts[left]), (TITLES[1], texts[right])])
        keys = (LEFT, RIGHT, TIE, *((UNDO,) if task.choices else ()))
        chosen = vote(chat.screen, f"{number} of at most {most}: which is better?", keys)
        if chosen == UNDO.means:
            task.undo()
        else:
            task.answer(_CHOICES[chosen])
        chat.screen.note(f"({number}: {chosen})")
    return task


def _settle(chat: Chat, duel: Duel, nodes: Sequence[Node], texts: Sequence[str], task: RankingTask) -> None:
    """Keep the order and go on from the best. Answers with the same text share a rank."""
    contents = [node.message.content for node in nodes]
    ranks = [task.ranks[texts.index(content)] for content in contents]
    first = [contents.index(text) for text in texts]
    choices = [
        Choice(left=first[choice.left], right=first[choice.right], winner=choice.winner)
        for choice in task.choices
    ]
    best = nodes[ranks.index(1)]
    duel.go_on(best.id)
    with report_unsaved(chat.screen, chat.judge):
        ids = [node.id for node in nodes]
        chat.judge.rank(chat.session.conversation, ids, ranks=ranks, choices=choices, blind=True)
    rows = sorted(zip(ranks, contents, strict=True), key=lambda row: row[0])
    chat.screen.table([(str(place), excerpt(content)) for place, content in rows], ("rank", "answer"))
    asked = counted(len(task.choices), "question")
    chat.screen.note(f"({asked}; the chat goes on from the best{not_kept(chat)}; /siblings has all)")
