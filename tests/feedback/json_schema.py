"""Checks a value against a JSON Schema (2020-12), as far as ours goes; any other keyword is an error."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
    "null": type(None),
}  # fmt: skip
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_SAID = {"$schema", "title", "description", "default", "$defs", "discriminator"}


def faults(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "$") -> Iterator[str]:
    """What of a value the schema does not allow; nothing if it is valid."""
    for keyword, wanted in schema.items():
        if keyword not in _SAID and not _holds(keyword, wanted, value, schema):
            yield f"{at}: {keyword} {wanted!r:.60}"
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        yield from faults(value, root["$defs"][name], root, at)
    if "anyOf" in schema:
        tried = [list(faults(value, option, root, at)) for option in schema["anyOf"]]
        if all(tried):
            yield from min(tried, key=len)
    if isinstance(value, dict):
        for name, item in value.items():
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties", True))
            yield from faults(item, inner if isinstance(inner, dict) else {}, root, f"{at}.{name}")
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        rest = schema.get("items", {}) or {}
        for index, item in enumerate(value):
            yield from faults(item, first[index] if index < len(first) else rest, root, f"{at}[{index}]")


def _holds(keyword: str, wanted: Any, value: Any, schema: dict[str, Any]) -> bool:
    match keyword:
        case "type":
            right = isinstance(value, _TYPES[wanted])
            return right and not (isinstance(value, bool) and wanted in ("integer", "number"))
        case "enum":
            return value in wanted
        case "required":
            return not isinstance(value, dict) or set(wanted) <= set(value)
        case "minItems" | "maxItems" | "minLength":
            length = len(value) if isinstance(value, (list, str)) else wanted
            return bool(length <= wanted if keyword == "maxItems" else length >= wanted)
        case "minimum" | "maximum":
            number = value if isinstance(value, (int, float)) else wanted
            return bool(number >= wanted if keyword == "minimum" else number <= wanted)
        case "format":
            assert wanted == "date-time"
            return _MOMENT.fullmatch(value) is not None
        case "items":
            return wanted is not False or len(value) <= len(schema.get("prefixItems", []))
        case "$ref" | "anyOf" | "properties" | "additionalProperties" | "prefixItems":
            return True
    raise AssertionError(f"this check does not know {keyword}")
