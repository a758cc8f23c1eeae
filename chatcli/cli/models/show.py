"""``chatcli models show``: everything a model's header says, and what it will take of memory."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatcli.chat.formats.json_text import json_text
from chatcli.cli.models.context import AsJson, Name, Shelf, table
from chatcli.errors import ModelError
from chatcli.words import byte_size, excerpt

if TYPE_CHECKING:
    from chatcli.engine.gguf import Header
    from chatcli.library.names.finding import Located

_CONTEXTS = (4096, 16384)


def show(
    context: typer.Context,
    name: Name,
    template: Annotated[bool, typer.Option("--template", help="Print the chat template alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a model: metadata, formats of its tensors, estimated memory, licence, chat template."""
    from chatcli.engine.gguf import read_header, read_shards

    shelf = Shelf.of(context)
    found = shelf.find(name)
    shards = read_shards(read_header(found.path))
    if template:
        shelf.invocation.write((shards[0].chat_template or "") + "\n")
        return
    record = _record(shelf, found, shards)
    if as_json:
        shelf.invocation.write_bytes(json_text(record, indent=2).encode())
        return
    page = shelf.page()
    facts = [(label, str(record[key])) for label, key in _FACTS if record[key] not in (None, "", [])]
    facts += [("files" if i == 0 else "", file) for i, file in enumerate(record["files"])]
    facts += _about_projector(record["projector"])
    table(page, facts)
    page.text("\ntensors")
    rows = [(f"  {form}", str(t["count"]), byte_size(t["bytes"])) for form, t in record["tensors"].items()]
    table(page, rows, numbers=(1, 2))
    page.text("\nestimated memory (weights + cache + compute)")
    rows = [
        (f"  {m['context']} tokens, {m['cache_type']}", byte_size(m["total"]), _parts(m))
        for m in record["memory"]
    ]
    table(page, rows, numbers=(1,))
    page.text("\nmetadata")
    table(page, [(f"  {key}", value) for key, value in record["metadata"].items()])
    page.text("\nchat template")
    page.text(record["chat_template"] or "(none: the model continues a transcript, <user>...</user>)")
    page.show()


_FACTS = (
    ("name", "name"),
    ("architecture", "architecture"),
    ("parameters", "parameters"),
    ("quantization", "quantization"),
    ("context", "context"),
    ("vocabulary", "vocabulary"),
    ("licence", "license"),
    ("good for", "good_for"),
    ("store", "store"),
    ("repository", "repo"),
    ("size", "size_text"),
    ("sha256", "sha256"),
)


def _record(shelf: Shelf, found: "Located", shards: "Sequence[Header]") -> dict[str, Any]:
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
        "sha256": Checksums(shelf.invocation.paths.checksums).known(found.files),
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
    """What lets it see: the file's facts, or what is wrong with it; None: it has none."""
    from chatcli.engine.gguf import check_projector, read_header
    from chatcli.engine.memory.projector import projector_memory

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
    """What lets it see, a fact a row."""
    if record is None:
        return
    yield "projector", record["file"]
    if record["problem"]:
        yield "", f"cannot be used: {record['problem']}"
        return
    yield "", f"{record['kind']} {record['quantization']}, {byte_size(record['size'])}"
    memory = record["memory"]
    parts = " + ".join(byte_size(memory[part]) for part in ("weights", "compute"))
    yield "", f"estimated memory {byte_size(memory['total'])} ({parts})"
    sides = (
        f"trained on {record['image_size']} x {record['image_size']} pixels, " if record["image_size"] else ""
    )
    yield "pictures", f"{sides}up to {record['tokens']} tokens each"


def _memory(shards: "Sequence[Header]", trained: int) -> list[dict[str, Any]]:
    """Estimates at 4k, 16k and the full context, with a plain and a quantized cache."""
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


def _parts(memory: dict[str, Any]) -> str:
    return " + ".join(byte_size(memory[part]) for part in ("weights", "cache", "compute"))


def _shown(value: Any) -> str:
    """A value of the header in one line; of a long list its length."""
    from chatcli.engine.gguf import MetadataArray

    if isinstance(value, MetadataArray):
        if len(value) > 16:
            return f"{len(value)} x {value.type.name.lower()}"
        return ", ".join(map(str, value))
    text = str(value)
    return excerpt(text, 200)
