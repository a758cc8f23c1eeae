"""Prints one of README's first two commands, so that CI runs what a reader pastes.

Usage: readme_command.py chat|tests|environment
"""

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def commands(readme: str) -> dict[str, str]:
    """The commands of README's first two ``sh`` blocks, and the folder of the environment they make."""
    blocks = re.findall(r"^```sh\n(.+?)\n```$", readme, flags=re.MULTILINE | re.DOTALL)
    chat, tests = blocks[0], blocks[1]
    if "\n" in chat or "\n" in tests:
        raise SystemExit("README's first two commands must each be one line")
    environment = re.search(r"-m venv (\S+)", tests)
    if environment is None:
        raise SystemExit("README's test command makes no environment")
    return {"chat": chat, "tests": tests, "environment": environment[1]}


if __name__ == "__main__":
    print(commands(README.read_text(encoding="utf-8"))[sys.argv[1]])
