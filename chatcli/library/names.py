"""What models are called."""

from pathlib import Path

from chatcli.library.bundled import NAME as BUNDLED


def known_models(folder: Path) -> list[str]:
    """The bundled model and those in the models folder, by name."""
    return [BUNDLED, *(file.stem for file in sorted(folder.glob("*.gguf")))]
