"""Commands that change how the model answers: system prompt, parameters, model, persona."""

from dataclasses import replace

from chatcli.errors import UsageError
from chatcli.session.parameters import parameter_names, set_parameter
from chatcli.settings import NO_PERSONA
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.declaration import SlashCommand

_NONE = {"none", "off"}


def model_offers(chat: Chat) -> list[tuple[str, str]]:
    """The known models, for completion."""
    from chatcli.library.opening import model_names

    return [(name, "") for name in model_names(chat.session.engine.settings, chat.surroundings.places)]


@SlashCommand("/system", arguments="[TEXT|none]")
def system(chat: Chat, argument: str) -> None:
    """Show or change the system prompt.

    It applies from your next message on. For several lines, begin and end it with three double quotes.
    """
    if not argument:
        show_system(chat)
        return
    wanted = None if argument.lower() in _NONE else argument
    chat.session.options = replace(chat.session.options, system=wanted)
    what = "no system prompt" if wanted is None else "a new system prompt"
    chat.screen.note(f"({what}, from your next message on)")


def show_system(chat: Chat) -> None:
    """Show the system prompt."""
    chat.screen.text(chat.session.options.system or "(no system prompt)")


@SlashCommand(
    "/set",
    arguments="[parameter] NAME VALUE|NAME=VALUE",
    offers=lambda _: ((name, "") for name in parameter_names()),
    words=("parameter",),
)
def set_(chat: Chat, argument: str) -> None:
    """Change a parameter, for example /set temperature 0.2.

    The value default restores the model's own. /show parameters lists all parameters.
    """
    words = argument.removeprefix("parameter ").strip() if argument.startswith("parameter ") else argument
    if words == "parameter" or not words:
        raise UsageError("/set needs a parameter and its value; /show parameters lists them")
    if words in {"think", "nothink"}:  # as in Ollama
        _think(chat, words == "think")
        return
    name, equals, value = words.partition("=")
    if not equals or " " in name.strip():
        name, _, value = words.partition(" ")
    if not value.strip():
        raise UsageError(f"/set {name.strip()} needs a value; default restores the model's own")
    text = value.strip()
    if name.strip() == "system":
        system(chat, text)
        return
    chat.screen.note(f"({set_parameter(chat.session, name.strip(), text)})")


@SlashCommand("/think")
def think(chat: Chat, _argument: str) -> None:
    """Let the model reason before it answers."""
    _think(chat, True)


@SlashCommand("/nothink")
def nothink(chat: Chat, _argument: str) -> None:
    """Let the model answer without reasoning."""
    _think(chat, False)


@SlashCommand("/model", arguments="[NAME|PATH]", offers=model_offers)
def model(chat: Chat, argument: str) -> None:
    """List the models, or switch to another one."""
    present = chat.session.engine.settings.model
    if not argument:
        known = [name for name, _ in model_offers(chat)]
        names = known if present in known else [present, *known]
        chat.screen.text("\n".join(f"{'>' if name == present else ' '} {name}" for name in names))
        return
    if argument == present:
        chat.screen.note(f"({present} is already in use)")
        return
    _switch(chat, argument)
    chat.screen.note(f"(the chat goes on with {argument}; it is loading)")


@SlashCommand(
    "/persona",
    arguments="[NAME|none]",
    offers=lambda chat: (
        (name, ", ".join(table)) for name, table in chat.session.engine.settings.personas.items()
    ),
)
def persona(chat: Chat, argument: str) -> None:
    """List the personas, or switch to one.

    A persona is a table [personas.NAME] in config.toml: system, model, thinking, ctx_size
    and sampling parameters.
    """
    personas = chat.session.engine.settings.personas
    if not argument:
        if not personas:
            file = chat.surroundings.paths.config_file
            raise UsageError(f"there are no personas; add a table [personas.NAME] to {file}")
        rows = (f"{name}: {', '.join(table) or 'sets nothing'}" for name, table in personas.items())
        chat.screen.text("\n".join(rows))
        return
    wanted = chat.surroundings.persona(argument)
    present = chat.session.engine.settings
    if (wanted.model, wanted.ctx_size) != (present.model, present.ctx_size):
        _switch(chat, wanted.model, wanted.ctx_size)
    chat.session.options = replace(
        chat.session.options, system=wanted.system, sampling=wanted.sampling, thinking=wanted.thinking
    )
    changed = ", ".join(personas.get(argument, ())) if argument != NO_PERSONA else "back to config.toml"
    chat.screen.note(f"(persona {argument}: {changed}; from your next message on)")


def _switch(chat: Chat, name: str, ctx_size: int | None = None) -> None:
    """Load another model; one that does not exist is refused while the present one stays."""
    from chatcli.library.opening import check_model

    settings = chat.session.engine.settings
    wanted = replace(settings, model=name, ctx_size=ctx_size or settings.ctx_size)
    check_model(wanted, chat.surroundings.places)
    chat.session.switch(wanted)


def _think(chat: Chat, wanted: bool) -> None:
    chat.session.options = replace(chat.session.options, thinking=wanted)
    how = "reasons first" if wanted else "answers without reasoning"
    chat.screen.note(f"(the model {how}, if its template can)")
