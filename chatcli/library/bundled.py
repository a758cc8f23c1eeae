"""The model that comes with the program, so that everything works offline from the first minute."""

from pathlib import Path

NAME = "lkjsxclm"
FILE = "lkjsxclm-q8_0.gguf"


def bundled_model() -> Path:
    """Path of the bundled model: inside the installed package, else in the checkout the package runs from."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "data" / FILE
    return installed if installed.exists() else package.parent / "models" / FILE
