"""How pictures stand on the tape of tokens: each cell of the memory that shows one has a negative id.

The ids are made from what is shown (a part of a picture, by its hash), not given out in turn. So cells are
compared like tokens, in this process and with a state that another one saved, and what is found equal shows
the same. Bit 0 is set in the first cell of a chunk, which is the least that can be put in or taken out.
"""

import hashlib
from array import array
from collections.abc import Sequence

_SIGN, _FIRST = -(2**31), 1


def cell_ids(shown: str, count: int) -> list[int]:
    """The ids of the cells of a chunk.

    Args:
        shown: says which picture and which chunk of it.
        count: how many cells, at least one.
    """
    drawn = array("I", hashlib.shake_256(shown.encode()).digest(4 * count))
    ids = [_SIGN | (number & 0x7FFFFFFE) for number in drawn]
    ids[0] |= _FIRST
    return ids


def is_cell(token: int) -> bool:
    """Whether this is the id of a cell that shows a part of a picture."""
    return token < 0


def begins_chunk(token: int) -> bool:
    """Whether this is the first cell of a chunk."""
    return token < 0 and bool(token & _FIRST)


def chunk_start(ids: Sequence[int], at: int) -> int:
    """The nearest place at or before ``at`` where a tape can be cut: not inside a chunk."""
    while 0 < at < len(ids) and is_cell(ids[at]) and not begins_chunk(ids[at]):
        at -= 1
    return at
