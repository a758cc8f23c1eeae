"""Which files of a repository are a model: by quantization, parts, and the projector that belongs to it.

Which file a name means follows llama.cpp (``common/download.cpp``: Q4_K_M, then Q8_0, then the first model),
except that a quantization is compared as a whole, so that F16 is not BF16, and that nothing is guessed where
several files fit. Pure: nothing is opened here.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from chatcli.errors import ModelNotFound, UsageError
from chatcli.words import listed

#: Tried in this order where no quantization is named.
PREFERRED_TAGS = ("Q4_K_M", "Q8_0")
_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})", re.IGNORECASE)
_NOT_A_MODEL = re.compile(r"mmproj|imatrix", re.IGNORECASE)
_DRAFT = re.compile(r"(?:mtp|eagle3|dflash|dspark)-")
_QUANTIZATION = re.compile(
    r"(?<![A-Za-z0-9])((?:UD-)?(?:I?Q|TQ)\d+(?:_[A-Z0-9]+)*|B?F(?:16|32)|(?:MX|NV)?FP\d+)(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_MOST_LISTED = 24


@dataclass(frozen=True, slots=True)
class FileChoice:
    """The files of one model.

    Attributes:
        files: the file, or all parts of a split one in order: the first is the one to load.
        projector: the vision projector that belongs to it, if there is one.
    """

    files: tuple[str, ...]
    projector: str | None = None

    @property
    def all_files(self) -> tuple[str, ...]:
        """The files of the model, then its projector."""
        return (*self.files, *((self.projector,) if self.projector else ()))


def choose_files(listing: Iterable[str], tag: str | None = None) -> FileChoice:
    """The files of a repository that a quantization means.

    Args:
        listing: the paths of all files in the repository.
        tag: the quantization, compared without case and as a whole; None: Q4_K_M, then Q8_0, then the first.

    Raises:
        ModelNotFound: there is none of that quantization, or a part of it is missing; lists what there is.
        UsageError: several models fit; lists them.
    """
    paths = sorted(listing)
    models = _models(paths)
    if not models:
        raise ModelNotFound(
            "there is no GGUF model in this repository; look for one whose name ends in -GGUF"
        )
    for wanted in (tag,) if tag is not None else PREFERRED_TAGS:
        meant = fitting(models, wanted)
        if len(meant) > 1:
            raise UsageError(f"{wanted} fits several files, name one of them: {_listed(meant)}")
        if meant:
            return _choice(meant[0], models, paths)
    if tag is not None:
        there = {quantization(model) or model for model in models}
        raise ModelNotFound(f"there is no {tag} in this repository; there are {_listed(there)}")
    return _choice(next(iter(models)), models, paths)


def choose_file(listing: Iterable[str], file: str) -> FileChoice:
    """The named file, with the other parts if it is one of a split model.

    Raises:
        ModelNotFound: there is no such file, or a part of it is missing.
    """
    paths = sorted(listing)
    if file not in paths:
        models = _models(paths)
        there = f"there are {_listed(models)}" if models else "and no GGUF model at all"
        raise ModelNotFound(f"there is no file {file} in this repository; {there}")
    models = _models(paths)
    stem = _stem_and_parts(file)[0]
    return _choice(stem, models, paths) if stem in models else FileChoice((file,))


def quantization(path: str) -> str | None:
    """The quantization a file name tells, in capitals; the last one if it tells several."""
    found = _QUANTIZATION.findall(_stem_and_parts(path)[0].replace("-UD-", "/UD-"))
    return found[-1].upper() if found else None


def without_quantization(path: str) -> str:
    """A file's name without what tells its quantization."""
    return _QUANTIZATION.sub("", path)


def is_projector(path: str) -> bool:
    """Whether a file is a projector (for pictures or sound), by its name."""
    name = path.rpartition("/")[2].lower()
    return name.endswith(".gguf") and "mmproj" in name


def is_model(path: str) -> bool:
    """Whether a file is a model by its name, not a projector, an importance matrix or a draft."""
    name = path.rpartition("/")[2]
    return name.lower().endswith(".gguf") and not _NOT_A_MODEL.search(name) and not _DRAFT.search(name)


def nearest_projector(model: str, paths: Iterable[str]) -> str | None:
    """The projector in the model's folder or the nearest one above, of the closest bit width.

    Args:
        model: path of the model's first file in a repository.
        paths: files of the repository.
    """
    folder = model.rpartition("/")[0]
    near = [
        path
        for path in paths
        if is_projector(path)
        and f"{folder}/".startswith(path.rpartition("/")[0] + "/" if "/" in path else "")
    ]
    # BF16 is as wide as F16, but not every processor computes with it.
    return min(
        near,
        key=lambda path: (
            -path.count("/"),
            abs(_bits(path) - _bits(model)),
            quantization(path) == "BF16",
            path,
        ),
        default=None,
    )


def _stem_and_parts(path: str) -> tuple[str, int, int]:
    """A path without ``.gguf`` and part number; which part it is, and of how many."""
    stem = path[:-5] if path.lower().endswith(".gguf") else path
    split = _PART.fullmatch(stem)
    return (split[1], int(split[2]), int(split[3])) if split else (stem, 1, 1)


def _models(paths: Iterable[str]) -> dict[str, list[str]]:
    """The models among files: name without part and ending -> its parts in order."""
    models: dict[str, list[str]] = {}
    for path in paths:
        if is_model(path):
            models.setdefault(_stem_and_parts(path)[0], []).append(path)
    return models


def fitting(models: Collection[str], tag: str) -> list[str]:
    """The models a tag means: of that quantization, else with the tag as a whole in their name.

    Args:
        models: paths in a repository, without ``.gguf`` and the number of a part.
    """
    exact = [model for model in models if quantization(model) == tag.upper()]
    if exact:
        return exact
    # After an underscore only a quantization begins anew (E2B_q4_0), a part of one does not (Q4_K_M is no M).
    before = r"(?<![A-Za-z0-9])" if _QUANTIZATION.fullmatch(tag) else r"(?<![A-Za-z0-9_])"
    whole = re.compile(before + re.escape(tag) + r"(?![A-Za-z0-9_])", re.IGNORECASE)
    return [model for model in models if whole.search(model)]


def _choice(model: str, models: dict[str, list[str]], paths: Collection[str]) -> FileChoice:
    parts = models[model]
    count = _stem_and_parts(parts[0])[2]
    if [_stem_and_parts(part)[1:] for part in parts] != [(number + 1, count) for number in range(count)]:
        raise ModelNotFound(f"of the {count} parts of {model} some are missing: there are {_listed(parts)}")
    return FileChoice(tuple(parts), nearest_projector(parts[0], paths))


def _bits(path: str) -> int:
    digits = re.search(r"\d+", quantization(path) or "")
    return int(digits[0]) if digits else 0


def _listed(names: Iterable[str]) -> str:
    return listed(sorted(names), most=_MOST_LISTED)
