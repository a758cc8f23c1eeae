"""``chatcli ask`` and text from a pipe: one question; stdout carries the answer and nothing else."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatcli.chat.message import FinishReason, Generation, Picture
from chatcli.chat.pictures import caption
from chatcli.cli.invocation import Invocation, signals_handled
from chatcli.cli.options import ChatOptions, takes_model_options
from chatcli.engine.base import Finished, LeftOut, Prompt, PromptToken, ReasoningDelta, TextDelta, Unseen
from chatcli.errors import ExitCode, UsageError
from chatcli.session.attachments import STDIN, enclose, read_files, read_pictures
from chatcli.terminal.sanitize import sanitize_line
from chatcli.words import counted

if TYPE_CHECKING:
    from chatcli.session.background import BackgroundAnswer


@takes_model_options
def ask(
    context: typer.Context,
    prompt: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PROMPT]...", help="The question; text from a pipe is added after it."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answer and its details as JSON.")
    ] = False,
    json_schema: Annotated[
        str | None,
        typer.Option(
            "--json-schema", metavar="FILE|TEXT", help="Make the answer JSON that follows this schema."
        ),
    ] = None,
    grammar: Annotated[
        Path | None,
        typer.Option("--grammar", metavar="FILE", help="Make the answer follow this GBNF grammar."),
    ] = None,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Print the prompt and its tokens; generate nothing.")
    ] = False,
    options: ChatOptions = ChatOptions(),  # noqa: B008  (frozen)
) -> None:
    """Answer one question and exit."""
    answer_once(
        Invocation.from_process(),
        options,
        words=prompt or [],
        as_json=as_json,
        constraint=_constraint(json_schema, grammar),
        show_prompt=show_prompt,
    )


def answer_once(
    invocation: Invocation,
    options: ChatOptions,
    *,
    words: list[str],
    as_json: bool = False,
    constraint: str | None = None,
    show_prompt: bool = False,
) -> None:
    """Answer a question and print the answer, which follows the GBNF grammar ``constraint`` if given.

    The question is ``words``, the piped text and the attached files, joined by blank lines, with pictures.

    Raises:
        UsageError: the question is empty, or options exclude each other.
        ChatcliError: the model cannot answer.
    """
    settings = options.settings(invocation.environ, invocation.paths)
    files = enclose(read_files(options.file or []))
    images = options.image or []
    pictures = read_pictures(images, None if invocation.stdin.isatty() else invocation.stdin)
    piped = "" if STDIN in images else invocation.piped_text()
    question = "\n\n".join(part for part in (" ".join(words), piped, files) if part)
    if not (question or pictures):
        raise UsageError("there is no question; give one as an argument or through a pipe")
    sessions, tell = invocation.sessions, None if invocation.interactive else invocation.say
    with (
        sessions.engine(settings, tell) as engine,
        closing(
            sessions.session(settings, engine, resume=options.conversation, grammar=constraint)
        ) as session,
    ):
        if show_prompt:
            prompt = session.preview(question, pictures)
            if as_json:
                invocation.write_json(asdict(prompt), indent=None)
            else:
                invocation.write(_prompt_page(prompt))
            return
        engine()  # wait: a model that fails to load must leave no transcript
        answer = session.send(question, pictures)
        with _stop_on_signals(answer):
            finished, text, reasoning = _stream(invocation, answer, silent=as_json)
        if as_json:
            invocation.write_json(_answer_record(finished, text, reasoning), indent=None)
        elif text and not text.endswith("\n"):
            invocation.write("\n")
    if finished.finish_reason is FinishReason.INTERRUPTED:
        raise KeyboardInterrupt


def _stream(
    invocation: Invocation, answer: "BackgroundAnswer", *, silent: bool
) -> tuple[Generation, str, str]:
    """Print the answer while it is generated; return its details, its text and its reasoning."""
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
                invocation.say(f"{counted(len(event.indices), 'oldest message')} did not fit the context")
            elif isinstance(event, Unseen):
                invocation.say(str(event))
            elif isinstance(event, Finished):
                generation = event.generation
    except BrokenPipeError:
        answer.cancel()
        for _ in answer:  # lets the session save the part that came
            pass
        raise
    return generation, "".join(text), "".join(reasoning)


@contextmanager
def _stop_on_signals(answer: "BackgroundAnswer") -> Iterator[None]:
    """Stop the answer at the first Ctrl-C and keep the part that came; exit at once at the second."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if answer.cancelled:
            os._exit(ExitCode.INTERRUPTED)
        answer.cancel()

    with signals_handled(stop, "SIGINT", "SIGTERM", "SIGHUP"):
        yield


def _constraint(json_schema: str | None, grammar: Path | None) -> str | None:
    """Return the GBNF grammar that the answer must follow, or None."""
    if json_schema is not None and grammar is not None:
        raise UsageError("--json-schema and --grammar exclude each other")
    if grammar is not None:
        return _read(grammar, "--grammar")
    if json_schema is None:
        return None
    from chatcli.engine.llama.grammar import json_schema_to_grammar

    inline = json_schema.lstrip().startswith(("{", "true", "false"))
    return json_schema_to_grammar(json_schema if inline else _read(Path(json_schema), "--json-schema"))


def _read(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"{option} {path}: {reason}") from None


def _answer_record(generation: Generation, text: str, reasoning: str) -> dict[str, Any]:
    return {
        "answer": text,
        "reasoning": reasoning or None,
        "finish_reason": str(generation.finish_reason),
        "model": generation.model.name,
        "seed": generation.parameters.seed,
        "usage": asdict(generation.usage) if generation.usage.is_counted else None,
        "timings": {name: round(seconds, 6) for name, seconds in asdict(generation.timings).items()},
    }


def _prompt_page(prompt: Prompt) -> str:
    """Return the text of a prompt and one line per token; all tokens of a picture share one line."""
    header = f"{len(prompt.tokens)} tokens (id, * for a control token, text):"
    return "\n".join([prompt.text, "", header, *_token_lines(prompt.tokens), ""])


def _token_lines(tokens: Sequence[PromptToken]) -> Iterator[str]:
    width = max((len(str(token.id)) for token in tokens), default=1)
    picture, parts = "", 0
    for token in (*tokens, None):
        if parts and (token is None or token.id >= 0 or token.text):
            shown = caption(Picture("", f"{sanitize_line(picture)}, {parts} tokens"))
            yield f"{'':>{width}} * {shown}"
            parts = 0
        if token is None:
            return
        if token.id < 0:  # a part of a picture; the first part carries its name
            picture, parts = picture if parts else token.text, parts + 1
        else:
            text = json.dumps(token.text, ensure_ascii=False)
            yield f"{token.id:>{width}} {'*' if token.special else ' '} {text}"
