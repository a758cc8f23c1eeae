"""The options that every command which talks to a model takes, declared once."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Annotated, Any, Self, get_type_hints

import typer

from chatcli.cli import completion as completing
from chatcli.errors import UsageError
from chatcli.settings import Paths, Settings, load_settings

#: The conversation that was written last, as ``TranscriptStore.resolve`` knows it.
LAST = "last"
_CHAT, _MODEL, _SAMPLING, _OUTPUT = "Conversation", "Model", "Sampling", "Output"


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Options of a command that talks to a model; None means not given."""

    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            "-hf",
            metavar="NAME|PATH",
            rich_help_panel=_MODEL,
            help="Model to use. -hf is how llama.cpp spells it.",
            autocompletion=completing.models,
        ),
    ] = None
    persona: Annotated[
        str | None,
        typer.Option(
            "-p",
            "--persona",
            metavar="NAME",
            rich_help_panel=_MODEL,
            help="System prompt, model and parameters under one name, from config.toml.",
            autocompletion=completing.personas,
        ),
    ] = None
    system: Annotated[
        str | None,
        typer.Option("-s", "--system", metavar="TEXT", rich_help_panel=_MODEL, help="System prompt."),
    ] = None
    ctx_size: Annotated[
        str | None,
        typer.Option(
            "--ctx-size", metavar="TOKENS|auto", rich_help_panel=_MODEL, help="Context size; auto: what fits."
        ),
    ] = None
    gpu_layers: Annotated[
        str | None,
        typer.Option(
            "-ngl",
            "--gpu-layers",
            metavar="auto|all|N",
            rich_help_panel=_MODEL,
            help="Layers to put on the GPU.",
        ),
    ] = None
    projector: Annotated[
        str | None,
        typer.Option(
            "--mmproj",
            metavar="FILE|none|auto",
            rich_help_panel=_MODEL,
            help="Projector that lets the model see; auto: the one that lies with it.",
        ),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", rich_help_panel=_MODEL, help="CPU threads."),
    ] = None
    thinking: Annotated[
        bool | None,
        typer.Option(
            "--think/--no-think", rich_help_panel=_MODEL, help="Let the model reason first, or not."
        ),
    ] = None
    temperature: Annotated[
        float | None,
        typer.Option(
            "-t",
            "--temperature",
            metavar="X",
            rich_help_panel=_SAMPLING,
            help="0 always takes the likeliest.",
        ),
    ] = None
    top_p: Annotated[
        float | None, typer.Option("--top-p", metavar="P", rich_help_panel=_SAMPLING, help="Nucleus.")
    ] = None
    top_k: Annotated[
        int | None, typer.Option("--top-k", metavar="K", rich_help_panel=_SAMPLING, help="0 is off.")
    ] = None
    min_p: Annotated[
        float | None, typer.Option("--min-p", metavar="P", rich_help_panel=_SAMPLING, help="0 is off.")
    ] = None
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", rich_help_panel=_SAMPLING, help="Makes an answer repeatable."),
    ] = None
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", metavar="N", rich_help_panel=_SAMPLING, help="Longest answer."),
    ] = None
    stop: Annotated[
        list[str] | None,
        typer.Option(
            "--stop", metavar="TEXT", rich_help_panel=_SAMPLING, help="End the answer here. Repeatable."
        ),
    ] = None
    option: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--option",
            metavar="KEY=VALUE",
            rich_help_panel=_SAMPLING,
            help="Any other setting or sampling parameter. Repeatable.",
        ),
    ] = None
    no_log: Annotated[
        bool | None,
        typer.Option("-n", "--no-log", rich_help_panel=_OUTPUT, help="Leave no trace of this chat on disk."),
    ] = None
    no_color: Annotated[
        bool | None, typer.Option("--no-color", rich_help_panel=_OUTPUT, help="No colours.")
    ] = None
    markdown: Annotated[
        bool | None,
        typer.Option(
            "--markdown/--no-markdown", rich_help_panel=_OUTPUT, help="In a chat, lay answers out, or not."
        ),
    ] = None
    show_thinking: Annotated[
        bool | None,
        typer.Option(
            "--show-thinking/--hide-thinking", rich_help_panel=_OUTPUT, help="Show reasoning, or hide it."
        ),
    ] = None
    plain: Annotated[
        bool | None,
        typer.Option(
            "--plain", rich_help_panel=_OUTPUT, help="Whole lines, no styles, no motion: for screen readers."
        ),
    ] = None

    def over(self, other: "ModelOptions") -> Self:
        """These options where given, else the ``other``'s (``chatcli -m X ask`` is ``chatcli ask -m X``)."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return type(self)(
            **{name: getattr(other, name, None) if value is None else value for name, value in values.items()}
        )

    def settings(self, environ: Any, paths: Paths, *, persona: str | None = None) -> Settings:
        """The settings of this run, with these options as the flags.

        Args:
            environ: environment variables.
            paths: where config.toml is.
            persona: in place of the one these options name.

        Raises:
            UsageError: an option makes no sense.
            DataError: config.toml is damaged.
        """
        flags: dict[str, Any] = {}
        for pair in self.option or []:
            name, equals, value = pair.partition("=")
            if not equals:
                raise UsageError(f"-o takes KEY=VALUE, not {pair!r}")
            flags[name.strip().replace("-", "_")] = value
        special = {"option", "no_log", "no_color", "continue_last", "resume", "pick", "file", "image"}
        for f in fields(self):
            if f.name not in special and getattr(self, f.name) is not None:
                flags[f.name] = getattr(self, f.name)
        if self.no_log:
            flags["log"] = False
        if self.no_color:
            flags["color"] = False
        if persona is not None:
            flags["persona"] = persona
        return load_settings(flags, environ, paths.config_file)


@dataclass(frozen=True, slots=True)
class ChatOptions(ModelOptions):
    """Options of a command that holds a conversation."""

    continue_last: Annotated[
        bool | None,
        typer.Option("-c", "--continue", rich_help_panel=_CHAT, help="Go on with the last conversation."),
    ] = None
    resume: Annotated[
        str | None,
        typer.Option(
            "-r",
            "--resume",
            metavar="ID|TITLE",
            rich_help_panel=_CHAT,
            help="Go on with this conversation; the beginning of its id is enough.",
            autocompletion=completing.transcripts,
        ),
    ] = None
    pick: Annotated[
        bool | None,
        typer.Option("--pick", rich_help_panel=_CHAT, help="Choose the conversation to go on with."),
    ] = None
    file: Annotated[
        list[str] | None,
        typer.Option(
            "-f",
            "--file",
            metavar="FILE",
            rich_help_panel=_CHAT,
            help="Put a text file, a folder or a pattern into the (first) message. Repeatable.",
        ),
    ] = None

    image: Annotated[
        list[str] | None,
        typer.Option(
            "-i",
            "--image",
            metavar="FILE",
            rich_help_panel=_CHAT,
            help="Show the model a picture with the (first) message; - is stdin. Repeatable.",
            autocompletion=completing.pictures,
        ),
    ] = None

    @property
    def conversation(self) -> str | None:
        """The conversation to go on with; None: a new one.

        Raises:
            UsageError: two are named, or it is to be chosen by a person.
        """
        if self.pick:
            raise UsageError("--pick needs a chat on a terminal; name the conversation with -r")
        if self.continue_last and self.resume is not None:
            raise UsageError("-c and -r exclude each other")
        return LAST if self.continue_last else self.resume


def takes_model_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a typer command all fields of the type of its argument ``options`` as options."""
    own = inspect.signature(command)
    kind = own.parameters["options"].annotation
    hints = get_type_hints(kind, include_extras=True)
    option_parameters = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
        for f in fields(kind)
    ]

    @wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        chosen = {p.name: kwargs.pop(p.name) for p in option_parameters}
        command(*args, options=kind(**chosen), **kwargs)

    kept = [p for p in own.parameters.values() if p.name != "options"]
    wrapper.__signature__ = inspect.Signature(kept + option_parameters)  # type: ignore[attr-defined]
    own_hints = {k: v for k, v in get_type_hints(command, include_extras=True).items() if k != "options"}
    wrapper.__annotations__ = own_hints | hints
    return wrapper
