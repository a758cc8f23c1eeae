"""``chatcli arena``: blind duels over a file of prompts, and the leaderboard that follows from them."""

import shlex
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from chatcli.cli.invocation import Invocation, exit_on_signals
from chatcli.cli.options import AsJson, invoked
from chatcli.errors import ExitCode, UsageError
from chatcli.settings import Settings

if TYPE_CHECKING:
    from chatcli.session.arena.arena import Arena
    from chatcli.session.arena.contenders import Contender
    from chatcli.terminal.ballot.arena import ArenaSession

_DUELS = "duels"


class _DuelsUnlessNamed(TyperGroup):
    """A group in which ``chatcli arena FILE`` means ``chatcli arena duels FILE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the name of the default command."""
        if args and args[0] not in {*self.commands, "-h", "--help"}:
            args = [_DUELS, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_DuelsUnlessNamed, no_args_is_help=True)


@app.command(_DUELS)
def duels(
    context: typer.Context,
    prompts: Annotated[
        Path,
        typer.Argument(
            metavar="PROMPTS",
            help="Text with one prompt per line, JSON Lines with prompt or messages, or a transcript.",
        ),
    ],
    contender: Annotated[
        list[str],
        typer.Option(
            "--contender",
            metavar="SPEC",
            help="'MODEL', 'MODEL NAME=VALUE ...', 'NAME=VALUE' or the path of an adapter. At least two.",
        ),
    ] = [],  # noqa: B006  (typer copies it)
    most: Annotated[
        int | None, typer.Option("--duels", metavar="N", min=1, help="Stop after N duels.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a summary as JSON; show the duels on stderr.")
    ] = False,
) -> None:
    """Judge blind duels: read two answers, press a key. Run the command again to continue."""
    from chatcli.session.arena.arena import Arena
    from chatcli.session.arena.prompts import read_prompts

    invocation, settings = invoked(context)
    arena = Arena(read_prompts(prompts, settings.system), _contenders(contender, settings, invocation))
    shown_on = invocation.stderr if as_json else invocation.stdout
    if not (invocation.stdin.isatty() and shown_on.isatty()):
        raise UsageError("an arena needs a terminal, on which you read the answers and press a key")
    outcome = _hold(arena, settings, invocation, most, as_json=as_json)
    _conclude(arena, outcome, settings, invocation, as_json=as_json)
    if outcome.interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)


@app.command()
def leaderboard(
    context: typer.Context,
    run: Annotated[
        str,
        typer.Option(
            "--run",
            metavar="RUN",
            help="Count only this run of the arena; the beginning of its id is enough.",
        ),
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Count /compare in chats too.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a web page in one file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the leaderboard: Bradley-Terry strengths with 95% intervals, wins by pair, position bias."""
    from chatcli.session.arena.board import board_of, board_record, comparisons
    from chatcli.storage.feedback.log import FeedbackLog

    invocation, settings = invoked(context)
    log = FeedbackLog(invocation.paths.feedback_log)
    found = comparisons(log.live(), run=run, everything=everything)
    if run and not found:
        raise UsageError(f"there is no run {run!r} in {log.path}")
    board = board_of(found)
    if html is not None:
        from chatcli.files.replace import atomic_write
        from chatcli.session.arena.page import board_page

        atomic_write(html, [board_page(board).encode()])
        invocation.say(f"wrote {html}")
    if as_json:
        invocation.write_json(board_record(board))
    elif html is None:
        from chatcli.terminal.ballot.board import board_lines

        screen = invocation.screen(settings)
        lines = board_lines(board, screen.width, unicode=screen.abilities.unicode)
        invocation.write("".join(f"{line}\n" for line in lines))


def _contenders(specs: Sequence[str], settings: Settings, invocation: Invocation) -> "list[Contender]":
    """Parse the specifications and check that each model is on this disk."""
    from chatcli.library.opening import check_model
    from chatcli.library.stores import Places
    from chatcli.session.arena.contenders import Contender, parse_contender

    base = Contender(settings, settings.sampling, settings.thinking)
    found = []
    for spec in specs:
        try:
            words = shlex.split(spec)
        except ValueError as error:
            raise UsageError(f"--contender {spec}: {error}; put values with spaces in quotes") from None
        contender = parse_contender(words, base, "--contender")
        check_model(contender.settings, Places.of(invocation.environ, invocation.paths))
        found.append(contender)
    return found


def _hold(
    arena: "Arena", settings: Settings, invocation: Invocation, most: int | None, *, as_json: bool
) -> "ArenaSession":
    """Run the duels."""
    from chatcli.session.arena.answers import AnswerWriter, answers_file
    from chatcli.storage.feedback.log import FeedbackLog
    from chatcli.terminal.ballot.arena import ArenaSession
    from chatcli.terminal.ballot.question import drawn_on

    log = FeedbackLog(invocation.paths.feedback_log)
    arena.take_records(log.of_transcript(arena.name))
    file = answers_file(invocation.paths.arena, arena) if settings.log else None
    screen, sessions = invocation.screen(settings, on_stderr=as_json), invocation.sessions
    output = drawn_on(invocation.stderr) if as_json else None
    with (
        exit_on_signals(),
        AnswerWriter(arena, sessions.opener(), file) as writer,
        closing(sessions.judge(settings)) as judge,
    ):
        if arena.done:
            screen.note(f"(continuing: {arena.done} of {arena.planned} duels are judged)")
        session = ArenaSession(arena, writer, judge, screen, most=most, output=output)
        session.hold()
    return session


def _conclude(
    arena: "Arena", outcome: "ArenaSession", settings: Settings, invocation: Invocation, *, as_json: bool
) -> None:
    """Show the result: counts, the names of the contenders, the leaderboard of this run."""
    from chatcli.session.arena.board import board_of, board_record, comparisons
    from chatcli.storage.feedback.log import FeedbackLog

    log = FeedbackLog(invocation.paths.feedback_log)
    board = board_of(comparisons(log.of_transcript(arena.name)))
    if as_json:
        summary = {
            "run": arena.run,
            "planned": arena.planned,
            "judged": arena.done,
            "judged_now": outcome.judged,
            "skipped": outcome.skipped,
            "same_words": outcome.same,
            "unanswered": outcome.unanswered,
            "contenders": [contender.name for contender in arena.contenders],
        }
        invocation.write_json({**summary, **board_record(board)})
        return
    from chatcli.terminal.ballot.board import board_lines

    screen = invocation.screen(settings)
    screen.note(f"{arena.done} of {arena.planned} duels are judged (run {arena.run})")
    for count, what in (
        (outcome.skipped, "skipped; the next run of this command shows them again"),
        (outcome.same, "not shown, because both answers are the same"),
        (len(outcome.unanswered), "not shown, because a contender cannot answer"),
    ):
        if count:
            screen.note(f"{count} {what}")
    for reason in outcome.unanswered[:3]:
        screen.note(f"  {reason}")
    for line in board_lines(board, screen.width, unicode=screen.abilities.unicode):
        screen.text(line)
