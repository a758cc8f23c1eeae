"""The entry point of ``chatcli`` and ``python -m chatcli``."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Import the program and run it.

    Ctrl-C during the import ends the process as it ends a C program. Python's own handler would print a
    traceback, since ``cli/main.py`` cannot catch what happens before it is there.
    """
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from chatcli.cli.main import main as run

    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
