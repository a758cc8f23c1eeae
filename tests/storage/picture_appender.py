"""A process that keeps numbered messages with pictures until it is killed, and acknowledges each on stdout.

Usage: python -m tests.storage.picture_appender FOLDER WRITER FIRST MODE
"""

import hashlib
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from chatcli.chat.message import Picture, user
from chatcli.errors import ChatcliError
from chatcli.storage.transcripts.store import TranscriptStore


def survivors(folder: Path) -> Iterator[tuple[str, bool]]:
    """The messages that are there, and whether their pictures are too."""
    for path in sorted(folder.rglob("*.txt")):
        if not path.stat().st_size:  # killed before the first word
            continue
        for message in TranscriptStore(folder).read(path.stem).conversation.messages():
            try:
                yield message.content, all(shown.read and shown.read() for shown in message.pictures)
            except ChatcliError:
                yield message.content, False


def main() -> None:
    """Append, acknowledge ("a NUMBER"), for ever; now and then in a new conversation."""
    folder, writer, first, _mode = sys.argv[1:]
    store = TranscriptStore(Path(folder))
    number = int(first)
    while True:
        conversation, log = store.create()
        for _ in range(3):
            data = random.randbytes(random.randint(10_000, 1_000_000))
            shown = Picture(hashlib.sha256(data).hexdigest(), "noise.png", lambda data=data: data)  # type: ignore[misc]
            os.write(1, b"w\n")
            log.append(conversation.append(user(f"{writer} {number}", shown)))
            os.write(1, b"a %d\n" % number)
            number += 1
        log.close()


if __name__ == "__main__":
    main()
