"""``chatcli models show``: the header of a model, and the memory that it will take."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatcli.cli.models.context import ModelsContext, Name
from chatcli.cli.options import AsJson
from chatcli.errors import ModelError
from chatcli.words import byte_size, excerpt

if TYPE_CHECKING:
    from chatcli.engine.gguf import Header
    from chatcli.library.names.finding import Located

_CONTEXTS = (4096, 16384)


def show(
    context: typer.Context,
    name: Name,
    template: Annotated[bool, typer.Option("--template", help="Print only the chat template.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a model: metadata, tensor formats, estimated memory, licence, chat template."""
    from chatcli.engine.gguf import read_header, read_shards

    models = ModelsContext.of(context)
    found = models.find(name)
    shards = read_shards(read_header(found.path))
    if template:
        models.invocation.write((shards[0].chat_template or "") + "\n")
        return
    record = _record(models, found, shards)
    if as_json:
        models.invocation.write_json(record)
        return
    page = models.page()
    facts = [(_LABELS.get(key, key), str(record[key])) for key in _FACTS if record[key]]
    facts += [("files" if i == 0 else "", file) for i, file in enumerate(record["files"])]
    facts += _about_projector(record["projector"])
    page.table(facts)
    page.text("\ntensors")
    rows = [(f"  {form}", str(t["count"]), byte_size(t["bytes"])) for form, t in record["tensors"].items()]
    page.table(rows, numbers=(1, 2))
    page.text("\nestimated memory (weights + cache + compute)")
    rows = [
        (
            f"  {m['context']} tokens, {m['cache_type']}",
            byte_size(m["total"]),
            _sum(m, "weights", "cache", "compute"),
        )
        for m in record["memory"]
    ]
    page.table(rows, numbers=(1,))
    page.text("\nmetadata")
    page.table([(f"  {key}", value) for key, value in record["metadata"].items()])
    page.text("\nchat template")
    page.text(record["chat_template"] or "(none: the prompt is a transcript, <user>...</user>)")
    page.show()


# Keys of the record in the order of the page, and the labels that differ from the keys.
_FACTS = (
    *("name", "architecture", "parameters", "quantization", "context", "vocabulary"),
    *("license", "good_for", "store", "repo", "size_text", "sha256"),
)
_LABELS = {"license": "licence", "good_for": "good for", "repo": "repository", "size_text": "size"}


def _record(models: ModelsContext, found: "Located", shards: "Sequence[Header]") -> dict[str, Any]:
    from chatcli.engine.gguf.header import count_label
    from chatcli.engine.memory.dimensions import dimensions
    from chatcli.library.checksums import Checksums

    header, entry, model = shards[0], found.entry, found.model
    formats: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for tensor in (t for shard in shards for t in shard.tensors):
        formats[tensor.format_name] += 1
        sizes[tensor.format_name] += tensor.size
    size = sum(shard.file_size for shard in shards)
    return {
        "name": found.name,
        "architecture": header.architecture or None,
        "parameters": count_label(sum(shard.parameters for shard in shards)),
        "quantization": header.quantization or None,
        "context": header.context_length or None,
        "vocabulary": dimensions(header).vocabulary or None,
        "license": header.string("general.license") or (entry.license if entry else None),
        "good_for": entry.good_for if entry else None,
        "store": str(model.store) if model else None,
        "repo": model.repo or None if model else None,
        "size": size,
        "size_text": byte_size(size),
        "sha256": Checksums(models.invocation.paths.checksums).known(found.files),
        "files": [str(file) for file in found.files],
        "projector": _projector(found, header),
        "tensors": {form: {"count": n, "bytes": sizes[form]} for form, n in formats.most_common()},
        "memory": _memory(shards, header.context_length),
        "metadata": {
            key: _shown(value) for key, value in header.metadata.items() if "chat_template" not in key
        },
        "chat_template": header.chat_template,
    }


def _projector(found: "Located", model: "Header") -> dict[str, Any] | None:
    """Return the facts of the projector, or what is wrong with it; None if there is no projector."""
    from chatcli.engine.gguf import check_projector, read_header
    from chatcli.engine.memory.estimate import projector_memory

    if found.projector is None:
        return None
    record: dict[str, Any] = {"file": str(found.projector), "problem": None}
    try:
        header = read_header(found.projector)
        facts = check_projector(header, model)
    except ModelError as error:
        return record | {"problem": str(error)}
    memory = projector_memory(header)
    return record | {
        "kind": facts.kind,
        "quantization": header.quantization or None,
        "size": header.file_size,
        "image_size": facts.image_size or None,
        "patch_size": facts.patch_size,
        "tokens": facts.tokens,
        "memory": {"weights": memory.weights, "compute": memory.compute, "total": memory.total},
    }


def _about_projector(record: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Yield the rows about the projector."""
    if record is None:
        return
    yield "projector", record["file"]
    if record["problem"]:
        yield "", f"cannot be used: {record['problem']}"
        return
    yield "", f"{record['kind']} {record['quantization']}, {byte_size(record['size'])}"
    memory = record["memory"]
    yield "", f"estimated memory {byte_size(memory['total'])} ({_sum(memory, 'weights', 'compute')})"
    side = record["image_size"]
    trained = f"trained on {side} x {side} pixels, " if side else ""
    yield "pictures", f"{trained}up to {record['tokens']} tokens each"


def _memory(shards: "Sequence[Header]", trained: int) -> list[dict[str, Any]]:
    """Estimate the memory for 4k, 16k and the full context, with a plain and a quantized cache."""
    from chatcli.engine.llama.load_options import LoadOptions
    from chatcli.engine.memory.estimate import estimate

    contexts = [*(c for c in _CONTEXTS if not trained or c < trained), *([trained] if trained else [])]
    found = []
    for context in contexts:
        for kind in ("f16", "q8_0"):
            options = replace(LoadOptions(), context_size=context, kv_type_k=kind, kv_type_v=kind)
            guess = estimate(shards, options)
            parts = {"weights": guess.weights, "cache": guess.cache, "compute": guess.compute}
            found.append({"context": context, "cache_type": kind, **parts, "total": guess.total})
    return found


def _sum(memory: dict[str, Any], *parts: str) -> str:
    return " + ".join(byte_size(memory[part]) for part in parts)


def _shown(value: Any) -> str:
    """Return a value of the header in one line; for a long list its length and type."""
    from chatcli.engine.gguf import MetadataArray

    if isinstance(value, MetadataArray):
        if len(value) > 16:
            return f"{len(value)} x {value.type.name.lower()}"
        return ", ".join(map(str, value))
    return excerpt(str(value), 200)
