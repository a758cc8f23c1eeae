"""The labelling instructions: what makes an answer good, and which text it was that a judge went by.

Clear instructions decide how well judgements agree, with others' and with one's own of last month, so every
record names the version in force. The three aims, and that they yield to each other case by case, are those
of Askell et al., "A General Language Assistant as a Laboratory for Alignment" (arXiv 2112.00861).
"""

import hashlib

from chatcli.feedback.answers import well_formed

#: In force until somebody writes their own. A paragraph is a line, for screens of any width.
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
_SHOWN = 12


def version_of(text: str) -> str:
    """The version of a text: its SHA-256, in hex. White space at its end and how lines end do not count."""
    lines = well_formed(text).replace("\r\n", "\n").rstrip()
    return hashlib.sha256(lines.encode()).hexdigest()


def short(version: str) -> str:
    """A version as people are shown it."""
    return version[:_SHOWN]
