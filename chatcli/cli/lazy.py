"""A group of commands whose modules are imported when their command runs, so that ``--help`` imports none."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class CommandSource(NamedTuple):
    """Where a command is declared, and its help.

    Attributes:
        module: the module to import.
        attribute: its function, or its ``typer.Typer`` with further commands.
        help: the help text, its first paragraph for lists of commands.
    """

    module: str
    attribute: str
    help: str


class LazyGroup(TyperGroup):
    """A group that knows the names and the help of its commands, and imports a command when it is called.

    A subclass names the commands in ``sources``.
    """

    sources: ClassVar[Mapping[str, CommandSource]] = {}

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        for name, source in self.sources.items():
            self.commands[name] = TyperCommand(name, help=source.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command to run, and import it."""
        if args[0] in self.sources:
            self.commands[args[0]] = self.load(args[0])
        return super().resolve_command(ctx, args)

    def load(self, name: str) -> Any:
        """Import a command and return it."""
        source = self.sources[name]
        target = getattr(import_module(source.module), source.attribute)
        parent = typer.Typer()
        if isinstance(target, typer.Typer):
            parent.add_typer(target, name=name, help=source.help)
        else:
            parent.command(name, help=source.help)(target)
        return typer.main.get_group(parent).commands[name]
