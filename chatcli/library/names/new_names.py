"""New names for models. A name must not hide another model, and must be reachable itself."""

from chatcli.engine.registry import kind_of
from chatcli.errors import UsageError
from chatcli.library import catalog
from chatcli.library.catalog import BUNDLED
from chatcli.library.names.aliases import checked_name
from chatcli.library.stores import LocalModel, Places, local_models


def is_reserved(name: str) -> bool:
    """Whether a name cannot be the user's: it is a path or a place, or belongs to the program or the
    catalogue."""
    return _is_place(name) or name.lower() == BUNDLED or catalog.find(name) is not None


def _is_place(name: str) -> bool:
    """Whether a name is read as a path, as something on the hub, or as another kind of engine."""
    lower = name.lower()
    return (
        bool(set(name) & set("/\\"))
        or name.startswith((".", "~"))
        or lower.startswith("hf:")
        or kind_of(name) is not None
        or lower.endswith(".gguf")
    )


def free_name(name: str, places: Places, *, mine: LocalModel | None = None) -> str:
    """Check that a new name is free, aliases aside.

    Args:
        name: the new name.
        places: where models are.
        mine: the model that may go by it already.

    Raises:
        UsageError: it cannot be a name, is a path to the program, or is taken; says by what.
    """
    lower = checked_name(name).lower()
    if lower == BUNDLED:
        raise UsageError(f"{name} is the name of the model that comes with the program; choose another name")
    if _is_place(name):
        raise UsageError(f"{name} would be read as a path, or as user/repo; choose another name")
    if catalog.find(name) is not None:
        raise UsageError(f"{name} is a name of the catalogue; choose another name")
    for model in local_models(places):
        if model != mine and lower in {known.lower() for known in (model.name, *model.also)}:
            raise UsageError(f"{name} is the name of {model.path} already; choose another name")
    return name
