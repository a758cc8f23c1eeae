"""Which projector a model is opened with: what lies with it, what the user names, or none."""

from collections.abc import Callable
from pathlib import Path

from chatcli.engine.gguf import Header, check_projector, projector, read_header
from chatcli.errors import ModelError, ModelNotFound
from chatcli.library.names.finding import Located
from chatcli.settings import AUTO_PROJECTOR, NO_PROJECTOR, Settings

#: Told one line about a projector that was found and cannot be used.
Tell = Callable[[str], None]


def projector_of(
    found: Located, settings: Settings, model: Header, tell: Tell | None = None
) -> Header | None:
    """The header of the projector to open a model with; None: the model is opened without.

    One that the user names must be one for this model. One that was found only counts if it is: text is read
    without it, so that a damaged or foreign file is told, and no error.

    Args:
        found: the model.
        settings: ``projector``: auto, none or a file.
        model: header of the model's first file.
        tell: called with the reason where a projector that was found is left out.

    Raises:
        ModelNotFound: the file that is named is not there.
        InvalidModel: it is no sane projector, or that of another model.
        ModelError: it cannot be read.
    """
    if settings.projector == NO_PROJECTOR:
        return None
    if settings.projector != AUTO_PROJECTOR:
        header = read_header(named_projector(settings.projector))
        check_projector(header, model)
        return header
    return sane_projector(found.projector, model, tell) if found.projector is not None else None


def sane_projector(path: Path, model: Header | None = None, tell: Tell | None = None) -> Header | None:
    """The header of a projector that was found; None: it has no part for pictures, or is not for this model.

    Args:
        path: the file.
        model: header of the model's first file; None: whatever model it is for.
        tell: called with the reason, unless the file is what a model hears with.
    """
    try:
        header = read_header(path)
        facts = projector(header)
        if facts.hears and not facts.sees:
            return None
        check_projector(header, model)
    except ModelError as error:
        if tell is not None:
            tell(str(error))
        return None
    return header


def named_projector(name: str) -> Path:
    """The file a user names.

    Raises:
        ModelNotFound: there is none.
    """
    try:
        path = Path(name).expanduser()
        there = path.is_file()
    except (RuntimeError, OSError, ValueError):  # ~nobody, too long a name, a NUL
        there = False
    if not there:
        raise ModelNotFound(f"no projector at {name}; name an mmproj file, or none, or auto")
    return path
