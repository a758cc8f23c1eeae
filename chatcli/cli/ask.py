"""``chatcli ask`` and piped text: one question, the answer on stdout, nothing else there."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from chatcli.chat.message import FinishReason, Generation
from chatcli.cli.invocation import Invocation
from chatcli.cli.options import ChatOptions, takes_model_options
from chatcli.cli.prompt_output import prompt_page, prompt_record
from chatcli.engine.base import Finished, LeftOut, ReasoningDelta, TextDelta, Unseen
from chatcli.errors import ExitCode, UsageError
from chatcli.session.attachments import STDIN, enclose, read_files, read_pictures
from chatcli.session.background import BackgroundAnswer


@takes_model_options
def ask(
    context: typer.Context,
    prompt: Annotated[
        list[str] | None, typer.Argument(metavar="[PROMPT]...", help="The question; piped text follows it.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of the text.")
    ] = False,
    json_schema: Annotated[
        str | None,
        typer.Option(
            "--json-schema", metavar="FILE|TEXT", help="The answer is JSON that follows this schema."
        ),
    ] = None,
    grammar: Annotated[
        Path | None, typer.Option("--grammar", metavar="FILE", help="The answer follows this GBNF grammar.")
    ] = None,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Print what the model would read; generate nothing.")
    ] = False,
    options: ChatOptions = ChatOptions(),  # noqa: B008  (frozen)
) -> None:
    """Answer one question and end."""
    answer_once(
        Invocation.from_process(),
        options.over(context.obj or ChatOptions()),
        words=prompt or [],
        as_json=as_json,
        json_schema=json_schema,
        grammar=grammar,
        show_prompt=show_prompt,
    )


def answer_once(
    invocation: Invocation,
    options: ChatOptions,
    *,
    words: list[str],
    as_json: bool = False,
    json_schema: str | None = None,
    grammar: Path | None = None,
    show_prompt: bool = False,
) -> None:
    """Answer the question made of ``words`` and the piped text (words, blank line, text) and of pictures.

    Raises:
        UsageError: there is no question, or options contradict each other.
        ChatcliError: whatever keeps the model from answering.
    """
    constraint = _constraint(json_schema, grammar)
    settings = options.settings(invocation.environ, invocation.paths)
    files = enclose(read_files(options.file or []))
    images = options.image or []
    pictures = read_pictures(images, None if invocation.stdin.isatty() else invocation.stdin)
    piped = "" if STDIN in images else invocation.piped_text()
    question = "\n\n".join(part for part in (" ".join(words), piped, files) if part)
    if not (question or pictures):
        raise UsageError("there is no question; give one as an argument or through a pipe")
    from chatcli.cli.wiring import background_engine, new_session

    with (
        background_engine(settings, invocation) as engine,
        closing(
            new_session(settings, invocation, engine, resume=options.conversation, grammar=constraint)
        ) as session,
    ):
        if show_prompt:
            prompt = session.preview(question, pictures)
            if as_json:
                invocation.write_json(prompt_record(prompt), indent=None)
            else:
                invocation.write(prompt_page(prompt))
            return
        engine()  # a model that cannot be loaded leaves no transcript behind
        answer = session.send(question, pictures)
        with _interrupts(answer):
            finished, text, reasoning = _stream(invocation, answer, silent=as_json)
        if as_json:
            record = _as_json(finished, text, reasoning)
            invocation.write_json(record, indent=None)
        elif text and not text.endswith("\n"):
            invocation.write("\n")
    if finished.finish_reason is FinishReason.INTERRUPTED:
        raise KeyboardInterrupt


def _stream(invocation: Invocation, answer: BackgroundAnswer, *, silent: bool) -> tuple[Generation, str, str]:
    """Print the answer as it comes; returns how it came to be, its text and its reasoning."""
    text: list[str] = []
    reasoning: list[str] = []
    try:
        for event in answer:
            if isinstance(event, TextDelta):
                text.append(event.text)
                if not silent:
                    invocation.write(event.text)
            elif isinstance(event, ReasoningDelta):
                reasoning.append(event.text)
            elif isinstance(event, LeftOut):
                invocation.note(f"chatcli: {len(event.indices)} oldest messages did not fit the context")
            elif isinstance(event, Unseen):
                invocation.note(f"chatcli: {event}")
            elif isinstance(event, Finished):
                generation = event.generation
    except BrokenPipeError:
        answer.cancel()
        for _ in answer:  # let what came be saved
            pass
        raise
    return generation, "".join(text), "".join(reasoning)


@contextmanager
def _interrupts(answer: BackgroundAnswer) -> Iterator[None]:
    """The first Ctrl-C stops the answer and keeps what came; the second ends the program at once."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if answer.cancelled:
            os._exit(ExitCode.INTERRUPTED)
        answer.cancel()

    former = {number: signal.signal(number, stop) for number in _stopping_signals()}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _stopping_signals() -> list[signal.Signals]:
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def _constraint(json_schema: str | None, grammar: Path | None) -> str | None:
    """The GBNF grammar the answer must follow, or None."""
    if json_schema is not None and grammar is not None:
        raise UsageError("--json-schema and --grammar exclude each other")
    if grammar is not None:
        return _read(grammar, "--grammar")
    if json_schema is None:
        return None
    from chatcli.engine.grammar import json_schema_to_grammar

    inline = json_schema.lstrip().startswith(("{", "true", "false"))
    return json_schema_to_grammar(json_schema if inline else _read(Path(json_schema), "--json-schema"))


def _read(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"{option} {path}: {reason}") from None


def _as_json(generation: Generation, text: str, reasoning: str) -> dict[str, Any]:
    return {
        "answer": text,
        "reasoning": reasoning or None,
        "finish_reason": str(generation.finish_reason),
        "model": generation.model.name,
        "seed": generation.parameters.seed,
        "usage": asdict(generation.usage) if generation.usage.is_counted else None,
        "timings": {name: round(seconds, 6) for name, seconds in asdict(generation.timings).items()},
    }
