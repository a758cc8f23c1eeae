"""``--review``: every row is looked at before it is written."""

from typing import Any

import msgspec

from chatcli.cli.invocation import Invocation

_HELP = "y keeps the row, n drops it, a keeps it and all that follow, q drops it and all that follow"


class Reviewer:
    """Asks about each row.

    Args:
        total: how many rows there are.
    """

    def __init__(self, invocation: Invocation, total: int) -> None:
        self._invocation = invocation
        self._total = total
        self._seen = 0
        self._all: bool | None = None

    def __call__(self, row: dict[str, Any]) -> bool:
        """Whether to keep a row."""
        if self._all is not None:
            return self._all
        self._seen += 1
        text = msgspec.json.format(msgspec.json.encode(row), indent=2).decode()
        self._invocation.note(f"\nrow {self._seen:,} of {self._total:,}\n{text}")
        while True:
            answer = ask(self._invocation, "keep it? [y/n/a/q/?] ")
            if answer in ("a", "q", ""):
                self._all = answer == "a"
            if answer in ("y", "n", "a", "q", ""):
                return answer in ("y", "a")
            self._invocation.note(_HELP)


def ask(invocation: Invocation, question: str) -> str:
    """The first letter of what a person answers, small; a line without one is ``?``, the end of input ''."""
    invocation.stderr.write(question)
    invocation.stderr.flush()
    line = invocation.stdin.readline()
    if not line:
        return ""
    return (line.decode("utf-8", "replace").strip().lower() or "?")[0]
