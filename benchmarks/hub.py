"""What huggingface_hub does when a download goes wrong, and what looking into its cache costs.

The reasons for what ``chatcli.library`` does itself: run it with a new huggingface_hub to see whether they
still hold. It asks a hub on this machine only.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.library.hub_server import Fault, HubServer, Repo
from tests.library.machine import CONTENT, HALF, MODEL

_DOWNLOAD = f"from huggingface_hub import hf_hub_download; print(hf_hub_download('u/r', {MODEL!r}))"
_HTTP_GET = """
import sys
from huggingface_hub.file_download import http_get
with open(sys.argv[1], "r+b") as file:
    file.seek(0, 2)
    http_get(sys.argv[2], file, resume_size=file.tell(), expected_size=int(sys.argv[3]))
"""


def _python(code: str, home: Path, hub: HubServer, *arguments: str) -> "subprocess.CompletedProcess[str]":
    variables = {**os.environ, "HF_HOME": str(home), "HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def _left(home: Path) -> int:
    """Bytes of the content that a failed download left."""
    return sum(p.stat().st_size for p in home.rglob("*") if p.is_file() and p.stat().st_size > 1000)


def _failed_download(home: Path) -> str:
    """A connection that is cut and a server that then refuses: what is kept for the next run."""
    with HubServer({"u/r": Repo({MODEL: CONTENT})}) as hub:
        hub.fail(Fault(cut=HALF), *[Fault(status=404)] * 20)
        done = _python(_DOWNLOAD, home, hub)
        return f"exit {done.returncode}, {_left(home):,} of {HALF:,} received bytes kept"


def _wrong_bytes(home: Path) -> str:
    """A byte is wrong on the way."""
    with HubServer({"u/r": Repo({MODEL: CONTENT})}) as hub:
        hub.fail(Fault(corrupt=True))
        done = _python(_DOWNLOAD, home, hub)
        same = done.returncode == 0 and Path(done.stdout.strip()).read_bytes() == CONTENT
        return f"exit {done.returncode}, the file is {'right' if same else 'wrong'}"


def _resumed(home: Path, fault: Fault) -> str:
    """``http_get(resume_size=...)`` on half a file, and a server with a fault."""
    partial = home / "partial"
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_bytes(CONTENT[:HALF])
    with HubServer({"u/r": Repo({MODEL: CONTENT})}) as hub:
        hub.fail(fault)
        url = f"{hub.endpoint}/u/r/resolve/main/{MODEL}"
        done = _python(_HTTP_GET, home, hub, str(partial), url, str(len(CONTENT)))
        same = partial.read_bytes() == CONTENT
        return f"exit {done.returncode}, {partial.stat().st_size:,} bytes, {'right' if same else 'wrong'}"


def _seconds(code: str) -> float:
    """The least of five runs of a fresh interpreter."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def _scans(root: Path) -> tuple[float, float]:
    """Seconds to scan a cache of 100 repositories: with scan_cache_dir, with ours."""
    for number in range(100):
        folder = root / f"models--u--r{number}"
        link = folder / "snapshots" / ("c" * 40) / f"m{number}-Q8_0.gguf"
        for path in (folder / "blobs" / f"{number:064x}", folder / "refs" / "main", link):
            path.parent.mkdir(parents=True, exist_ok=True)
        (folder / "blobs" / f"{number:064x}").write_bytes(b"GGUF")
        (folder / "refs" / "main").write_text("c" * 40)
        link.symlink_to(f"../../blobs/{number:064x}")
    theirs = (
        f"from huggingface_hub import scan_cache_dir; assert len(scan_cache_dir({str(root)!r}).repos) == 100"
    )
    ours = (
        "from pathlib import Path; from chatcli.library.stores.hub_cache import hub_models; "
        f"assert len(list(hub_models(Path({str(root)!r})))) == 100"
    )
    return _seconds(theirs), _seconds(ours)


def main() -> None:
    """Print a block for the log."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        print("| huggingface_hub alone | outcome |\n|---|---|")
        print(f"| cut after half, then refused | {_failed_download(home / 'a')} |")
        print(f"| one byte wrong on the way | {_wrong_bytes(home / 'b')} |")
        faults = {
            "all is sent, not the range": Fault(ignore_range=True, cut=HALF // 2),
            "another range is sent": Fault(wrong_range=True),
        }
        for what, fault in faults.items():
            print(f"| `http_get(resume_size=)`, {what} | {_resumed(home / 'c', fault)} |")
        theirs, ours = _scans(home / "hub")
        print(f"| 100 repositories: `scan_cache_dir`, ours (whole process) | {theirs:.3f} s, {ours:.3f} s |")


if __name__ == "__main__":
    main()
