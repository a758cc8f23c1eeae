"""What ``chatcli models`` says and does about the files that let models see, as people run it."""

import json
import shutil
from pathlib import Path

import pytest

from chatcli.errors import ExitCode
from chatcli.library.catalog import entries
from tests.engine.projector_files import write_projector
from tests.library.disks import in_hub_cache, put
from tests.program import MODEL, run

_WIDTH = 384  # of the bundled model


@pytest.fixture
def projector(tmp_path: Path) -> Path:
    """A projector for the bundled model."""
    return write_projector(tmp_path / "eyes.gguf", width=_WIDTH)


@pytest.fixture
def disk(home: Path, projector: Path) -> Path:
    """A home with a model that sees, in two quantizations in the hub's cache, and one that does not."""
    cache = home / "nobody/.cache/huggingface/hub"
    content = MODEL.read_bytes()
    for file, data in (
        ("See-Q8_0.gguf", content),
        ("See-Q6_K.gguf", content + b"\0"),
        ("mmproj-F32.gguf", projector.read_bytes()),
    ):
        in_hub_cache(cache, "u/See-GGUF", file, data)
    put(home / "models/blind.gguf", content + b"\0\0")
    return home


def test_list_says_which_see(disk: Path) -> None:
    """For people and for programs; a projector of another model lets nothing see."""
    done = run(disk, "models", "list")
    lines = {line[2:].split()[0]: line for line in done.stdout.splitlines()}
    assert "sees pictures" in lines["u/See-GGUF:Q8_0"]
    assert "sees pictures" not in lines["blind"]
    write_projector(disk / "models/mmproj-blind.gguf", width=64)
    records = {r["name"]: r for r in json.loads(run(disk, "models", "list", "--json").stdout)["models"]}
    assert records["u/See-GGUF:Q6_K"]["sees"]
    assert records["u/See-GGUF:Q6_K"]["projector"].endswith("mmproj-F32.gguf")
    assert (records["lkjsxclm"]["sees"], records["lkjsxclm"]["projector"]) == (False, None)
    assert not records["blind"]["sees"]
    assert records["blind"]["projector"].endswith("mmproj-blind.gguf")


def test_show_tells_the_projector(disk: Path) -> None:
    """File, kind, size, memory and pictures; of one that cannot be used, why."""
    page = run(disk, "models", "show", "u/See-GGUF:Q8_0").stdout
    for said in (
        "mmproj-F32.gguf",
        "mlp F32, 676.5 kB",
        "estimated memory",
        "56 x 56 pixels",
        "up to 16 tokens",
    ):
        assert said in page
    record = json.loads(run(disk, "models", "show", "u/See-GGUF:Q8_0", "--json").stdout)["projector"]
    assert (record["kind"], record["image_size"], record["patch_size"]) == ("mlp", 56, 14)
    assert record["memory"]["total"] == record["memory"]["weights"] + record["memory"]["compute"]
    assert json.loads(run(disk, "models", "show", "blind", "--json").stdout)["projector"] is None
    write_projector(disk / "models/mmproj-blind.gguf", width=64)
    assert "cannot be used: mmproj-blind.gguf: it is the projector of another model" in " ".join(
        run(disk, "models", "show", "blind").stdout.split()
    )


def test_verify_reads_it_too(disk: Path) -> None:
    """Once, though two models have it; damage is damage."""
    done = run(disk, "models", "verify")
    assert done.stdout.count("mmproj-F32.gguf") == 1
    assert run(disk, "models", "verify", "u/See-GGUF:Q8_0").stdout.count("ok ") == 2
    (link,) = (disk / "nobody").rglob("mmproj-F32.gguf")
    with link.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    damaged = run(disk, "models", "verify", "u/See-GGUF:Q8_0")
    assert damaged.code == ExitCode.DATA
    assert "damaged" in damaged.stdout


@pytest.mark.parametrize("together", [True, False])
def test_it_goes_with_the_last_model(together: bool, disk: Path) -> None:
    """As long as another quantization needs it, it stays; what it frees is counted."""
    names = ["u/See-GGUF:Q8_0", "u/See-GGUF:Q6_K"]
    blobs = disk / "nobody/.cache/huggingface/hub/models--u--See-GGUF/blobs"
    if not together:
        assert run(disk, "models", "rm", names.pop(0), "-y").code == 0
        assert list(disk.rglob("mmproj-F32.gguf"))
        assert len(list(blobs.iterdir())) == 2
    size = sum(blob.stat().st_size for blob in blobs.iterdir())
    done = run(disk, "models", "rm", *names, "-y")
    assert done.code == 0
    assert not list(disk.rglob("mmproj-F32.gguf"))
    assert not blobs.exists()
    if not together:
        assert f"{size / 1e6:.1f} MB are free again" in done.stderr


def test_import_with_a_projector(home: Path, tmp_path: Path, projector: Path) -> None:
    """Where it lies by its name; copied, under a name that ties it to the model."""
    file = shutil.copy(MODEL, tmp_path / "m.gguf")
    imported = run(home, "models", "import", str(file), "--name", "own", "--projector", str(projector))
    assert "sees pictures with eyes.gguf" in imported.stderr
    shown = json.loads(run(home, "models", "show", "own", "--json").stdout)
    assert shown["projector"]["file"] == str(projector)
    copied = run(
        home, "models", "import", str(file), "--copy", "--name", "two", "--projector", str(projector)
    )
    assert copied.code == 0
    assert (home / "models/mmproj-two.gguf").read_bytes() == projector.read_bytes()
    shutil.copy(MODEL, home / "models/other.gguf")
    records = {r["name"]: r for r in json.loads(run(home, "models", "list", "--json").stdout)["models"]}
    assert {name: r["sees"] for name, r in records.items()} == {
        "lkjsxclm": False,
        "two": True,
        "other": False,
        "own": True,
    }
    assert run(home, "models", "rm", "own", "-y").code == 0
    assert projector.exists()
    assert run(home, "models", "rm", "two", "-y").code == 0
    assert [p.name for p in (home / "models").iterdir()] == ["other.gguf"]


def test_import_refuses_what_lets_nothing_see(home: Path, tmp_path: Path) -> None:
    """One line; and nothing is registered or copied."""
    file = shutil.copy(MODEL, tmp_path / "m.gguf")
    wrong = write_projector(tmp_path / "wide.gguf", width=512)
    for given, said in (
        (str(wrong), "512 wide"),
        (str(file), "not a projector"),
        ("no.gguf", "no projector at"),
    ):
        for more in ([], ["--copy"]):
            done = run(home, "models", "import", str(file), "--projector", given, *more)
            assert (done.code, done.stderr.count("\n")) == (ExitCode.MODEL, 1)
            assert said in done.stderr
    assert not (home / "models.json").exists()
    assert not (home / "models").exists()


def test_what_lies_beside_is_copied_too(home: Path, tmp_path: Path) -> None:
    """Where it certainly belongs to the model."""
    (tmp_path / "x").mkdir()
    file = shutil.copy(MODEL, tmp_path / "x/m-Q8_0.gguf")
    write_projector(tmp_path / "x/mmproj-m-F32.gguf", width=_WIDTH)
    assert run(home, "models", "import", str(file), "--copy").code == 0
    assert sorted(p.name for p in (home / "models").iterdir()) == ["m-Q8_0.gguf", "mmproj-m-Q8_0.gguf"]


def test_recommend_and_doctor_tell(home: Path) -> None:
    """Which of the catalogue see, and whether this build can."""
    seeing = {entry.name for entry in entries() if entry.vision}
    assert "gemma-4-e4b" in seeing
    lines = run(home, "models", "recommend", "--all").stdout.splitlines()
    assert {line.split()[0] for line in lines if "sees pictures" in line} == seeing
    assert "libmtmd" in run(home, "doctor").stdout
    assert json.loads(run(home, "doctor", "--json").stdout)["library"]["mtmd"] is True


def test_a_projector_that_changed_is_told_unless_it_was_named(disk: Path, tmp_path: Path) -> None:
    """Who names one file after another knows; one that is found should be the one it was."""
    other = write_projector(tmp_path / "other.gguf", width=_WIDTH, seed=5)
    ask = ("-n", "-m", "u/See-GGUF:Q8_0", "--max-tokens", "1", "ask", "Hello")
    assert run(disk, *ask).stderr == ""
    assert run(disk, "--mmproj", str(other), *ask).stderr == ""
    assert run(disk, *ask).stderr == ""
    [found] = disk.rglob("snapshots/*/mmproj-F32.gguf")
    found.unlink()
    shutil.copy(other, found)
    assert "the projector of u/See-GGUF:Q8_0 is another file" in run(disk, *ask).stderr
