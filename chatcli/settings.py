"""Where every setting and every path comes from: flag > environment > config.toml > default.

A setting is declared once, as a field of ``Settings``; its environment variable is ``CHATCLI_`` and its name
in capitals, its key in config.toml the name itself. Sampling parameters are set the same way, in
``[sampling]``. A persona is a named set of both, a table ``[personas.NAME]``; the chosen one yields to
flags only.
"""

import re
import tomllib
import types
import typing
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from chatcli.errors import DataError, UsageError
from chatcli.sampling import SamplingParams

ENVIRONMENT_PREFIX = "CHATCLI_"
HOME_VARIABLE = "CHATCLI_HOME"
_WORDS_FOR_TRUE = {"1", "true", "yes", "on"}
_WORDS_FOR_FALSE = {"0", "false", "no", "off"}
#: What a persona may set, besides sampling parameters.
_MOST_THREADS = 512  # ggml's own limit; far above it creating them fails, and the process dies
_MOST_PICTURE_TOKENS = 65_536  # libmtmd counts their pixels in 32 bits
_LAYERS = re.compile(r"auto|all|[0-9]{1,6}")
PERSONA_SETTINGS = ("system", "model", "thinking", "ctx_size")
#: The context size that stands for the largest that fits.
AUTO_CONTEXT = 0
#: Stand for the projector that lies with the model, and for none.
AUTO_PROJECTOR, NO_PROJECTOR = "auto", "none"
#: Types of the KV cache one may choose; a quantized one needs flash attention.
KV_CACHES = ("f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "f32")
#: Stands for no persona where one is chosen.
NO_PERSONA = "none"
# Not Alt-O and Alt-[: with those the terminal's own key sequences begin.
_FREE_KEY = re.compile(r"none|f([1-9]|1[0-9]|2[0-4])|alt-(up|down|left|right|[!-NP-Z\\-~])")
#: The fields of ``Settings`` that are not settings.
_TABLES = {"sampling", "origins", "personas"}


@dataclass(frozen=True, slots=True)
class Paths:
    """Every place the program reads or writes. Nothing is created here.

    Attributes:
        config: folder of config.toml.
        data: folder of what must not be lost: transcripts, feedback, models.
        state: folder of what is convenient to keep: input history.
        cache: folder of what can be made again: index, probe verdicts, KV states.
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

    @property
    def config_file(self) -> Path:
        """The settings file."""
        return self.config / "config.toml"

    @property
    def transcripts(self) -> Path:
        """Folder of the conversations."""
        return self.data / "transcripts"

    @property
    def feedback_log(self) -> Path:
        """The append-only log of judgements."""
        return self.data / "feedback.jsonl"

    @property
    def arena(self) -> Path:
        """Folder of the answers that arenas compare, so that none is generated twice."""
        return self.data / "arena"

    @property
    def guideline(self) -> Path:
        """The labelling instructions, if they were edited."""
        return self.config / "guidelines.md"

    @property
    def former_guidelines(self) -> Path:
        """Folder of all labelling instructions that a judgement was ever made by."""
        return self.data / "guidelines"

    @property
    def models(self) -> Path:
        """Folder of models that were imported or made here."""
        return self.data / "models"

    @property
    def model_registry(self) -> Path:
        """Aliases of models, and files that were registered where they lie."""
        return self.data / "models.json"

    @property
    def input_history(self) -> Path:
        """Lines typed at the prompt."""
        return self.state / "history"

    @property
    def index(self) -> Path:
        """The disposable search index."""
        return self.cache / "index.sqlite"

    @property
    def probe_verdicts(self) -> Path:
        """What the first load of each model on this machine found."""
        return self.cache / "probe.json"

    @property
    def checksums(self) -> Path:
        """Hashes of model files, so that each is computed once."""
        return self.cache / "checksums.json"

    @property
    def kv_states(self) -> Path:
        """Saved KV states of the last conversations."""
        return self.cache / "kv"


def _setting(default: Any, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one run, each with where it came from.

    Attributes:
        sampling: the sampling parameters that were set, by name; the others keep the model's defaults.
        origins: name -> "flag", "persona ...", "CHATCLI_..." or "config.toml"; not in it: default.
        personas: name -> what it sets, all those of config.toml.
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

    def sampling_params(self, defaults: SamplingParams) -> SamplingParams:
        """The parameters to use: those set here over the model's own ``defaults``."""
        return replace(defaults, **self.sampling)


def load_settings(
    flags: Mapping[str, Any], environ: Mapping[str, str], config_file: Path | None = None
) -> Settings:
    """Put the settings of one run together.

    Args:
        flags: what the command line said; None means not given.
        environ: environment variables.
        config_file: config.toml; a missing file is an empty one.

    Raises:
        UsageError: a value makes no sense, or a name is not a setting; says which and where it came from.
        DataError: config.toml is not TOML.
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
    SamplingParams(**sampling)  # out-of-range values are refused here, before any model is loaded
    result = Settings(**settings, sampling=sampling, origins=origins, personas=personas)
    check(result)
    return result


def _personas(tables: Any, types_of: Mapping[str, Any], file: str) -> dict[str, dict[str, Any]]:
    """The personas of config.toml, with every value of the type it must have."""
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
    """Turn text (or a TOML value) into the type a setting has.

    Raises:
        UsageError: it cannot be one; names the setting, the value and where it came from.
    """
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
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def refuse_unknown(given: Iterable[str], known: Collection[str], where: str) -> None:
    """Refuse names that are none of the known ones.

    Raises:
        UsageError: names the nearest one.
    """
    import difflib

    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
            raise UsageError(f"{where}: there is no setting {name!r}{hint}")


def check(settings: Settings) -> None:
    """Refuse values that make no sense.

    Raises:
        UsageError: names the setting and what it may be.
    """
    if not _LAYERS.fullmatch(settings.gpu_layers):
        raise UsageError(f"gpu_layers must be auto, all or a number, not {settings.gpu_layers!r}")
    if settings.kv_cache not in KV_CACHES:
        raise UsageError(f"kv_cache must be one of {', '.join(KV_CACHES)}, not {settings.kv_cache!r}")
    if settings.ctx_size not in {None, AUTO_CONTEXT} and settings.ctx_size < 64:
        raise UsageError(f"ctx_size must be at least 64 tokens, not {settings.ctx_size}")
    if settings.keys not in {"emacs", "vi"}:
        raise UsageError(f"keys must be emacs or vi, not {settings.keys!r}")
    for name in ("key_good", "key_bad"):  # none that types a character or that the line editor needs
        if not _FREE_KEY.fullmatch(key := getattr(settings, name)):
            raise UsageError(f"{name} must be f1 to f24, alt- and a key, or none, not {key!r}")
    if settings.key_good == settings.key_bad != "none":
        raise UsageError(f"key_good and key_bad must be two keys, not both {settings.key_good}")
    if settings.titles not in {"first-message", "model"}:
        raise UsageError(f"titles must be first-message or model, not {settings.titles!r}")
    if settings.state_cache_mb < 0:
        raise UsageError(f"state_cache_mb must be 0 or more, not {settings.state_cache_mb}")
    if settings.picture_tokens is not None and not 1 <= settings.picture_tokens <= _MOST_PICTURE_TOKENS:
        raise UsageError(
            f"picture_tokens must be from 1 to {_MOST_PICTURE_TOKENS}, not {settings.picture_tokens}"
        )
    if settings.threads is not None and not 1 <= settings.threads <= _MOST_THREADS:
        raise UsageError(f"threads must be from 1 to {_MOST_THREADS}, not {settings.threads}")


def setting_help() -> dict[str, str]:
    """Name -> one line of help, for ``config init`` and the documentation."""
    return {f.name: f.metadata["help"] for f in fields(Settings) if "help" in f.metadata}
