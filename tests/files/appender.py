"""A process that appends numbered records until it is killed, and acknowledges each on stdout.

Usage: python -m tests.files.appender FILE WRITER FIRST repaired|unrepaired
"""

import os
import random
import sys
import time
import zlib
from pathlib import Path
from typing import BinaryIO

from chatcli.files.append import AppendFile, end_line

RECORD_BYTES = (10_000, 1_000_000)


def record(writer: str, number: int) -> bytes:
    """A line that proves itself: who wrote it, its number, a long body, the body's checksum."""
    body = bytes([random.randrange(97, 123)]) * random.randint(*RECORD_BYTES)
    return b"%s %d %s %08x\n" % (writer.encode(), number, body, zlib.crc32(body))


def repair(file: BinaryIO, size: int) -> bytes:
    """Called under the lock, just before the write: announce it ("w"), so that the killer can aim."""
    os.write(1, b"w\n")
    return end_line(file, size)


def no_repair(file: BinaryIO, size: int) -> bytes:
    """The control."""
    repair(file, size)
    return b""


def main() -> None:
    """Append, acknowledge ("a NUMBER"), for ever; pause, so that the disk is not all that is tested."""
    path, writer, first, mode = sys.argv[1:]
    log = AppendFile(Path(path), {"repaired": repair, "unrepaired": no_repair}[mode])
    number = int(first)
    while True:
        log.append(record(writer, number))
        os.write(1, b"a %d\n" % number)
        number += 1
        time.sleep(random.random() * 0.03)


if __name__ == "__main__":
    main()
