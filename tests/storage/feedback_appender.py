"""A process that judges until it is killed, and acknowledges each judgement that was kept on stdout.

Usage: python -m tests.storage.feedback_appender FILE WRITER FIRST repaired|unrepaired
"""

import os
import random
import sys
import time
from pathlib import Path

from chatcli.chat.message import assistant, user
from chatcli.feedback.records import Record, Target, rating
from chatcli.storage.feedback.log import FeedbackLog
from tests.files.appender import RECORD_BYTES, no_repair, repair


def judgement(writer: str, number: int) -> Record:
    """A record that says who wrote it and its number, with a long answer."""
    answer = assistant(random.choice("abc") * random.randint(*RECORD_BYTES))
    target = Target(transcript=writer, messages=(number,))
    return rating([user("?")], answer, target, thumb=1, origin=f"import:{writer}", foreign_id=str(number))


def main() -> None:
    """Append, acknowledge ("a NUMBER"), for ever; pause, so that the disk is not all that is tested."""
    path, writer, first, mode = sys.argv[1:]
    log = FeedbackLog(Path(path), tail_repair={"repaired": repair, "unrepaired": no_repair}[mode])
    number = int(first)
    while True:
        log.append(judgement(writer, number))
        os.write(1, b"a %d\n" % number)
        number += 1
        time.sleep(random.random() * 0.03)


if __name__ == "__main__":
    main()
