"""The wheel and the sdist carry what the program needs."""

import os
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, built offline."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=240,
    )
    return folder


def test_the_wheel_chats_outside_the_checkout(built: Path, tmp_path: Path) -> None:
    """Installed into an empty environment, far from the checkout, the program answers with its own model.

    The environment is empty of chatcli; its dependencies are those of the environment the tests run in, so
    that nothing is fetched or compiled again.
    """
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (wheel,) = built.glob("*.whl")
    site = Path(sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)}))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--no-index",
            "--target",
            str(site),
            str(wheel),
        ],
        check=True,
        capture_output=True,
    )
    # A plain line in a .pth adds the folder without the .pth files in it, which would lead to the checkout.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    variables = {"CHATCLI_HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]}
    where = subprocess.run(
        [python, "-c", "import chatcli.library.catalog as b; print(b.bundled_model())"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(environment)
    names = subprocess.run(
        [python, "-c", "import chatcli.library.catalog as c; print(c.find('qwen3.5-4b').reference)"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert names.stdout.strip().endswith(":Q4_K_M")
    done = subprocess.run(
        [python, "-m", "chatcli", "ask", "-t", "0", "Hello!"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=variables,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_sdist_can_be_worked_with(built: Path) -> None:
    """The source archive holds code, model, recipe, corpus, tests and documentation."""
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    for name in (
        *("chatcli/cli/main.py", "models/lkjsxclm-q8_0.gguf", "models/README.md", "models/lkjsxclm/train.py"),
        "models/catalog.toml",
        *("tests/test_wheel.py", "docs/design.md", "README.md", "LICENSE", "benchmarks/LOG.md", ".ci/run"),
    ):
        assert name in names, name
    assert sum(name.startswith("transcripts/") for name in names) >= 120
