"""Runs a model's Jinja template in jinja2's immutable sandbox, with a deadline.

Templates come from model files that anyone may have written. The sandbox keeps them away from Python. The
trial child finds a template that never ends or fills the memory: it renders each once, with little memory.
The bounds here stop a template that becomes so with a later conversation.

This module imports jinja2 and is itself imported when a template is first compiled.
"""

import contextlib
import ctypes
import json
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.exceptions import TemplateSyntaxError
from jinja2.ext import Extension
from jinja2.meta import find_undeclared_variables
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from chatcli.errors import TemplateError

MAX_SOURCE = 1_000_000  # characters; the longest real chat templates have about 25,000
_SECONDS = 10.0  # for one rendering; real ones take milliseconds
_MAX_TEXT = 4_000_000  # characters of the output, beyond what the conversation itself holds
_MAX_ITEMS = 100_000_000  # of one sum or product
_MAX_BITS = 100_000  # of one number
_TOO_LARGE = "the chat template makes too long a text; it was stopped"


class Refused(JinjaError):
    """The template called ``raise_exception``: it does not accept this conversation."""


class Runaway(TemplateError):
    """A rendering was stopped: it took too long or made too much."""


class _Stopped(BaseException):
    """Raised inside a rendering from outside. No ``except Exception`` may catch it."""


class _Generation(Extension):
    """``{% generation %}``: marks assistant text for trainers; here its body is simply rendered."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """Render the body in a scope of its own."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox as transformers sets it up. Operators are bounded: one C call cannot be interrupted."""

    intercepted_binops = frozenset({"*", "+", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,  # nothing is computed while compiling
            extensions=[_Generation, "jinja2.ext.loopcontrols"],
        )
        self.globals["raise_exception"] = _refuse
        self.globals["strftime_now"] = _strftime_now
        self.filters["tojson"] = _to_json

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Compute an operator unless the result is huge."""
        _refuse_huge(operator, left, right)
        return super().call_binop(context, operator, left, right)


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
        if len(source) > MAX_SOURCE:
            raise TemplateError(
                f"the chat template is too long ({len(source):,} characters, limit {MAX_SOURCE:,})"
            )
        environment = _Environment()
        try:
            self.variables = frozenset(find_undeclared_variables(environment.parse(source)))
            self.unknown = self.variables - set(environment.globals)
            self._template = environment.from_string(source)
        except TemplateSyntaxError as error:
            raise TemplateError(f"chat template, line {error.lineno}: {error.message}") from error
        except MemoryError:
            raise Runaway(_TOO_LARGE) from None
        except (RecursionError, SyntaxError, ValueError, OverflowError) as error:
            raise TemplateError(f"the chat template does not compile: {_reason(error)}") from error

    def render(self, variables: Mapping[str, Any], characters: int = 0) -> str:
        """The template's text for these variables.

        Args:
            variables: by name.
            characters: length of the conversation's texts; the output may hold them several times.

        Raises:
            Refused: the template raised an exception of its own.
            Runaway: it takes too long or makes too much.
            TemplateError: it fails otherwise.
        """
        pieces: list[str] = []
        room = _MAX_TEXT + 8 * characters
        try:
            with _deadline(_SECONDS):
                for piece in self._template.generate(**variables):
                    pieces.append(piece)
                    room -= len(piece)
                    if room < 0:
                        raise MemoryError
        except Refused:
            raise
        except _Stopped:
            raise Runaway(
                f"the chat template took more than {_SECONDS:.0f} seconds; it was stopped"
            ) from None
        except MemoryError:
            raise Runaway(_TOO_LARGE) from None
        except Exception as error:  # a template can raise anything
            raise TemplateError(f"the chat template fails: {_reason(error)}") from error
        return "".join(pieces)


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise ``_Stopped`` in this thread when the block takes longer; works in any thread, on any system."""
    thread, lock = threading.get_ident(), threading.Lock()
    running = True

    def stop() -> None:
        with lock:
            if running:
                raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
                raise_in(ctypes.c_ulong(thread), ctypes.py_object(_Stopped))

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            running = False
        timer.cancel()  # an exception that is on its way arrives in this call at the latest


def _refuse_huge(operator: str, left: Any, right: Any) -> None:
    """Raise MemoryError where an operator would make a huge value."""
    if isinstance(left, int) and isinstance(right, int):
        factor = max(right, 1) if operator == "**" else 1
        if left.bit_length() * factor + right.bit_length() > _MAX_BITS:
            raise MemoryError
    elif operator == "*":
        count, sequence = (left, right) if isinstance(left, int) else (right, left)
        if isinstance(count, int) and hasattr(sequence, "__len__") and count * len(sequence) > _MAX_ITEMS:
            raise MemoryError
    elif operator == "+" and sum(len(v) for v in (left, right) if hasattr(v, "__len__")) > _MAX_ITEMS:
        raise MemoryError


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
