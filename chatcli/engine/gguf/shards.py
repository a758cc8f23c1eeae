"""Models split over several files: find the siblings of a shard and read their headers."""

from chatcli.engine.gguf.header import Header, ValueType
from chatcli.engine.gguf.reader import quote, read_header
from chatcli.errors import InvalidModel, ModelNotFound

MAX_SHARDS = 4096


def read_shards(first: Header) -> tuple[Header, ...]:
    """All headers of a model, the given one first; just that one for a model in one file.

    Args:
        first: header of the model's first file.

    Raises:
        InvalidModel: ``first`` is not the first shard, or a sibling is missing or another file than its name
            says.
    """
    split = first.split
    if split is None:
        return (first,)
    shown = quote(first.path.name)
    if split.number != 0:
        beginning = quote(first.shard_path(0).name)
        raise InvalidModel(
            f"{shown}: it is part {split.number + 1} of {split.of}; give the first: {beginning}"
        )
    if split.of > MAX_SHARDS:
        raise InvalidModel(f"{shown}: it claims to be split over {split.of} files, which is senseless")
    if first.shard_path(0).name != first.path.name:
        raise InvalidModel(
            f"{shown}: a model split over {split.of} files must keep its name, which ends in "
            f"-00001-of-{split.of:05d}.gguf"
        )
    headers = [first, *(_sibling(first, index) for index in range(1, split.of))]
    expected = first.integer("split.tensors.count")
    found = sum(len(header.tensors) for header in headers)
    if expected != found:
        raise InvalidModel(f"{shown}: the split model has {found} tensors and should have {expected}")
    return tuple(headers)


def _sibling(first: Header, index: int) -> Header:
    path = first.shard_path(index)
    try:
        header = read_header(path)
    except ModelNotFound:
        raise InvalidModel(
            f"{quote(first.path.name)}: a part of the model is missing beside it: {quote(path.name)}"
        ) from None
    # llama.cpp aborts when split.no of a sibling has another type.
    if header.types.get("split.no") != ValueType.UINT16 or header.integer("split.no") != index:
        raise InvalidModel(f"{quote(path.name)}: it is not part {index + 1} of the model it is named after")
    return header
