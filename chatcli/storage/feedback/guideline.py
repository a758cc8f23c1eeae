"""The labelling instructions: what makes an answer good, and which text a judge followed.

Clear instructions decide how well judgements agree, with those of others and with one's own of last month, so
every record names the version in force. The three aims, and that they yield to each other case by case, are
those of Askell et al., "A General Language Assistant as a Laboratory for Alignment" (arXiv 2112.00861).
"""

import hashlib
from contextlib import suppress
from pathlib import Path

from chatcli.errors import StorageError
from chatcli.feedback.answers import well_formed
from chatcli.files.disk import read_regular, storage_error
from chatcli.files.replace import atomic_write

#: The text until the user writes another. A paragraph is one line, for screens of any width.
DEFAULT = """\
# What makes an answer good

Judge the answer, not the topic, and not whether you like what is true. Read all of it first.

**Helpful.** It does what was asked, the way it was asked, and no more than is of use. It is as long \
as it must be. Where the question can be read in two ways it says which one it took, or asks.

**Honest.** What it says is right, as far as you can tell. It says what it does not know, invents no \
facts, names or sources, and sounds as sure as it can be.

**Harmless.** It helps nobody to hurt people or to deceive them, and it is civil. To refuse what is \
harmless is a fault too.

Good: you would send it on as it is, but for trifles. Bad: it is wrong, beside the point or unfit to \
be used. When the three pull apart: a harmful answer is bad however helpful it is, and a wrong one \
however well it reads.

Comparing two: take the one you would rather have been given. Length, headings and a friendly tone \
are worth nothing by themselves. Call it a tie when you cannot tell, and both bad when you would use \
neither.

On a scale: 1 useless or worse, 3 mostly wrong, 5 half of what was wanted, 6 just good enough, 8 \
good, 10 nothing to improve.

Give a reason when you can name it. Leave unjudged what you cannot judge.
"""


def version_of(text: str) -> str:
    """The version of a text: its SHA-256, in hex. Line endings and white space at the end do not count."""
    lines = well_formed(text).replace("\r\n", "\n").rstrip()
    return hashlib.sha256(lines.encode()).hexdigest()


def short(version: str) -> str:
    """The beginning of a version, for people."""
    return version[:12]


class GuidelineFile:
    """The labelling instructions.

    Args:
        path: the text; without the file ``DEFAULT`` is in force.
        former: folder with the text of each version, so that a record can be understood years later.
    """

    def __init__(self, path: Path, former: Path) -> None:
        self.path = path
        self._former = former

    def read(self) -> str:
        """The text in force.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            return read_regular(self.path).decode("utf-8", "replace").removeprefix("\ufeff")
        except FileNotFoundError:
            return DEFAULT
        except OSError as error:
            raise storage_error("read", self.path, error) from error

    def write(self, text: str) -> None:
        """Put another text in force.

        Raises:
            StorageError: it cannot be written; the former text stays.
        """
        atomic_write(self.path, text.rstrip().encode("utf-8", "replace") + b"\n")

    def version(self) -> str | None:
        """The version in force, or None if it cannot be read. Keeps a copy of its text."""
        try:
            text = self.read()
        except StorageError:
            return None
        version = version_of(text)
        copy = self._former / f"{short(version)}.md"
        if not copy.exists():
            with suppress(StorageError):  # the next judgement tries again
                atomic_write(copy, text.encode("utf-8", "replace"))
        return version
