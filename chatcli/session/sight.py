"""Whether a model sees the pictures it is to be shown."""

from collections.abc import Iterable

from chatcli.chat.message import Picture
from chatcli.engine.base import Engine, no_vision_reason
from chatcli.errors import ModelError
from chatcli.words import listed


def check_sight(engine: Engine, pictures: Iterable[Picture]) -> None:
    """Refuse to show pictures to a model that would be told their names only.

    Raises:
        ModelError: there are some, and it cannot see them; says why, and what to do.
    """
    names = list(dict.fromkeys(picture.name for picture in pictures))
    if names and (reason := no_vision_reason(engine)):
        raise ModelError(
            f"{engine.model.name} cannot be shown {listed(names, most=1)}: {reason}; "
            "take a model that sees (/model, -m), or give this one its projector (--mmproj)"
        )
