"""Grammars that constrain an answer: JSON schema to GBNF, and llama.cpp's own sampler for GBNF.

llama.cpp's grammars/README.md describes GBNF.
"""

import json
import os
import tempfile
from collections.abc import Callable
from typing import Any

from chatcli.engine.llama.native import Native, load
from chatcli.errors import UsageError
from chatcli.words import excerpt

_MAX_REASON = 120


def json_schema_to_grammar(schema: str) -> str:
    """Turn a JSON schema, as text, into a GBNF grammar whose sentences are JSON of that schema.

    Raises:
        UsageError: it is not JSON, the converter does not know it, or it refers outside the document.
    """
    try:
        parsed = json.loads(schema)
        json.dumps(parsed).encode()
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the JSON schema is not JSON: {_one_line(str(error))}") from error
    if not isinstance(parsed, dict):
        raise UsageError('the JSON schema must be an object such as {"type": "object"}')
    try:
        _refuse_foreign_references(parsed)
        return _convert(load().lib.llama_grammar.SchemaConverter, parsed)
    except UsageError:
        raise
    except Exception as error:  # the converter raises errors of any kind
        reason = _one_line(str(error)) or type(error).__name__
        raise UsageError(f"the JSON schema cannot be used: {reason}") from error


def grammar_sampler(native: Native, vocab: Any, grammar: str) -> Any:
    """Create llama.cpp's sampler for a grammar with a rule ``root``; the caller frees it.

    Raises:
        UsageError: llama.cpp does not accept the grammar; says why and where.
    """
    try:
        text = grammar.encode()
    except UnicodeEncodeError as error:
        raise UsageError("the grammar holds characters that are not Unicode") from error
    if not text.strip() or b"\0" in text:
        raise UsageError("the grammar is empty or holds a NUL character")
    native.log.clear()
    sampler, said = _with_stderr(lambda: native.lib.llama_sampler_init_grammar(vocab, text, b"root"))
    if not sampler:
        raise UsageError(f"the grammar is invalid: {_reason(said, native.log.problems(), grammar)}")
    return sampler


def _convert(converter_class: Any, schema: dict[str, Any]) -> str:
    """Run the binding's converter, with two of its faults (0.3.36) repaired.

    It does not escape backslashes in literals, and it allows raw control characters in strings. Sentences of
    such a grammar need not be JSON.
    """

    class Converter(converter_class):  # type: ignore[misc]
        def _format_literal(self, literal: str) -> str:
            escaped = _readable(literal).replace("\\", "\\\\").replace('"', '\\"')
            return '"' + escaped.replace("\r", "\\r").replace("\n", "\\n") + '"'

    converter = Converter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
    converter.visit(converter.resolve_refs(schema, "stdin"), "")
    grammar: str = converter.format_grammar()
    return grammar.replace('char ::= [^"\\\\]', 'char ::= [^"\\\\\\x7F\\x00-\\x1F]')


def _readable(literal: str) -> str:
    """JSON text with letters instead of \\u escapes, as models write it."""
    try:
        readable = json.dumps(json.loads(literal), ensure_ascii=False)
        readable.encode()
    except ValueError:  # not JSON but a single character, or a lone surrogate
        return literal
    return readable


def _refuse_foreign_references(node: Any) -> None:
    # The converter guards its download with an assert, which python -O removes.
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#/"):
            raise UsageError(f"the JSON schema refers to {reference}; only references inside it (#/...) work")
        for value in node.values():
            _refuse_foreign_references(value)
    elif isinstance(node, list):
        for value in node:
            _refuse_foreign_references(value)


def _with_stderr(call: Callable[[], Any]) -> tuple[Any, str]:
    """Call a C function and catch what it prints to file descriptor 2.

    llama.cpp's grammar parser prints its errors there instead of logging them.
    """
    with tempfile.TemporaryFile() as caught:
        try:
            saved = os.dup(2)
        except OSError:  # no stderr at all
            return call(), ""
        try:
            os.dup2(caught.fileno(), 2)
            result = call()
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        caught.seek(0)
        return result, caught.read().decode("utf-8", "replace")


def _reason(said: str, logged: list[str], grammar: str) -> str:
    """llama.cpp's reason in one line, with line and column instead of the rest of the source."""
    _, parse_error, detail = said.partition("error parsing grammar: ")
    if not parse_error:
        return _one_line(logged[0]) if logged else "llama.cpp gives no reason"
    problem, at, rest = detail.partition(" at ")
    rest = rest.removesuffix(f"\n\n{grammar}\n")
    if at and grammar.endswith(rest):
        before = grammar[: len(grammar) - len(rest)]
        column = len(before) - before.rfind("\n")
        return f"line {before.count(chr(10)) + 1}, column {column}: {_one_line(problem)}"
    return _one_line(detail.split("\n", 1)[0])


def _one_line(text: str) -> str:
    return excerpt(text, _MAX_REASON)
