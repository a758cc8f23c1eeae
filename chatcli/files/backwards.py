"""The lines of a file from its end to its beginning, holding one line and one block at a time."""

from collections.abc import Iterator
from typing import BinaryIO

_BLOCK = 2**18


def lines_backwards(
    file: BinaryIO, longest: int, block: int = _BLOCK, *, end: int | None = None
) -> Iterator[bytes | None]:
    r"""The lines of a file without their ends, the last one first.

    Args:
        file: open for reading, at any place.
        longest: in bytes; in the place of a line that is longer stands None.
        block: bytes read at a time.
        end: position to begin at; None: where the file ends now.
    """
    at = file.seek(0, 2) if end is None else end
    tail: list[bytes] = []  # pieces of the line that goes on before what was read, the last piece first
    length, too_long, first = 0, False, True

    def line() -> bytes | None:
        return None if too_long else b"".join(reversed(tail))

    while at > 0:
        size = min(block, at)
        at -= size
        file.seek(at)
        parts = file.read(size).split(b"\n")
        for piece in reversed(parts[1:]):
            if not too_long:
                tail.append(piece)
            if not (first and not length and not piece):  # the end of the last line begins no other
                yield line() if length + len(piece) <= longest else None
            first, tail, length, too_long = False, [], 0, False
        length += len(parts[0])
        if length > longest:
            tail, too_long = [], True
        elif not too_long:
            tail.append(parts[0])
    if length or not first:
        yield line()
