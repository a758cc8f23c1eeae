"""Runs a stranger's Jinja template within bounds: what it may touch, how long it runs, how much it makes.

Templates come from model files that anyone may have written. Jinja's immutable sandbox keeps them away from
Python, but not from running for ever or filling the memory. Three measures close that, none of which needs a
thread or a process that would have to be killed:

- every iteration of a loop and every call of a macro takes one from a budget of steps, and looks at the clock
  now and then (the compiled template is rewritten on its syntax tree to do so);
- everything that makes long values (``*``, ``+``, ``~``, ``%``, ``**``, slices, methods, filters, captured
  blocks) first checks how long the result will be;
- the output is consumed piece by piece and stops at its limit.

This module imports jinja2 and is itself imported when a template is first compiled.
"""

import ast
import functools
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import CodeType
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.exceptions import TemplateSyntaxError
from jinja2.ext import Extension
from jinja2.meta import find_undeclared_variables
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from chatcli.engine.llama.template_budget import Budget, Counted, Exceeded
from chatcli.errors import TemplateError

_UNNEEDED = ("urlize", "xmlattr", "pprint", "random", "wordwrap", "striptags", "forceescape")
# These look at their value or pass its items on; the others may write it out.
_READING = frozenset(
    [
        *("attr", "count", "length", "d", "default", "first", "last", "list", "items", "dictsort", "map"),
        *("select", "selectattr", "reject", "rejectattr", "reverse", "sort", "min", "max", "unique"),
        *("batch", "slice", "groupby"),
    ]
)
_SOURCE_LIMIT = 1_000_000


class Refused(JinjaError):
    """The template called ``raise_exception``: it does not accept this conversation."""


class Runaway(TemplateError):
    """A rendering was stopped at one of its bounds."""


class _Generation(Extension):
    """``{% generation %}``: marks assistant text for trainers; here its body is simply rendered."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """Render the body in a scope of its own."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox with a budget; the methods after ``_compile`` are called by compiled templates."""

    intercepted_binops = frozenset({"*", "+", "%", "**", "//", "-", "/"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,  # nothing is computed while compiling
            extensions=[_Generation, "jinja2.ext.loopcontrols"],
        )
        self.budget = Budget()
        self.concat = self.joined  # type: ignore[method-assign]
        self.globals.pop("lipsum")
        self.globals["raise_exception"] = _refuse
        self.globals["strftime_now"] = _strftime_now
        for name in _UNNEEDED:
            del self.filters[name]
        self.filters["tojson"] = _to_json
        for name, function in self.filters.items():
            self.filters[name] = self._guarded(name, function)

    def _compile(self, source: str, filename: str) -> CodeType:
        tree = ast.fix_missing_locations(Counted().visit(ast.parse(source)))
        return compile(tree, filename, "exec")

    def tick(self) -> bool:
        """Take one step."""
        return self.budget.tick()

    def measured(self, value: Any) -> Any:
        """A value that is built or written out."""
        return value if isinstance(value, str) else self.budget.tree(value)

    def copied(self, value: Any) -> Any:
        """A slice."""
        if isinstance(value, str | bytes):
            self.budget.text(len(value))
        elif isinstance(value, list | tuple):
            self.budget.items(len(value))
        return value

    def joined(self, values: Iterable[Any]) -> str:
        """The operator ``~``, and the end of a captured block."""
        parts = [value if isinstance(value, str) else str(self.budget.tree(value)) for value in values]
        self.budget.text(sum(map(len, parts)))
        return "".join(parts)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """An arithmetic operator, after checking how large its result will be."""
        if operator == "*":
            self.budget.product(left, right)
        elif operator == "+":
            self.budget.sum(left, right)
        elif operator == "%" and isinstance(left, str | bytes):
            self.budget.formatted(left, right)
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            self.budget.bits(left.bit_length() * max(right, 1))
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
        """A call, after checking how large its result will be."""
        self.budget.tick()
        for argument in (*args, *kwargs.values()):
            self.budget.number(argument)
        method = getattr(function, "__wrapped__", function)  # Jinja wraps str.format
        owner = getattr(method, "__self__", None)
        if isinstance(owner, str | bytes):
            self._text_method(owner, method.__name__, args, kwargs)
        result = super().call(context, function, *args, **kwargs)
        return self.budget.tree(result) if isinstance(result, dict) else result

    def _text_method(self, owner: Any, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        budget = self.budget
        if name == "replace" and len(args) >= 2:
            budget.text(_replaced_length(owner, *args[:2]))
        elif name == "join" and args and isinstance(args[0], list | tuple):
            budget.tree(args[0])
            budget.text(sum(len(a) for a in args[0] if isinstance(a, str)) + len(owner) * len(args[0]))
        elif name in ("format", "format_map"):
            budget.formatted(owner, (*args, kwargs))
        elif name == "expandtabs":
            width = next((a for a in (*args, *kwargs.values()) if isinstance(a, int)), 8)
            budget.text(len(owner) + owner.count("\t") * max(width, 0))
        elif name == "translate" and args:
            widest = max(map(len, filter(lambda v: isinstance(v, str), dict(args[0]).values())), default=1)
            budget.text(len(owner) * max(widest, 1))
        else:
            budget.text(len(owner))

    def _guarded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The filter, after checking its value and arguments."""
        passes_context = hasattr(function, "jinja_pass_arg")

        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            value, *others = args[1:] if passes_context else args
            self.budget.tick()
            for argument in (*others, *kwargs.values()):
                self.budget.number(argument)
            if name not in _READING:
                value = list(value) if hasattr(value, "__next__") else value  # generators are written once
                self.budget.tree(value)
                if name == "format" and isinstance(value, str):
                    self.budget.formatted(value, (*others, kwargs))
                self.budget.text(_filtered_length(name, value, [*others, *kwargs.values()]))
                args = (args[0], value, *others) if passes_context else (value, *others)
            return function(*args, **kwargs)

        return guarded


class Program:
    """A compiled template.

    Args:
        source: Jinja text.

    Attributes:
        variables: names the template reads without setting them.
        unknown: those of them that mean nothing to Jinja or to us.

    Raises:
        TemplateError: it does not compile; names line and reason.
    """

    def __init__(self, source: str) -> None:
        if len(source) > _SOURCE_LIMIT:
            raise TemplateError(f"the chat template is {len(source)} characters long; no sane one is")
        self._environment = _Environment()
        try:
            self.variables = frozenset(find_undeclared_variables(self._environment.parse(source)))
            self.unknown = self.variables - set(self._environment.globals)
            self._template = self._environment.from_string(source)
        except TemplateSyntaxError as error:
            raise TemplateError(f"chat template, line {error.lineno}: {error.message}") from error
        except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
            raise TemplateError(f"the chat template does not compile: {_reason(error)}") from error

    def render(self, variables: Mapping[str, Any], budget: Budget) -> str:
        """The template's text for these variables.

        Raises:
            Refused: the template raised an exception of its own.
            Runaway: it exceeds the budget.
            TemplateError: it fails otherwise.
        """
        self._environment.budget = budget
        pieces: list[str] = []
        length = 0
        try:
            for piece in self._template.generate(**variables):
                pieces.append(piece)
                length += len(piece)
                budget.tick()
                budget.output(length)
        except Refused:
            raise
        except Exceeded as error:
            raise Runaway(f"the chat template {error}; it was stopped") from error
        except Exception as error:  # a template can raise anything
            raise TemplateError(f"the chat template fails: {_reason(error)}") from error
        return "".join(pieces)


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _refuse(message: Any = "") -> None:
    raise Refused(str(message)[:500])


def _strftime_now(pattern: str) -> str:
    return datetime.now().strftime(str(pattern)[:200])


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as transformers' templates expect it: letters as they are, nothing escaped for HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _replaced_length(text: Any, old: Any, new: Any) -> int:
    old, new = str(old), str(new)
    text = text.decode("latin-1") if isinstance(text, bytes) else text
    count = text.count(old) if len(new) > len(old) else 0
    return len(text) + count * (len(new) - len(old))


def _filtered_length(name: str, value: Any, arguments: list[Any]) -> int:
    """About how long a filter's result is; the caller has measured the value."""
    text = value if isinstance(value, str) else ""
    widths = [a if isinstance(a, int) else len(a) for a in arguments if isinstance(a, int | str)]
    width = max(widths, default=4)
    if name == "replace" and len(arguments) >= 2:
        return _replaced_length(str(value), *arguments[:2])
    if name == "indent":
        return len(text) + width * (text.count("\n") + 1)
    if name == "join" and isinstance(value, list | tuple):
        return width * len(value) + sum(len(v) for v in value if isinstance(v, str))
    if name == "tojson" and isinstance(value, Mapping | list | tuple):
        return width * 100
    if name == "sum" and any(not isinstance(a, int | float | str) for a in arguments):
        raise Exceeded("sums what are not numbers")
    return len(text) + width
