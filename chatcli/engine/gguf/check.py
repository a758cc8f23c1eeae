"""Decides whether a file is a sane model before llama.cpp sees it, which some senseless headers make abort.

A rule about a model's numbers is one that llama.cpp itself insists on (llama-model.cpp,
llama-model-loader.cpp, llama-vocab.cpp), or it is applied to well-known architectures only: a good model of a
new kind must pass.
"""

from chatcli.engine.gguf.header import Header, ValueType
from chatcli.engine.gguf.hyperparameters import hyperparameter_problem, is_plain
from chatcli.engine.gguf.layout import format_problem, layout_problem
from chatcli.engine.gguf.reader import quote
from chatcli.engine.gguf.shards import read_shards
from chatcli.engine.gguf.vocabulary import vocabulary_problem
from chatcli.errors import InvalidModel

MAX_TEMPLATE = 1_000_000  # characters; the longest real chat templates have about 25,000


def check(header: Header) -> None:
    """Refuse what is not a complete, sane model that can answer.

    Reads the headers of the other files of a split model, and no tensor data.

    Args:
        header: of the model's (first) file.

    Raises:
        InvalidModel: with the file's name and one reason.
    """
    shards = read_shards(header)  # first: later parts of a model say nothing of what it is
    _refuse(header, _kind_problem(header))
    for shard in shards:
        _refuse(shard, layout_problem(shard))
    tensors = tuple(tensor for shard in shards for tensor in shard.tensors)
    _refuse(header, _emptiness_problem(header, bool(tensors)))
    _refuse(header, hyperparameter_problem(header, tensors))
    _refuse(header, format_problem(tensors, is_plain(header.architecture)))
    _refuse(header, vocabulary_problem(header))
    _refuse(header, _template_problem(header))


def _refuse(header: Header, problem: str) -> None:
    if problem:
        raise InvalidModel(f"{quote(header.path.name)}: {problem}")


def _kind_problem(header: Header) -> str:
    """What the file is, when it is a GGUF but not a model; '' otherwise."""
    kind = header.string("general.type") or ""
    architecture = header.architecture
    if kind == "adapter" or "adapter.type" in header.metadata:
        return "it is a LoRA adapter, not a model; it is used together with the model it was trained on"
    if kind in ("mmproj", "projector") or architecture in ("clip", "mmproj"):
        return "it is the image or audio part (mmproj) of a model; choose the model's main file"
    if kind == "imatrix" or architecture == "imatrix":
        return "it is an importance matrix, used for making models; choose the model itself"
    if architecture == "controlvector":
        return "it is a control vector, not a model"
    if "general.architecture" not in header.metadata:
        return "it does not say its architecture (general.architecture is missing)"
    if header.types["general.architecture"] != ValueType.STRING or not architecture:
        return "general.architecture is not a name"
    return ""


def _emptiness_problem(header: Header, tensors: bool) -> str:
    if tensors:
        return ""
    if "tokenizer.ggml.tokens" in header.metadata:
        return "it holds a vocabulary only, and no weights"
    return "it holds no weights"


def _template_problem(header: Header) -> str:
    for key, value in header.metadata.items():
        if key.startswith("tokenizer.chat_template") and isinstance(value, str) and len(value) > MAX_TEMPLATE:
            return f"its chat template has {len(value)} characters; more than {MAX_TEMPLATE} are senseless"
    if "tokenizer.chat_template" in header.metadata and header.chat_template is None:
        return "its chat template is not text"
    return ""
