"""Records as lines of JSON, both ways, and the JSON Schema of the format.

A lone surrogate, which UTF-8 cannot hold, is written as U+FFFD; the model was given the same. Fields of newer
versions are kept at every level, so reading and writing a record loses nothing.
"""

import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from chatcli.feedback.answers import RecordPart, well_formed
from chatcli.feedback.records import SCHEMA, Record

_KINDS: Mapping[str, type[RecordPart]] = {
    str(kind.__struct_config__.tag): kind for kind in typing.get_args(Record)
}
_DECODER: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
_EXTRA = "extra"
# An unknown field may itself be named "extra", even with escaped letters: such lines take the slow way.
_PLAIN_EXTRA, _ESCAPE = b'"extra"', b"\\u00"
_ESCAPED_LETTER = re.compile(rb"\\u00(?:6[15]|7[248])")
_FAULT = re.compile(r"(?P<what>.*) - at `\$\.?(?P<place>.*)`", re.DOTALL)


class NewerRecord(ValueError):
    """A record of a newer format that this version cannot read. It is not damaged.

    Attributes:
        schema: version of its format.
    """

    def __init__(self, schema: int, fault: str) -> None:
        self.schema = schema
        super().__init__(f"written by a newer version (schema {schema}): {fault}")


def encode(record: Record) -> bytes:
    """A record as one line of JSON, without a newline."""
    if not _has_extra(record):
        try:
            return msgspec.json.encode(record)
        except UnicodeEncodeError:
            pass
    return msgspec.json.encode(_plain(record))


def decode(line: bytes) -> Record:
    """The record of a line.

    Raises:
        NewerRecord: the record is of a newer version and cannot be read.
        ValueError: the line is not a record; the message says where and why.
        RecursionError: it is nested too deeply.
    """
    if _PLAIN_EXTRA not in line and not (_ESCAPE in line and _ESCAPED_LETTER.search(line)):
        try:
            return _DECODER.decode(line)
        except msgspec.ValidationError:
            pass  # faulty, or of a newer version
    return from_plain(msgspec.json.decode(line))


def from_plain(value: Any) -> Record:
    """The record of decoded JSON.

    Raises:
        NewerRecord, ValueError, RecursionError: as ``decode``.
    """
    if not isinstance(value, dict):
        raise ValueError("a record is an object in braces")
    kind, schema = value.get("kind"), value.get("schema")
    try:
        struct = _KINDS.get(kind) if isinstance(kind, str) else None
        if struct is None:
            known = ", ".join(_KINDS)
            fault = "is missing" if kind is None else f"unknown, {kind!r:.40}"
            raise ValueError(f"kind: {fault}; known are {known}")
        record: Record = msgspec.convert(_set_aside(value, struct), struct)  # type: ignore[assignment]
    except msgspec.ValidationError as error:
        fault = _plainly(str(error))
    except ValueError as error:
        fault = str(error)
    else:
        return record
    if isinstance(schema, int) and not isinstance(schema, bool) and schema > SCHEMA:
        raise NewerRecord(schema, fault)
    raise ValueError(fault)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record. Further fields are allowed everywhere.

    Descriptions are the first paragraphs of our docstrings. Those of msgspec differ between its versions.
    """
    (reference,), components = msgspec.json.schema_components([Record], ref_template="#/$defs/{name}")
    docstrings = {part.__name__: inspect.getdoc(part) or "" for part in _FIELDS}
    for name, component in components.items():
        component["description"] = " ".join(docstrings[name].partition("\n\n")[0].split())
        component["properties"].pop(_EXTRA, None)
        component["additionalProperties"] = True
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A record of chatcli's feedback log",
        **reference,
        "$defs": components,
    }
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(schema))  # defaults are tuples
    return plain


def _parts(value: Any) -> Iterator[RecordPart]:
    """A part and the parts in it."""
    if isinstance(value, RecordPart):
        yield value
        for name in value.__struct_fields__:
            inner = getattr(value, name)
            if isinstance(inner, (RecordPart, tuple)):
                yield from _parts(inner)
    elif isinstance(value, tuple):
        for item in value:
            yield from _parts(item)


def _has_extra(record: RecordPart) -> bool:
    return any(part.extra for part in _parts(record))


def _plain(value: Any) -> Any:
    """The value as msgspec would write it, with unknown fields in place and all text well-formed."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, dict):
        return {well_formed(str(name)): _plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if not isinstance(value, RecordPart):
        return value
    tag = value.__struct_config__
    fields: dict[str, Any] = {tag.tag_field: tag.tag} if tag.tag_field and tag.tag else {}
    for field in msgspec.structs.fields(value):
        item = getattr(value, field.name)
        if field.name != _EXTRA and not _is_default(item, field):
            fields[field.encode_name] = _plain(item)
    return fields | _plain(value.extra)


def _is_default(item: Any, field: msgspec.structs.FieldInfo) -> bool:
    if field.default is not msgspec.NODEFAULT:
        return bool(item is field.default or item == field.default)
    return field.default_factory is not msgspec.NODEFAULT and item == field.default_factory()


def _set_aside(value: Any, struct: type[RecordPart]) -> Any:
    """Decoded JSON of a part, with unknown fields moved into ``extra``."""
    if not isinstance(value, dict):
        return value
    inner = _FIELDS[struct]
    known, unknown = {}, {}
    for name, item in value.items():
        if name not in inner:
            unknown[name] = item
            continue
        part = inner[name]
        if part is None:
            known[name] = item
        elif isinstance(item, list):
            known[name] = [_set_aside(i, part) for i in item]
        else:
            known[name] = _set_aside(item, part)
    return {**known, _EXTRA: unknown} if unknown else known


def _part_in(annotation: Any) -> type[RecordPart] | None:
    """The type of part that a field holds: alone, in a list or optionally."""
    if isinstance(annotation, type) and issubclass(annotation, RecordPart):
        return annotation
    found = (_part_in(argument) for argument in typing.get_args(annotation))
    return next((part for part in found if part is not None), None)


def _fields(struct: type[RecordPart]) -> dict[str, type[RecordPart] | None]:
    """The fields of a part by their names in the file, each with the type of part that it holds, or None."""
    fields = {field.encode_name: _part_in(field.type) for field in msgspec.structs.fields(struct)}
    if (tag := struct.__struct_config__.tag_field) is not None:
        fields[tag] = None
    del fields[_EXTRA]
    return fields


def _kinds_of(struct: type[RecordPart]) -> Iterator[type[RecordPart]]:
    yield struct
    for derived in struct.__subclasses__():
        yield from _kinds_of(derived)


_FIELDS: Mapping[type[RecordPart], Mapping[str, type[RecordPart] | None]] = {
    s: _fields(s) for s in _kinds_of(RecordPart)
}


def _plainly(fault: str) -> str:
    """The message of msgspec, with the place first: ``score: Expected `int` <= 10``."""
    match = _FAULT.fullmatch(fault)
    if match is None:
        return fault.replace("`", "")
    place = re.sub(r"\[\.\.\.\]", ".*", match["place"])
    what = match["what"].replace("`", "")
    return f"{place}: {what}" if place else what
