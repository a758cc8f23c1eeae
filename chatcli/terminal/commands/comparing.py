"""The command that compares two answers side by side."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields

from chatcli.chat.conversation import Node
from chatcli.chat.message import Generation
from chatcli.sampling import SamplingParams
from chatcli.session.arena.contenders import Contender, Supply, Twin, open_contender, parse_contender
from chatcli.session.arena.duel import Duel
from chatcli.session.session import Session
from chatcli.terminal.answer import FRAME
from chatcli.terminal.ballot.question import (
    BOTH_BAD,
    LEFT,
    RIGHT,
    SKIP,
    TIE,
    TITLES,
    WINNERS,
    report_unsaved,
    vote,
)
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.attaching import words_of
from chatcli.terminal.commands.declaration import SlashCommand
from chatcli.terminal.commands.options import model_offers
from chatcli.terminal.prompt.keyboard import on_ctrl_c

_DUEL_KEYS = (LEFT, RIGHT, TIE, BOTH_BAD, SKIP)


@SlashCommand("/compare", arguments="[MODEL|ADAPTER] [NAME=VALUE...]", offers=model_offers)
def compare(chat: Chat, argument: str) -> None:
    """Get two answers side by side, blind, and choose the better one with a key.

    Without arguments the same model answers twice. /compare temperature=1.2 compares it
    with itself under other parameters. Your choice is kept as a judgement, and the chat goes on
    from the better answer; /siblings has the other one.
    """
    own = present(chat.session)
    other = parse_contender(words_of(argument), own, "/compare")
    flipped = bool(random.SystemRandom().getrandbits(1))  # the chat's own answer is on the right
    with _supplied(chat, own, other) as supply:
        duel = Duel(chat.session, [(own, chat.session.engine), (other, supply)])
        nodes = answers_of(chat, duel, lambda: _watch(chat, duel, flipped))
    if nodes is None:
        return
    mine, theirs = nodes
    if mine.message.content == theirs.message.content:
        chat.screen.note("(both answers are the same, so there is nothing to choose)")
        return
    _settle(chat, duel, (mine, theirs), (own, other), flipped)


def answers_of(chat: Chat, duel: Duel, watch: Callable[[], bool]) -> list[Node] | None:
    """Have all answers written, and go back to before them; None if they cannot be judged, which is said.

    Args:
        watch: runs the duel, and returns whether it came to its end.
    """
    try:
        whole = watch()
    finally:
        duel.go_back()
    if duel.unsaved is not None:
        chat.screen.error(str(duel.unsaved))
    nodes = [node for node in duel.nodes if node is not None]
    if whole and len(nodes) == len(duel.nodes):
        return nodes
    chat.screen.note("(stopped; the chat goes on from before, and /siblings has what came)")
    return None


def present(session: Session) -> Contender:
    """The chat's present way of answering, with a fresh seed for each answer."""
    options = session.options
    sampling = {**(options.sampling or {}), **({"grammar": options.grammar} if options.grammar else {})}
    return parse_contender([], Contender(session.engine.settings, sampling, options.thinking), "the chat")


def not_kept(chat: Chat) -> str:
    """A remark that the judgement is not saved, or an empty string."""
    return "" if chat.judge.keeps else "; the judgement is not saved, because of --no-log"


def _settle(
    chat: Chat, duel: Duel, nodes: tuple[Node, Node], contenders: tuple[Contender, Contender], flipped: bool
) -> None:
    """Let the person choose, keep the choice, reveal the contenders, and go on from the winner."""
    try:
        chosen = vote(chat.screen, "Which is better?", _DUEL_KEYS)
    except KeyboardInterrupt:
        chat.screen.note("(not judged; the chat goes on from before, and /siblings has both)")
        return
    on_left, on_right = reversed(nodes) if flipped else nodes
    winner = {"left": on_left, "right": on_right}.get(chosen)
    if winner is not None:
        duel.go_on(winner.id)
    if chosen in WINNERS:
        with report_unsaved(chat.screen, chat.judge):
            chat.judge.compare(
                chat.session.conversation,
                (nodes[0].id, nodes[1].id),
                winner=WINNERS[chosen],
                left=1 if flipped else 0,
                blind=True,
            )
    first, second = reversed(contenders) if flipped else contenders
    told = _told_apart((on_left, on_right), (first, second))
    for side, node, text in zip(("left", "right"), (on_left, on_right), told, strict=True):
        chat.screen.note(f"{'> ' if node is winner else '  '}{side}: {text}")
    outcome = {"tie": "a tie", "both_bad": "both bad", "skip": "not judged"}.get(chosen, "")
    where = "the chat goes on from it" if winner is not None else f"{outcome}; the chat goes on from before"
    chat.screen.note(f"({where}{not_kept(chat)}; /siblings has all answers)")


def _told_apart(nodes: tuple[Node, Node], contenders: tuple[Contender, Contender]) -> list[str]:
    """A line for each answer: its contender, and the parameters that differ."""
    made = [node.message.generation for node in nodes]
    names = ("thinking", *(f.name for f in fields(SamplingParams) if f.name != "seed"))
    differing = [name for name in names if len({_setting(g, name) for g in made if g is not None}) > 1]
    return [_told(c.settings.model, g, [*differing, "seed"]) for c, g in zip(contenders, made, strict=True)]


def _setting(generation: Generation, name: str) -> object:
    """A parameter as it is shown; one that was not set is the default of the model or template."""
    value = generation.thinking if name == "thinking" else getattr(generation.parameters, name)
    return "default" if value is None else value


def _told(model: str, generation: Generation | None, names: Sequence[str]) -> str:
    if generation is None:
        return model
    adapter = f" + adapter {generation.model.adapter[:8]}" if generation.model.adapter else ""
    if adapter and generation.model.adapter_scale != 1:
        adapter += f" x {generation.model.adapter_scale:g}"
    values = (f"{name} {_setting(generation, name)}" for name in names)
    count = generation.usage.completion_tokens
    length = f" · {count} tokens" if count else ""  # an engine may not count them
    return f"{model}{adapter} · {', '.join(values)}{length}"


@contextmanager
def _supplied(chat: Chat, own: Contender, other: Contender) -> Iterator[Supply]:
    """Where the other contender gets its engine while the ``with`` block lasts; raises ModelNotFound."""
    slot = chat.session.engine
    engine = slot.engine
    if other.weights == own.weights and (engine is None or engine.model.adapter):
        yield slot  # the answers are generated one after the other
        return
    from chatcli.library.opening import check_model

    check_model(other.settings, chat.surroundings.places)
    same = other.weights == own.weights
    supply = Twin(slot, other) if same else open_contender(other, slot.open_engine)
    with closing(supply):
        yield supply


def _watch(chat: Chat, duel: Duel, flipped: bool) -> bool:
    """Show both answers until they end; returns whether they can be judged."""
    view = chat.screen.ballot(TITLES)
    keyboard = chat.screen.keyboard
    answers = duel.start()
    try:
        with on_ctrl_c(answers.cancel), keyboard.held(view.suspend, lambda: view.refresh(at_once=True)):
            try:
                while not answers.done:
                    for said in answers.wait(FRAME):
                        view.take(1 - said.lane if flipped else said.lane, said.event)
                    view.refresh()
                    keyboard.poll()
            finally:
                view.finish()
        return duel.whole and not answers.cancelled
    finally:
        answers.end()
        keep_typed(chat)


def keep_typed(chat: Chat) -> None:
    """Keep what was typed meanwhile for the next prompt, unless it is one key: an impatient vote."""
    keys = {name for key in _DUEL_KEYS for name in key.names}
    typed = chat.screen.typed()
    if typed not in keys:
        chat.draft += typed
