"""A process that appends numbered records until it is killed, and acknowledges each on stdout.

Usage: appender.py FILE WRITER FIRST repaired|unrepaired
"""

import os
import random
import sys
import zlib
from pathlib import Path

from chatcli.storage.durable import AppendFile, end_line

RECORD_BYTES = (10_000, 400_000)


def record(writer: str, number: int) -> bytes:
    """A line that proves itself: who wrote it, its number, a long body, the body's checksum."""
    body = bytes([random.randrange(97, 123)]) * random.randint(*RECORD_BYTES)
    return b"%s %d %s %08x\n" % (writer.encode(), number, body, zlib.crc32(body))


def main() -> None:
    """Announce each write ("w"), append, acknowledge ("a NUMBER")."""
    path, writer, first, mode = sys.argv[1:]
    log = AppendFile(Path(path), end_line if mode == "repaired" else lambda file, size: b"")
    number = int(first)
    while True:
        line = record(writer, number)
        os.write(1, b"w\n")
        log.append(line)
        os.write(1, b"a %d\n" % number)
        number += 1


if __name__ == "__main__":
    main()
