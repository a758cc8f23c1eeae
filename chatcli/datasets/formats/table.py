"""The table of formats. A format is imported when it is used: only its name is needed for help."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.datasets.formats.declaration import Format

#: Name -> module in this folder, and the format in it.
_TABLE = {
    "dpo": "trl.DPO",
    "kto": "trl.KTO",
    "reward": "trl.REWARD",
    "sft": "trl.SFT",
    "openai": "tuners.OPENAI",
    "axolotl": "tuners.AXOLOTL",
    "llama-factory": "tuners.LLAMA_FACTORY",
    "openrlhf": "trl.OPENRLHF",
    "hh-rlhf": "tuners.HH_RLHF",
    "arena": "judgements.ARENA",
    "openwebui": "judgements.OPENWEBUI",
    "raw": "judgements.RAW",
}


class _Formats(Mapping[str, "Format"]):
    def __getitem__(self, name: str) -> "Format":
        module, _, format_ = _TABLE[name].partition(".")
        found: Format = getattr(import_module(f"chatcli.datasets.formats.{module}"), format_)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_TABLE)

    def __len__(self) -> int:
        return len(_TABLE)


#: All formats by name.
FORMATS: Mapping[str, "Format"] = _Formats()


def format_named(name: str) -> "Format":
    """The format with this name.

    Raises:
        UsageError: there is no such format.
    """
    if name not in _TABLE:
        raise UsageError(f"no format {name!r}; known are {', '.join(_TABLE)}")
    return FORMATS[name]
