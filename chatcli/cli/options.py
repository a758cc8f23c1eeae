"""The options of every command that talks to a model, declared once."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial, wraps
from typing import Annotated, Any, get_type_hints

import typer

from chatcli.cli import completion as completing
from chatcli.cli.invocation import Invocation
from chatcli.errors import UsageError
from chatcli.settings import Paths, Settings, load_settings

#: Names the conversation with the newest change, as ``TranscriptStore.resolve`` takes it.
LAST = "last"
#: Options that many commands have.
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
_chat = partial(typer.Option, rich_help_panel="Conversation")
_model = partial(typer.Option, rich_help_panel="Model")
_sampling = partial(typer.Option, rich_help_panel="Sampling")
_output = partial(typer.Option, rich_help_panel="Output")
# Options with a meaning of their own; every other one is the flag of the setting with its name.
_NOT_SETTINGS = {"option", "no_log", "no_color", "continue_last", "resume", "pick", "file", "image"}


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Options of a command that talks to a model; None if not given."""

    model: Annotated[
        str | None,
        _model(
            *("-m", "--model", "-hf"),
            metavar="NAME|PATH",
            help="Model to use: a file or a name of `chatcli models list`. -hf is the llama.cpp spelling.",
            autocompletion=completing.models,
        ),
    ] = None
    persona: Annotated[
        str | None,
        _model(
            *("-p", "--persona"),
            metavar="NAME",
            help="Use the system prompt, model and parameters of a persona of config.toml.",
            autocompletion=completing.personas,
        ),
    ] = None
    system: Annotated[str | None, _model("-s", "--system", metavar="TEXT", help="System prompt.")] = None
    ctx_size: Annotated[
        str | None,
        _model("--ctx-size", metavar="TOKENS|auto", help="Context size; auto: the largest that fits."),
    ] = None
    gpu_layers: Annotated[
        str | None,
        _model("-ngl", "--gpu-layers", metavar="auto|all|N", help="Number of layers on the GPU."),
    ] = None
    projector: Annotated[
        str | None,
        _model(
            "--mmproj",
            metavar="FILE|none|auto",
            help="Projector (mmproj file) for pictures; auto: the one next to the model.",
        ),
    ] = None
    threads: Annotated[int | None, _model("--threads", metavar="N", help="Number of CPU threads.")] = None
    thinking: Annotated[
        bool | None,
        _model("--think/--no-think", help="Ask for reasoning before the answer, or for none."),
    ] = None
    temperature: Annotated[
        float | None,
        _sampling("-t", "--temperature", metavar="X", help="Randomness; 0: always the most likely token."),
    ] = None
    top_p: Annotated[
        float | None,
        _sampling("--top-p", metavar="P", help="Keep the most likely tokens that sum to P; 1: off."),
    ] = None
    top_k: Annotated[
        int | None, _sampling("--top-k", metavar="K", help="Keep the K most likely tokens; 0: off.")
    ] = None
    min_p: Annotated[
        float | None,
        _sampling("--min-p", metavar="P", help="Drop tokens below P times the most likely one; 0: off."),
    ] = None
    seed: Annotated[
        int | None, _sampling("--seed", metavar="N", help="Seed; the same seed repeats an answer.")
    ] = None
    max_tokens: Annotated[
        int | None, _sampling("--max-tokens", metavar="N", help="Longest answer, in tokens.")
    ] = None
    stop: Annotated[
        list[str] | None,
        _sampling("--stop", metavar="TEXT", help="End the answer before this text. Repeatable."),
    ] = None
    option: Annotated[
        list[str] | None,
        _sampling(
            *("-o", "--option"),
            metavar="KEY=VALUE",
            help="Any other setting or sampling parameter. Repeatable.",
        ),
    ] = None
    no_log: Annotated[bool | None, _output("-n", "--no-log", help="Keep nothing of this chat on disk.")] = (
        None
    )
    no_color: Annotated[bool | None, _output("--no-color", help="Use no colours.")] = None
    markdown: Annotated[
        bool | None,
        _output("--markdown/--no-markdown", help="In a chat: format answers, or print the raw text."),
    ] = None
    show_thinking: Annotated[
        bool | None, _output("--show-thinking/--hide-thinking", help="Show the reasoning, or hide it.")
    ] = None
    plain: Annotated[
        bool | None,
        _output("--plain", help="Print whole lines without styles and motion, for screen readers."),
    ] = None

    def settings(self, environ: Any, paths: Paths, *, persona: str | None = None) -> Settings:
        """Return the settings of this run; these options are the flags.

        Args:
            environ: environment variables.
            paths: where config.toml is.
            persona: overrides the persona of these options.

        Raises:
            UsageError: an option has an invalid value.
            DataError: config.toml is not valid TOML.
        """
        flags: dict[str, Any] = {}
        for pair in self.option or []:
            name, equals, value = pair.partition("=")
            if not equals:
                raise UsageError(f"-o takes KEY=VALUE, not {pair!r}")
            flags[name.strip().replace("-", "_")] = value
        for f in fields(self):
            if f.name not in _NOT_SETTINGS and getattr(self, f.name) is not None:
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
        bool | None, _chat("-c", "--continue", help="Continue the last conversation.")
    ] = None
    resume: Annotated[
        str | None,
        _chat(
            *("-r", "--resume"),
            metavar="ID|TITLE",
            help="Continue this conversation; the beginning of its id is enough.",
            autocompletion=completing.transcripts,
        ),
    ] = None
    pick: Annotated[bool | None, _chat("--pick", help="Choose a conversation from a list.")] = None
    file: Annotated[
        list[str] | None,
        _chat(
            *("-f", "--file"),
            metavar="FILE",
            help="Add a text file, a folder or a pattern such as *.py to the first message. Repeatable.",
        ),
    ] = None
    image: Annotated[
        list[str] | None,
        _chat(
            *("-i", "--image"),
            metavar="FILE",
            help="Add a picture to the first message; - is stdin. Repeatable.",
            autocompletion=completing.pictures,
        ),
    ] = None

    @property
    def conversation(self) -> str | None:
        """The conversation to continue, or None for a new one.

        Raises:
            UsageError: two conversations are named, or ``--pick`` is given without a terminal.
        """
        if self.pick:
            raise UsageError("--pick needs a chat on a terminal; name the conversation with -r")
        if self.continue_last and self.resume is not None:
            raise UsageError("-c and -r exclude each other")
        return LAST if self.continue_last else self.resume


def invoked(context: typer.Context) -> tuple[Invocation, Settings]:
    """Return the streams and paths of this run, and the settings with the options before the command."""
    invocation = Invocation.from_process()
    options = context.find_root().obj or ChatOptions()
    return invocation, options.settings(invocation.environ, invocation.paths)


def takes_model_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the argument ``options`` of a typer command by the fields of its type, one option each.

    Options before the command count too: ``chatcli -m X ask`` is ``chatcli ask -m X``.
    """
    own = inspect.signature(command)
    kind = own.parameters["options"].annotation
    hints = get_type_hints(kind, include_extras=True)
    option_parameters = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
        for f in fields(kind)
    ]

    @wraps(command)
    def wrapper(context: typer.Context, **kwargs: Any) -> None:
        before = context.find_root().obj if issubclass(kind, ModelOptions) else None
        chosen = {p.name: kwargs.pop(p.name) for p in option_parameters}
        options = kind(**{n: getattr(before, n, None) if v is None else v for n, v in chosen.items()})
        command(context, options=options, **kwargs)

    kept = [p for p in own.parameters.values() if p.name != "options"]
    wrapper.__signature__ = inspect.Signature(kept + option_parameters)  # type: ignore[attr-defined]
    own_hints = {k: v for k, v in get_type_hints(command, include_extras=True).items() if k != "options"}
    wrapper.__annotations__ = own_hints | hints
    return wrapper
