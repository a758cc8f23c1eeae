"""All formats by name."""

from collections.abc import Mapping

from chatcli.datasets.formats.declaration import Format
from chatcli.datasets.formats.hh import HH_RLHF
from chatcli.datasets.formats.judgements import ARENA, OPENWEBUI, RAW
from chatcli.datasets.formats.trl import DPO, KTO, OPENRLHF, REWARD, SFT
from chatcli.datasets.formats.tuners import AXOLOTL, LLAMA_FACTORY, OPENAI
from chatcli.errors import UsageError

FORMATS: Mapping[str, Format] = {
    f.name: f
    for f in (
        DPO, KTO, REWARD, SFT, OPENAI, AXOLOTL, LLAMA_FACTORY, OPENRLHF, HH_RLHF, ARENA, OPENWEBUI, RAW
    )
}  # fmt: skip


def format_named(name: str) -> Format:
    """The format of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in FORMATS:
        raise UsageError(f"there is no format {name!r}; known are {', '.join(FORMATS)}")
    return FORMATS[name]
