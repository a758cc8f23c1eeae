"""Settings and paths of a run: flag > environment > config.toml > default.

A setting is declared once, as a field of ``Settings``. Its key in config.toml is its name; its environment
variable is ``CHATCLI_`` and the name in capitals. Sampling parameters are set the same way, in
``[sampling]``. A persona is a named set of both, ``[personas.NAME]``; only flags override it.
"""

import re
import tomllib
import types
import typing
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from chatcli.errors import DataError, UsageError
from chatcli.sampling import SamplingParams

ENVIRONMENT_PREFIX = "CHATCLI_"
HOME_VARIABLE = "CHATCLI_HOME"
_WORDS_FOR_TRUE = {"1", "true", "yes", "on"}
_WORDS_FOR_FALSE = {"0", "false", "no", "off"}
#: What a persona may set, besides sampling parameters.
PERSONA_SETTINGS = ("system", "model", "thinking", "ctx_size")
#: Value of ``persona`` for no persona.
NO_PERSONA = "none"
#: Value of ``ctx_size`` for the largest context that fits.
AUTO_CONTEXT = 0
#: Values of ``projector`` for the one next to the model, and for none.
AUTO_PROJECTOR, NO_PROJECTOR = "auto", "none"
#: Types of the KV cache; the quantized ones need flash attention.
KV_CACHES = ("f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "f32")
_CHOICES = {"kv_cache": KV_CACHES, "keys": ("emacs", "vi"), "titles": ("first-message", "model")}
_RANGES = {
    "state_cache_mb": (0, 2**31),
    "picture_tokens": (1, 65_536),  # libmtmd counts their pixels in 32 bits
    "threads": (1, 512),  # ggml's limit; far above it, creating threads fails and the process dies
}
_LAYERS = re.compile(r"auto|all|[0-9]{1,6}")
# Not Alt-O and Alt-[, because the key sequences of terminals begin with them.
_FREE_KEY = re.compile(r"none|f([1-9]|1[0-9]|2[0-4])|alt-(up|down|left|right|[!-NP-Z\\-~])")
# The fields of `Settings` that are not settings.
_TABLES = {"sampling", "origins", "personas"}


class _Inside:
    """A path inside one of the folders of ``Paths``."""

    def __init__(self, folder: str, name: str) -> None:
        self._folder, self._name = folder, name

    def __get__(self, paths: "Paths", _owner: type | None = None) -> Path:
        return Path(getattr(paths, self._folder), self._name)


@dataclass(frozen=True, slots=True)
class Paths:
    """Every place that the program reads or writes. Nothing is created here.

    Attributes:
        data: folder of what must not be lost: transcripts, feedback, models.
        cache: folder of what can be made again: index, verdicts of the trial child, KV states.
    """

    config: Path
    data: Path
    state: Path
    cache: Path

    @classmethod
    def locate(cls, environ: Mapping[str, str]) -> "Paths":
        """Find the folders: all below ``CHATCLI_HOME`` if that is set, else where the platform keeps them."""
        home = environ.get(HOME_VARIABLE)
        if home:
            root = Path(home).expanduser()
            return cls(root, root, root, root / "cache")
        import platformdirs

        dirs = platformdirs.PlatformDirs("chatcli", appauthor=False)
        return cls(dirs.user_config_path, dirs.user_data_path, dirs.user_state_path, dirs.user_cache_path)

    config_file = _Inside("config", "config.toml")
    transcripts = _Inside("data", "transcripts")
    #: The append-only log of judgements.
    feedback_log = _Inside("data", "feedback.jsonl")
    #: Answers of arenas, kept so that none is generated twice.
    arena = _Inside("data", "arena")
    #: The labelling instructions, if they were edited.
    guideline = _Inside("config", "guidelines.md")
    #: All labelling instructions that judgements were made by.
    former_guidelines = _Inside("data", "guidelines")
    #: Models that were imported or made here.
    models = _Inside("data", "models")
    #: Aliases of models, and paths of registered files.
    model_registry = _Inside("data", "models.json")
    #: Lines typed at the prompt.
    input_history = _Inside("state", "history")
    index = _Inside("cache", "index.sqlite")
    #: Results of the first load of each model on this machine.
    probe_verdicts = _Inside("cache", "probe.json")
    #: Hashes of model files, so that each is computed once.
    checksums = _Inside("cache", "checksums.json")
    kv_states = _Inside("cache", "kv")


def _setting(default: Any, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one run, and where each came from.

    Attributes:
        sampling: sampling parameters that were set, by name; the others keep the model's defaults.
        origins: name -> "flag", "persona ...", "CHATCLI_..." or "config.toml"; defaults are not in it.
        personas: all personas of config.toml: name -> what it sets.
    """

    model: str = _setting("lkjsxclm", "model to chat with: a file, a name, or scripted:")
    system: str | None = _setting(None, "system prompt")
    assistant_name: str = _setting("lkjsxclm", "name of the assistant in transcripts")
    ctx_size: int | None = _setting(
        None, "context size in tokens; auto: the largest that fits; default: the model's own, at most 8192"
    )
    gpu_layers: str = _setting("auto", "number of layers on the GPU, auto or all")
    kv_cache: str = _setting("f16", "type of the KV cache, such as f16, or q8_0 for half the memory")
    check_memory: bool = _setting(True, "refuse a model that does not fit into memory")
    projector: str = _setting(
        AUTO_PROJECTOR,
        "projector (mmproj file) for pictures; auto: the one next to the model; none: no pictures",
    )
    picture_tokens: int | None = _setting(
        None, "most tokens per picture, for models that scale pictures; default: the model's own"
    )
    threads: int | None = _setting(None, "number of CPU threads; default: the physical cores")
    log: bool = _setting(True, "keep transcripts")
    state_cache_mb: int = _setting(
        2048, "MiB on disk for saved model states, with which recent chats resume at once; 0: save none"
    )
    color: bool = _setting(True, "use colours on a terminal; NO_COLOR turns them off too")
    thinking: bool | None = _setting(
        None, "let the model reason before it answers, if its template can; default: the model's own"
    )
    markdown: bool = _setting(True, "format the Markdown of answers; false: print the raw text")
    plain: bool = _setting(False, "print whole lines without styles and motion, for screen readers")
    show_thinking: bool = _setting(True, "show the reasoning of the model; false: show only that it reasons")
    keys: str = _setting("emacs", "key bindings of the line editor: emacs or vi")
    key_good: str = _setting("f2", "key that rates the last answer good: f1 to f24, alt-KEY or none")
    key_bad: str = _setting("f3", "key that rates the last answer bad: f1 to f24, alt-KEY or none")
    titles: str = _setting(
        "first-message", "titles of chats: first-message, or model: the model writes them while you are idle"
    )
    persona: str | None = _setting(None, "persona at the start, one of the [personas.NAME] tables")
    sampling: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    personas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def load_settings(
    flags: Mapping[str, Any], environ: Mapping[str, str], config_file: Path | None = None
) -> Settings:
    """Collect the settings of one run.

    Raises:
        UsageError: a value is invalid or a name is not a setting; says which and where it came from.
        DataError: config.toml is not valid TOML.
    """
    config = _read_config(config_file) if config_file is not None else {}
    sampling_types = typing.get_type_hints(SamplingParams)
    setting_types = {k: v for k, v in typing.get_type_hints(Settings).items() if k not in _TABLES}
    config_sampling, tables = config.pop("sampling", {}), config.pop("personas", {})
    if not isinstance(config_sampling, dict):
        raise UsageError(f"{config_file}: sampling must be a table, [sampling]")
    refuse_unknown(flags, setting_types | sampling_types, "command line")
    refuse_unknown(config, setting_types, f"{config_file}")
    refuse_unknown(config_sampling, sampling_types, f"{config_file}, [sampling]")
    personas = _personas(tables, {**setting_types, **sampling_types}, str(config_file))
    variables = {
        name: value
        for name in (*setting_types, *sampling_types)
        if (value := environ.get(ENVIRONMENT_PREFIX + name.upper()))
    }
    named = flags.get("persona") or variables.get("persona") or config.get("persona")
    chosen = _chosen_persona(named, personas)

    origins: dict[str, str] = {}

    def pick(types_of: Mapping[str, Any], config_part: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, wanted in types_of.items():
            sources = (
                ("flag", flags),
                (f"persona {chosen}", personas[chosen] if chosen is not None else {}),
                (ENVIRONMENT_PREFIX + name.upper(), variables),
                ("config.toml", config_part),
            )
            for origin, source in sources:
                if source.get(name) is not None:
                    values[name], origins[name] = coerce(name, source[name], wanted, origin), origin
                    break
        return values

    settings = pick(setting_types, config)
    sampling = pick(sampling_types, config_sampling)
    SamplingParams(**sampling)  # raises for values out of range before any model is loaded
    result = Settings(**settings, sampling=sampling, origins=origins, personas=personas)
    check(result)
    return result


def _personas(tables: Any, types_of: Mapping[str, Any], file: str) -> dict[str, dict[str, Any]]:
    """The personas of config.toml, with every value converted to its type."""
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise UsageError(f"{file}: personas must be tables, [personas.NAME]")
    allowed = (*PERSONA_SETTINGS, *typing.get_type_hints(SamplingParams))
    personas = {}
    for persona, table in tables.items():
        where = f"[personas.{persona}]"
        refuse_unknown(table, allowed, f"{file}, {where}")
        personas[persona] = {
            name: coerce(name, value, types_of[name], where) for name, value in table.items()
        }
    return personas


def _chosen_persona(name: Any, personas: Mapping[str, Any]) -> str | None:
    if name is None or name == NO_PERSONA:
        return None
    if name not in personas:
        known = f"known are {', '.join(personas)}" if personas else "config.toml has no [personas.NAME] table"
        raise UsageError(f"there is no persona {name!r}; {known}")
    return str(name)


def coerce(name: str, raw: Any, wanted: Any, origin: str) -> Any:
    """Convert text or a TOML value into a setting's type; UsageError names the setting and ``origin``."""
    if name == "ctx_size" and str(raw).lower() == "auto":
        return AUTO_CONTEXT
    options = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
    kinds = [o for o in options if o is not types.NoneType]
    if isinstance(raw, str) and raw.lower() == "none" and types.NoneType in options and kinds != [str]:
        return None
    kind = kinds[0]
    try:
        return _convert(raw, kind)
    except (ValueError, TypeError):
        word = {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "text")
        auto = " or auto" if name == "ctx_size" else ""
        raise UsageError(f"{name} must be {word}{auto}, not {raw!r} (from {origin})") from None


def _convert(raw: Any, kind: Any) -> Any:
    if kind is bool:
        if isinstance(raw, bool):
            return raw
        word = str(raw).strip().lower()
        if word in _WORDS_FOR_TRUE:
            return True
        if word in _WORDS_FOR_FALSE:
            return False
        raise ValueError
    if typing.get_origin(kind) is tuple:
        return (raw,) if isinstance(raw, str) else tuple(str(item) for item in raw)
    if isinstance(raw, (bool, list, dict)):
        raise TypeError
    if kind is int and isinstance(raw, float) and not raw.is_integer():
        raise ValueError
    return kind(raw)


def _read_config(path: Path) -> dict[str, Any]:
    if path.is_fifo():
        raise DataError(f"{path} is a pipe, not a file; remove it")  # reading it may wait for ever
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def refuse_unknown(given: Iterable[str], known: Collection[str], where: str) -> None:
    """Raise UsageError for the first name that is not known, and suggest the nearest one."""
    import difflib

    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
            raise UsageError(f"{where}: there is no setting {name!r}{hint}")


def check(settings: Settings) -> None:
    """Raise UsageError for the first setting whose value is invalid."""
    if not _LAYERS.fullmatch(settings.gpu_layers):
        raise UsageError(f"gpu_layers must be auto, all or a number, not {settings.gpu_layers!r}")
    for name, choices in _CHOICES.items():
        if (value := getattr(settings, name)) not in choices:
            raise UsageError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    for name, (low, high) in _RANGES.items():
        if (number := getattr(settings, name)) is not None and not low <= number <= high:
            raise UsageError(f"{name} must be from {low} to {high}, not {number}")
    if settings.ctx_size not in {None, AUTO_CONTEXT} and settings.ctx_size < 64:
        raise UsageError(f"ctx_size must be at least 64 tokens, not {settings.ctx_size}")
    for name in ("key_good", "key_bad"):  # no keys that type a character or that the line editor needs
        if not _FREE_KEY.fullmatch(key := getattr(settings, name)):
            raise UsageError(f"{name} must be f1 to f24, alt- and a key, or none, not {key!r}")
    if settings.key_good == settings.key_bad != "none":
        raise UsageError(f"key_good and key_bad must be different keys, not both {settings.key_good}")


def setting_help() -> dict[str, str]:
    """Name and one line of help of each setting, for ``config init`` and the documentation."""
    return {f.name: f.metadata["help"] for f in fields(Settings) if "help" in f.metadata}
