"""Nothing that only Unix has is needed to import the program."""

import subprocess
import sys

_IMPORT_ALL = """
import importlib, pkgutil, sys, types
import chatcli

def load():
    found = pkgutil.walk_packages(chatcli.__path__, "chatcli.")
    names = [m.name for m in found if not m.name.startswith("chatcli.training") and "__main__" not in m.name]
    return [importlib.import_module(name) for name in names]

load()  # what others wrote is there now
for name in [name for name in sys.modules if name.startswith("chatcli.")]:
    del sys.modules[name]
for name in ("fcntl", "termios", "tty", "pty", "resource", "pwd", "grp"):
    sys.modules[name] = None
sys.modules["msvcrt"] = types.ModuleType("msvcrt")
sys.platform = "win32"
print(len(load()))
"""


def test_every_module_can_be_imported_on_windows() -> None:
    """Without the modules that Python lacks there. This does not show that it works there."""
    done = subprocess.run([sys.executable, "-c", _IMPORT_ALL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
