"""Commands that change how the model answers: system prompt, parameters, model, persona."""

from dataclasses import replace

from chatcli.errors import UsageError
from chatcli.session.parameters import parameter_names, set_parameter
from chatcli.settings import NO_PERSONA
from chatcli.terminal.chat import Chat

_NONE = {"none", "off"}


def system(chat: Chat, argument: str) -> None:
    """Show or change the system prompt."""
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


def set_(chat: Chat, argument: str) -> None:
    """Change a parameter: ``parameter K V``, ``K V`` or ``K=V``."""
    words = argument.removeprefix("parameter ").strip() if argument.startswith("parameter ") else argument
    if words == "parameter" or not words:
        raise UsageError("/set needs a parameter and its value; /show parameters lists them")
    if words in {"think", "nothink"}:  # as in Ollama
        think(chat, words == "think")
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


def think(chat: Chat, wanted: bool) -> None:
    """Let the model reason before it answers, or not."""
    chat.session.options = replace(chat.session.options, thinking=wanted)
    how = "reasons first" if wanted else "answers without reasoning"
    chat.screen.note(f"(the model {how}, if its template can)")


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


def persona(chat: Chat, argument: str) -> None:
    """List the personas, or switch to one."""
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


def model_offers(chat: Chat) -> list[tuple[str, str]]:
    """The known models, for completion."""
    from chatcli.library.opening import model_names

    return [(name, "") for name in model_names(chat.session.engine.settings, chat.surroundings.places)]


def parameter_offers(_chat: Chat) -> list[tuple[str, str]]:
    """The parameters of ``/set``, for completion."""
    return [(name, "") for name in parameter_names()]


def persona_offers(chat: Chat) -> list[tuple[str, str]]:
    """The personas and what they set, for completion."""
    personas = chat.session.engine.settings.personas
    return [(name, ", ".join(table)) for name, table in personas.items()]


def _switch(chat: Chat, name: str, ctx_size: int | None = None) -> None:
    """Load another model; one that does not exist is refused while the present one stays."""
    from chatcli.library.opening import check_model

    settings = chat.session.engine.settings
    wanted = replace(settings, model=name, ctx_size=ctx_size or settings.ctx_size)
    check_model(wanted, chat.surroundings.places)
    chat.session.switch(wanted)
