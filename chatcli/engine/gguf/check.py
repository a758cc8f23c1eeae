"""Says what is wrong with a file where its header tells: the wrong kind of file, or an incomplete one.

These checks only give better sentences. What else may be wrong is found by the trial child, which loads an
unknown file before this process does.
"""

from chatcli.engine.gguf.header import Header
from chatcli.engine.gguf.projector import Projector, is_projector, projector, text_width
from chatcli.engine.gguf.reader import quote, read_header
from chatcli.errors import InvalidModel, ModelNotFound

MAX_SHARDS = 4096


def check(header: Header) -> tuple[Header, ...]:
    """Refuse what is not a complete model.

    Args:
        header: of the model's (first) file.

    Returns:
        The headers of all its files, the given one first.

    Raises:
        InvalidModel: with the file's name and one reason.
    """
    shards = read_shards(header)  # first: later parts of a model say nothing of what it is
    _refuse(header, _kind_problem(header))
    for shard in shards:
        _refuse(shard, _size_problem(shard))
    if not any(shard.tensors for shard in shards):
        vocabulary = "a vocabulary only, and " if "tokenizer.ggml.tokens" in header.metadata else ""
        _refuse(header, f"it holds {vocabulary}no weights")
    return shards


def check_projector(header: Header, model: Header | None = None) -> Projector:
    """Refuse what is not a complete projector with a part for pictures.

    Args:
        header: of the projector.
        model: of the text model's first file. None accepts a projector for any model.

    Returns:
        Its facts.

    Raises:
        InvalidModel: with the file's name and one reason.
    """
    facts = projector(header)
    if not is_projector(header):
        _refuse(header, "it is not a projector (mmproj), the file that lets a model see")
    if not facts.sees:
        _refuse(header, "it has no part for pictures" + (", only for sounds" if facts.hears else ""))
    _refuse(header, _size_problem(header))
    wanted = text_width(model) if model is not None else 0
    if model is not None and wanted and facts.width and wanted != facts.width:
        _refuse(
            header,
            f"it is the projector of another model: it makes tokens {facts.width} wide, "
            f"and {quote(model.path.name)} reads tokens {wanted} wide",
        )
    return facts


def read_shards(first: Header) -> tuple[Header, ...]:
    """All headers of a model, the given one first; just that one for a model in one file.

    Args:
        first: header of the model's first file.

    Raises:
        InvalidModel: ``first`` is not the first part, or another part is missing or not what its name says.
    """
    split = first.split
    if split is None:
        return (first,)
    beginning = first.shard_path(0).name
    if split.number != 0:
        _refuse(first, f"it is part {split.number + 1} of {split.of}; give the first: {quote(beginning)}")
    if split.of > MAX_SHARDS:
        _refuse(first, f"it claims to be split over {split.of} files (limit {MAX_SHARDS})")
    if beginning != first.path.name:
        ending = f"-00001-of-{split.of:05d}.gguf"
        _refuse(
            first, f"a model split over {split.of} files must keep its name, which ends in {quote(ending)}"
        )
    return (first, *(_sibling(first, index) for index in range(1, split.of)))


def _sibling(first: Header, index: int) -> Header:
    path = first.shard_path(index)
    try:
        header = read_header(path)
    except ModelNotFound:
        _refuse(first, f"a part of the model is missing beside it: {quote(path.name)}")
        raise
    if header.integer("split.no") != index:
        _refuse(header, f"it is not part {index + 1} of the model it is named after")
    return header


def _refuse(header: Header, problem: str) -> None:
    if problem:
        raise InvalidModel(f"{quote(header.path.name)}: {problem}")


def _kind_problem(header: Header) -> str:
    """What the file is if it is a GGUF but not a model; '' otherwise."""
    kind = header.string("general.type") or ""
    architecture = header.architecture
    if kind == "adapter" or "adapter.type" in header.metadata:
        return "it is a LoRA adapter, not a model; it is used together with the model it was trained on"
    if is_projector(header):
        return "it is the image or audio part (mmproj) of a model; choose the model's main file"
    if kind == "imatrix" or architecture == "imatrix":
        return "it is an importance matrix, used for making models; choose the model itself"
    if architecture == "controlvector":
        return "it is a control vector, not a model"
    if not architecture:
        return "it does not say its architecture (general.architecture is missing)"
    return ""


def _size_problem(header: Header) -> str:
    """Whether the file ends before its last tensor does. No padding is needed after that."""
    ends = (tensor.offset + tensor.size for tensor in header.tensors)
    needed = header.data_offset + max(ends, default=0)
    if needed > header.file_size:
        return f"the file is {header.file_size} bytes long, and its tensors need {needed}: it is incomplete"
    return ""
