"""Holds the code to docs/design.md: which room may import which, and who may import the heavy libraries."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "chatcli"
# The rooms from the ground floor up; a room may import itself and the rooms on lower floors.
FLOORS = (
    ("errors",),
    ("words", "sampling"),
    ("settings",),
    ("files",),
    ("chat",),
    ("engine", "feedback"),
    ("storage",),
    ("library",),
    ("datasets", "retrieval"),
    ("training", "tools"),
    ("session",),
    ("app",),
    ("terminal",),
    ("cli",),
)
ALLOWED = {
    room: {r for lower in FLOORS[:n] for r in lower} for n, floor in enumerate(FLOORS) for room in floor
}
DOORS = {
    "llama_cpp": ("engine/llama/native.py",),
    "huggingface_hub": ("library/hub/", "datasets/upload.py"),
    "hf_xet": ("library/hub/",),
    "httpx2": ("library/hub/", "engine/remote/"),
    "filelock": ("library/stores/", "files/"),
    "rich": ("terminal/", "cli/"),
    "markdown_it": ("terminal/",),
    "prompt_toolkit": ("terminal/",),
    "typer": ("cli/",),
    "jinja2": ("engine/llama/template",),
    "PIL": ("engine/pictures.py",),
    "torch": ("training/",),
    "transformers": ("training/",),
    "trl": ("training/",),
    "peft": ("training/",),
}
HEAVY = {
    *("llama_cpp", "huggingface_hub", "hf_xet", "httpx2", "prompt_toolkit", "jinja2", "PIL"),
    *("torch", "transformers", "numpy"),
}
# Modules that subclass what a heavy library offers; they are themselves imported only when needed.
LATE = {"engine/llama/template_sandbox.py": "chatcli.engine.llama.template_sandbox"}
FILES = sorted(PACKAGE.rglob("*.py"))


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every imported name of a file, and whether it is imported when the file is."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    deferred = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node not in deferred
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide which room is meant"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node not in deferred


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    """A module imports only from the rooms that docs/design.md places before its own."""
    room = _room(path)
    if room in {"__init__", "__main__"}:
        return
    for name, _ in _imports(path):
        parts = name.split(".")
        if parts[0] == "chatcli" and len(parts) > 1 and parts[1] not in {room, "__version__"}:
            if parts[1] == "words":  # numbers and lists as people read them; every room may say something
                continue
            assert parts[1] in ALLOWED[room], f"{path} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_libraries_have_one_door(path: Path) -> None:
    """Each heavy library is imported in one room only, and the heaviest never when a module is imported."""
    for name, at_import in _imports(path):
        top = name.split(".")[0]
        if top in DOORS:
            assert str(path.relative_to(PACKAGE).as_posix()).startswith(DOORS[top]), f"{path} imports {name}"
        late = _room(path) == "terminal" or path.relative_to(PACKAGE).as_posix() in LATE
        assert not (top in HEAVY and at_import and not late), f"{path} imports {name} early"
        assert not (at_import and name.startswith(tuple(LATE.values()))), f"{path} imports {name} early"


def test_help_loads_nothing_heavy() -> None:
    """``chatcli --help`` answers without loading the model library, the hub client or the line editor."""
    code = (
        "import sys\nsys.argv = ['chatcli', '--help']\nfrom chatcli.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"heavy = sorted({HEAVY!r} & set(sys.modules))\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "chatcli" in done.stdout


def test_no_import_circles() -> None:
    """No module imports itself through others."""
    names = {".".join(("chatcli", *p.relative_to(PACKAGE).with_suffix("").parts)): p for p in FILES}
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        targets = set()
        for imported, _ in _imports(path):
            known = imported if imported in names else imported.rpartition(".")[0]
            if known in names and known != name:
                targets.add(known)
        graph[name] = targets
    done: set[str] = set()
    while ready := {n for n in graph if n not in done and graph[n] <= done}:
        done |= ready
    assert done == set(graph), f"a circle among {sorted(set(graph) - done)}"


def _types(path: Path) -> Iterator[str]:
    """Names of the public classes and aliases of types that a module defines."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id


def test_a_public_type_has_one_meaning() -> None:
    """No two modules define public types of the same name."""
    places: dict[str, list[str]] = {}
    for path in FILES:
        for name in _types(path):
            if name[0].isupper() and not name.isupper():
                places.setdefault(name, []).append(str(path.relative_to(PACKAGE)))
    assert not {name: found for name, found in places.items() if len(found) > 1}
