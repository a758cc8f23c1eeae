"""What one rendering of a stranger's template may use, and the steps that make a compiled template count."""

import ast
import re
import time
from collections.abc import ItemsView, KeysView, Mapping, ValuesView
from typing import Any

_STEPS = 500_000  # beyond 100 a message; real templates take about 10 a message
_SECONDS = 10.0
_STEPS_PER_LOOK = 256  # how often the clock is read
_LONGEST = 4_000_000  # characters of one value or of the output, beyond what the conversation itself holds
_MADE_PER_LONGEST = 100  # all values together
_MOST_ITEMS = 20_000  # of one list, beyond the messages
_MOST_NODES = 100_000  # of nested lists and mappings, counted as a tree, beyond the messages
_MOST_NUMBER = 100_000  # as an argument: a width, a count
_MOST_BITS = 4096
_LONG_WIDTH = re.compile(r"\d{5}|\*")


class Exceeded(Exception):
    """A bound was reached; the message says which."""


class Budget:
    """What one rendering may still use.

    Args:
        characters: length of the conversation's texts; the output may hold them several times.
        messages: how many there are.
        steps: loop iterations and macro calls.
        seconds: wall time.
    """

    def __init__(
        self, characters: int = 0, messages: int = 0, steps: int = _STEPS, seconds: float = _SECONDS
    ) -> None:
        self._steps = steps + 100 * messages
        self._longest = _LONGEST + 8 * characters
        self._left = _MADE_PER_LONGEST * self._longest
        self._most_items = _MOST_ITEMS + 4 * messages
        self._most_nodes = _MOST_NODES + 20 * messages + characters
        self._deadline = time.monotonic() + seconds

    def tick(self) -> bool:
        """Take one step; always True, so that it can stand in a condition.

        Raises:
            Exceeded: none is left, or the time is up.
        """
        self._steps -= 1
        if self._steps < 0:
            raise Exceeded("takes too many steps")
        if self._steps % _STEPS_PER_LOOK == 0:
            self._look()
        return True

    def _look(self) -> None:
        if time.monotonic() > self._deadline:
            raise Exceeded("takes too long")

    def text(self, length: int) -> None:
        """Allow a new text of this length.

        Raises:
            Exceeded: it, or all texts together, are longer than a template may make.
        """
        self._left -= length
        if length > self._longest or self._left < 0:
            raise Exceeded(f"makes a text of more than {self._longest} characters")
        if length > _MOST_NUMBER:
            self._look()

    def output(self, length: int) -> None:
        """Allow an output of this length so far.

        Raises:
            Exceeded: it is longer than a template may make.
        """
        if length > self._longest:
            raise Exceeded(f"writes more than {self._longest} characters")

    def items(self, count: int) -> None:
        """Allow a new list of this many items.

        Raises:
            Exceeded: more than a template may make.
        """
        self._left -= 4 * count
        if count > self._most_items or self._left < 0:
            raise Exceeded(f"makes a list of more than {self._most_items} items")

    def tree(self, value: Any) -> Any:
        """Allow a nested value that is built or about to be written out, and return it.

        A list that holds itself twice, some forty times over, is small in memory and endless as text.

        Raises:
            Exceeded: written out it is longer than a template may make.
        """
        if isinstance(value, str):
            return value
        stack: list[Any] = [value]
        nodes = characters = 0
        while stack:
            item = stack.pop()
            nodes += 1
            if nodes > self._most_nodes:
                raise Exceeded("makes a value that is too large")
            if isinstance(item, str | bytes):
                characters += len(item)
                if characters > self._longest:
                    raise Exceeded(f"makes a text of more than {self._longest} characters")
            elif isinstance(item, Mapping):
                stack.extend(item.keys())
                stack.extend(item.values())
            elif isinstance(item, list | tuple | set | frozenset | KeysView | ValuesView | ItemsView):
                stack.extend(item)
            elif type(item).__name__ == "Namespace":  # Jinja's; it shows its attributes
                stack.append(getattr(item, "_Namespace__attrs", None))
            elif isinstance(item, int) and item.bit_length() > _MOST_BITS:
                raise Exceeded("makes a number that is too large")
        self._left -= nodes
        return value

    def number(self, value: Any) -> None:
        """Allow an argument; a number is a width or a count.

        Raises:
            Exceeded: it would make a very long result.
        """
        if isinstance(value, int) and abs(value) > _MOST_NUMBER:
            raise Exceeded(f"uses a number beyond {_MOST_NUMBER} as an argument")

    def formatted(self, pattern: str | bytes, values: Any) -> None:
        """Allow a ``%`` or ``format`` of this pattern.

        Raises:
            Exceeded: a width in it is very large, or the values are.
        """
        text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
        if _LONG_WIDTH.search(text):
            raise Exceeded("uses a format with a very large width")
        self.tree(values)
        fields = text.count("%") + text.count("{")
        self.text(len(text) + min(fields, 1000) * _text_length(values))

    def product(self, left: Any, right: Any) -> None:
        """Allow ``left * right``.

        Raises:
            Exceeded: a text, list or number that is too large.
        """
        for value, times in ((left, right), (right, left)):
            if isinstance(times, int) and isinstance(value, str | bytes):
                self.text(len(value) * max(times, 0))
            elif isinstance(times, int) and isinstance(value, list | tuple):
                self.items(len(value) * max(times, 0))
                self.tree(value)
                self.items(_nodes(value) * max(times, 0))
        if isinstance(left, int) and isinstance(right, int):
            self.bits(left.bit_length() + right.bit_length())

    def bits(self, count: float) -> None:
        """Allow a number of this many bits.

        Raises:
            Exceeded: more than a template can have a use for.
        """
        if count > _MOST_BITS:
            raise Exceeded("makes a number that is too large")

    def sum(self, left: Any, right: Any) -> None:
        """Allow ``left + right``.

        Raises:
            Exceeded: a text or list that is too long.
        """
        if isinstance(left, str | bytes) and isinstance(right, str | bytes):
            self.text(len(left) + len(right))
        elif isinstance(left, list | tuple) and isinstance(right, list | tuple):
            self.items(len(left) + len(right))


def _nodes(value: Any) -> int:
    """Nodes of a value as a tree; the caller has checked that they are few."""
    if isinstance(value, Mapping):
        return 1 + sum(map(_nodes, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return 1 + sum(map(_nodes, value))
    return 1


def _text_length(value: Any) -> int:
    """Characters of the texts in a value; the caller has checked that they are few."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_text_length, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return sum(map(_text_length, value))
    return 20


class Counted(ast.NodeTransformer):
    """Rewrites a compiled template: each iteration and function takes a step, each new value is measured.

    The steps call methods of the name ``environment``, which Jinja binds in everything it compiles.
    """

    def _with_step(self, node: Any) -> Any:
        self.generic_visit(node)
        step = ast.Expr(_call("tick"))
        node.body.insert(0, ast.copy_location(step, node))
        return node

    visit_For = visit_While = visit_FunctionDef = _with_step

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """``str(x)`` writes a value out, ``str_join`` and ``markup_join`` are the operator ``~``."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in ("str_join", "markup_join") or getattr(node.func, "attr", "") == "extend":
            for argument in node.args:  # the tuple is Jinja's, not the template's
                super().generic_visit(argument)
        else:
            self.generic_visit(node)
        if name in ("str", "escape") and node.args:
            node.args[0] = _call("measured", node.args[0])
        if name in ("str_join", "markup_join"):
            return ast.copy_location(_call("joined", *node.args), node)
        return node

    def _measured(self, node: ast.expr) -> ast.expr:
        self.generic_visit(node)
        if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            return node
        return ast.copy_location(_call("measured", node), node)

    visit_List = visit_Tuple = visit_Dict = _measured

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """A slice is a copy."""
        self.generic_visit(node)
        if isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load):
            return ast.copy_location(_call("copied", node), node)
        return node


def _call(method: str, *arguments: ast.expr) -> ast.Call:
    function = ast.Attribute(ast.Name("environment", ast.Load()), method, ast.Load())
    return ast.Call(function, list(arguments), [])
