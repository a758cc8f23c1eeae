"""Opens files in xet storage, which sends compressed chunks from several hosts at once, through hf_xet."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from chatcli import __version__
from chatcli.library.hub.client import Content, RemoteFile
from chatcli.library.hub.errors import XetError

if TYPE_CHECKING:
    from huggingface_hub.utils._xet import XetFileData

#: Unless told otherwise hf_xet reports to its makers, retries for six minutes and buffers up to 6 GB.
_XET = {
    "telemetry.enabled": False,
    "client.retry_max_attempts": 1,
    "client.connect_timeout": "10s",
    "client.read_timeout": "30s",
    "reconstruction.download_buffer_size": 128_000_000,
    "reconstruction.download_buffer_perfile_size": 64_000_000,
    "reconstruction.download_buffer_limit": 512_000_000,
    "reconstruction.min_prefetch_buffer": 64_000_000,
}


@contextlib.contextmanager
def xet_content(file: RemoteFile, xet: "XetFileData", start: int, token: str | None) -> Iterator[Content]:
    """Open a file in xet storage.

    Args:
        xet: where it is, from the metadata of the file.
        start: first byte wanted.
        token: shown to the hub, which gives another one for the storage.

    Raises:
        XetError: it cannot be had there, whatever the reason.
    """
    agent = {"User-Agent": f"chatcli/{__version__}"}
    access = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        import hf_xet

        session = hf_xet.XetSession(hf_xet.XetConfig().with_config(_XET))
        group = session.new_download_stream_group(
            token_refresh_url=xet.refresh_route,
            token_refresh_headers={**agent, **access},
            custom_headers=agent,
        )
        chunks = group.download_stream(hf_xet.XetFileInfo(xet.file_hash, file.size), start=start)
    except Exception as error:  # a library in Rust, with errors of its own
        raise XetError(str(error)[:200]) from error
    # Cancelling the stream itself fails while another thread reads it.
    yield Content(start, _xet_chunks(chunks, file.size - start), group.abort, "xet storage")


def _xet_chunks(chunks: Iterator[bytes], wanted: int) -> Iterator[bytes]:
    """Chunks as they come. A storage that cannot be reached ends the stream early, without an error."""
    try:
        for chunk in chunks:
            wanted -= len(chunk)
            yield chunk
    except Exception as error:
        raise XetError(str(error)[:200]) from error
    if wanted > 0:
        raise XetError("it ended early")
