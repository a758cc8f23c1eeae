"""Commands that change how answers are made: system prompt, parameters, model, persona."""

from dataclasses import replace

from chatcli.errors import UsageError
from chatcli.session.parameters import set_parameter
from chatcli.settings import NO_PERSONA
from chatcli.terminal.chat import Chat

_NONE = {"none", "off"}


def system(chat: Chat, argument: str) -> None:
    """Shows or changes the system prompt."""
    if not argument:
        chat.screen.text(chat.session.options.system or "(no system prompt)")
        return
    wanted = None if argument.lower() in _NONE else argument
    chat.session.options = replace(chat.session.options, system=wanted)
    what = "no system prompt" if wanted is None else "a new system prompt"
    chat.screen.note(f"({what}, from your next message on)")


def set_(chat: Chat, argument: str) -> None:
    """Changes a parameter: ``parameter K V``, ``K V`` or ``K=V``."""
    words = argument.removeprefix("parameter ").strip() if argument.startswith("parameter ") else argument
    if words == "parameter" or not words:
        raise UsageError("/set takes a parameter and its value; /show parameters lists them")
    if words in {"think", "nothink"}:  # as Ollama has it
        (think if words == "think" else nothink)(chat, "")
        return
    name, equals, value = words.partition("=")
    if not equals or " " in name.strip():
        name, _, value = words.partition(" ")
    if not value.strip():
        raise UsageError(f"/set {name.strip()} needs a value, such as default; /show parameters lists them")
    text = value.strip()
    if name.strip() == "system":
        system(chat, text)
        return
    chat.screen.note(f"({set_parameter(chat.session, name.strip(), text)})")


def think(chat: Chat, _argument: str) -> None:
    """Lets the model reason first."""
    chat.session.options = replace(chat.session.options, thinking=True)
    chat.screen.note("(the model reasons first, if its template knows how)")


def nothink(chat: Chat, _argument: str) -> None:
    """Keeps the model from reasoning first."""
    chat.session.options = replace(chat.session.options, thinking=False)
    chat.screen.note("(the model answers at once, if its template knows how)")


def model(chat: Chat, argument: str) -> None:
    """Lists the models, or goes on with another one."""
    present = chat.session.engine.settings.model
    if not argument:
        from chatcli.library.opening import model_names

        known = model_names(chat.session.engine.settings, chat.surroundings.places)
        names = known if present in known else [present, *known]
        chat.screen.text("\n".join(f"{'>' if name == present else ' '} {name}" for name in names))
        return
    if argument == present:
        chat.screen.note(f"({present} is the model in use)")
        return
    _switch(chat, argument)
    chat.screen.note(f"(the chat goes on with {argument}, which is loading)")


def persona(chat: Chat, argument: str) -> None:
    """Lists the personas, or takes one on."""
    personas = chat.session.engine.settings.personas
    if not argument:
        if not personas:
            file = chat.surroundings.paths.config_file
            raise UsageError(f"there is no persona yet; write a table [personas.NAME] into {file}")
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
    changed = ", ".join(personas.get(argument, ())) if argument != NO_PERSONA else "as config.toml has it"
    chat.screen.note(f"(persona {argument}: {changed}; from your next message on)")


def _switch(chat: Chat, name: str, ctx_size: int | None = None) -> None:
    """Load another model; one that does not exist is refused before the present one is let go."""
    from chatcli.library.opening import check_model

    settings = chat.session.engine.settings
    wanted = replace(settings, model=name, ctx_size=ctx_size or settings.ctx_size)
    check_model(wanted, chat.surroundings.places)
    chat.session.switch(wanted)
