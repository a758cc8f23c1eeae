"""What was written once is read for ever."""

import hashlib

from chatcli.feedback.codec import decode, encode

from .golden import GOLDEN, golden_records


def test_the_first_schema_is_read_for_ever() -> None:
    """Every field of every kind, as first written. A new schema adds a file; this one stays."""
    content = GOLDEN.read_bytes()
    assert (
        hashlib.sha256(content).hexdigest()
        == "c852e5d2fa85ba57a72fa98244790a5998a3a11d3f2a2d5209d6278af693d748"
    )
    lines = content.removesuffix(b"\n").split(b"\n")
    assert [decode(line) for line in lines] == golden_records()
    assert [encode(record) for record in golden_records()] == lines
