"""A model's vocabulary: text to token ids and back, and which ids are markup or parts of pictures.

A picture stands among token ids as *cells* with negative ids, one for each cell of the model's memory that it
fills. Their ids are made from the picture's hash, so that they compare like tokens, also with a state that
another process saved. Bit 0 is set in the first cell of a chunk, the least that can be put in or taken out.
"""

import ctypes
import hashlib
from array import array
from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any

from chatcli.engine.llama import native

_UNKNOWN, _NORMAL, _CONTROL, _USER_DEFINED, _BYTE = 1, 4, 8, 16, 32  # enum llama_token_attr
_SPECIAL = _UNKNOWN | _CONTROL | _USER_DEFINED  # what llama.cpp looks for in text before it tokenizes
_SPM, _BPE, _UGM = 1, 2, 4  # enum llama_vocab_type
_SPACE_MARK = "▁".encode()  # how SentencePiece vocabularies write a space
_SIGN, _FIRST_CELL = -(2**31), 1  # of a cell's id
# A continuation is tokenized behind one of these, whose ids are then dropped; rarely part of longer tokens.
_LEADS = (b"\n", b"\t", b"\x01", b"|", b"x")


class Vocabulary:
    """The vocabulary of a loaded model, given as ``llama_model`` pointer; valid as long as the model is.

    Attributes:
        bos, eos: ids of the begin and end tokens, or None.
        bos_text, eos_text: their text in a template; empty if there is none.
        add_bos: whether the model was trained with the begin token first.
    """

    def __init__(self, model: Any) -> None:
        self._lib: Any = native.load().lib
        self._vocab: Any = self._lib.llama_model_get_vocab(model)
        self.n_tokens = int(self._lib.llama_vocab_n_tokens(self._vocab))
        self._type = int(self._lib.llama_vocab_type(self._vocab))
        self._pieces: dict[int, bytes] = {}
        self.bos, self.bos_text = self._known(self._lib.llama_vocab_bos(self._vocab))
        self.eos, self.eos_text = self._known(self._lib.llama_vocab_eos(self._vocab))
        self.add_bos = bool(self._lib.llama_vocab_get_add_bos(self._vocab)) and self.bos is not None

    def _known(self, token: int) -> tuple[int | None, str]:
        """A token and its text; None and no text if the vocabulary has no such token."""
        if not 0 <= token < self.n_tokens:
            return None, ""
        return token, self.piece(token).decode("utf-8", "replace")

    def tokenize(
        self, text: str | bytes, *, parse_special: bool = False, add_special: bool = False
    ) -> list[int]:
        """Token ids of a text, as llama.cpp gives them.

        Args:
            text: lone surrogates become U+FFFD; bytes are taken as they are.
            parse_special: whether the text of a control token yields that token. User-defined tokens are
                found either way; only ``PromptBuilder`` keeps them out of content.
            add_special: whether to add the begin and end tokens if the vocabulary asks for them.
        """
        data = text if isinstance(text, bytes) else encode(text)
        room = len(data) + 8
        while True:
            buffer = (ctypes.c_int32 * room)()
            into = (buffer, room, add_special, parse_special)
            count = int(self._lib.llama_tokenize(self._vocab, data, len(data), *into))
            if count >= 0:
                return list(buffer[:count])
            room = -count

    def continuation(self, data: bytes) -> list[int]:
        """Token ids of bytes that follow other text, without a space before them.

        SentencePiece vocabularies begin every text with a space. So the bytes are tokenized behind a lead
        whose ids are checked and dropped. If no lead stays apart, the bytes are spelled. Control tokens are
        parsed.
        """
        if not data or not self.adds_space:
            return self.tokenize(data, parse_special=True)
        for lead in _LEADS:
            head = self.tokenize(lead, parse_special=True)
            both = self.tokenize(lead + data, parse_special=True)
            if both[: len(head)] == head and not any(map(self.is_special, head)):
                return both[len(head) :]
        return self.spell(data)

    def spell(self, data: bytes) -> list[int]:
        """Plain tokens for exactly these bytes, one for each byte or character; else the unknown token."""
        ids: list[int] = []
        at = 0
        while at < len(data):
            length = next((n for n in (4, 3, 2, 1) if data[at : at + n] in self._letters), 0)
            if length:
                ids.append(self._letters[data[at : at + length]])
            else:
                length = _character_length(data, at)
                ids.extend(self.tokenize(data[at : at + length]))
            at += length
        return ids

    def piece(self, token: int) -> bytes:
        """The bytes of a token, also of a control token; may be a part of a UTF-8 character."""
        known = self._pieces.get(token)
        if known is not None:
            return known
        if not 0 <= token < self.n_tokens:
            raise IndexError(f"token {token} is outside the vocabulary of {self.n_tokens}")
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            count = int(self._lib.llama_token_to_piece(self._vocab, token, buffer, room, 0, True))
            if count >= 0:
                self._pieces[token] = buffer.raw[:count]
                return self._pieces[token]
            room = -count

    def text_bytes(self, ids: list[int]) -> bytes:
        """The bytes of several tokens, control tokens included."""
        return b"".join(map(self.piece, ids))

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Control, user-defined and unknown tokens, which llama.cpp finds in text by their piece."""
        attribute = self._lib.llama_vocab_get_attr
        return frozenset(i for i in range(self.n_tokens) if attribute(self._vocab, i) & _SPECIAL)

    def is_special(self, token: int) -> bool:
        """Whether only a template may write it: control, user-defined and unknown tokens, and cells."""
        return token in self.special_ids or is_cell(token)

    def is_control(self, token: int) -> bool:
        """Whether it is a control token, which has no text of its own."""
        return bool(self._lib.llama_vocab_is_control(self._vocab, token))

    def is_end(self, token: int) -> bool:
        """Whether it ends the model's turn."""
        return bool(self._lib.llama_vocab_is_eog(self._vocab, token))

    @cached_property
    def adds_space(self) -> bool:
        """Whether a space is put before every text, and after every special token."""
        return self.text_bytes(self.tokenize("a")).startswith(b" ")

    @cached_property
    def special_pieces(self) -> frozenset[bytes]:
        """Every byte sequence that yields a special token.

        These are the pieces themselves and the texts that the vocabulary's own notation turns into one: a
        space for ``▁``, or the bytes behind GPT-2's printable letters. Single bytes are left out there,
        because their token is the only way to write them.
        """
        pieces = {self.piece(token) for token in self.special_ids} - {b""}
        if self._writes_spaces_as_marks():
            spaced = {piece.replace(_SPACE_MARK, b" ") for piece in pieces}
            led = (piece for piece in spaced - pieces if self.adds_space and piece.startswith(b" "))
            bare = {piece[1:] for piece in led if piece.strip()}
            return frozenset(pieces | spaced | bare)
        if self._type == _BPE:
            return frozenset(pieces | {raw for piece in pieces if len(raw := _from_letters(piece)) > 1})
        return frozenset(pieces)

    def _writes_spaces_as_marks(self) -> bool:
        if self._type in (_SPM, _UGM):
            return True
        ids = self.tokenize(" ")
        return bool(ids) and self._lib.llama_vocab_get_text(self._vocab, ids[0]).startswith(_SPACE_MARK)

    @cached_property
    def _letters(self) -> dict[bytes, int]:
        """Plain tokens of one byte or one character, by their bytes; normal tokens before byte tokens."""
        attribute = self._lib.llama_vocab_get_attr
        found: dict[bytes, int] = {}
        for token in range(self.n_tokens):
            piece = self.piece(token) if token not in self.special_ids else b""
            letter = len(piece) == 1 or (len(piece) <= 4 and len(piece.decode("utf-8", "replace")) == 1)
            if letter and (piece not in found or attribute(self._vocab, token) & _NORMAL):
                found[piece] = token
        return found


def cell_ids(shown: str, count: int) -> list[int]:
    """The ids of so many cells of a chunk; ``shown`` identifies the picture and the chunk."""
    drawn = array("I", hashlib.shake_256(shown.encode()).digest(4 * count))
    ids = [_SIGN | (number & 0x7FFFFFFE) for number in drawn]
    ids[0] |= _FIRST_CELL
    return ids


def is_cell(token: int) -> bool:
    """Whether this is the id of a cell that shows a part of a picture."""
    return token < 0


def begins_chunk(token: int) -> bool:
    """Whether this is the first cell of a chunk."""
    return token < 0 and bool(token & _FIRST_CELL)


def chunk_start(ids: Sequence[int], at: int) -> int:
    """The last place at or before ``at`` that is not inside a chunk, so that a tape can be cut there."""
    while 0 < at < len(ids) and is_cell(ids[at]) and not begins_chunk(ids[at]):
        at -= 1
    return at


def encode(text: str) -> bytes:
    """UTF-8 bytes of any Python string. Surrogate pairs are joined; lone surrogates become U+FFFD."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return whole.encode("utf-8")


def _character_length(data: bytes, at: int) -> int:
    """Number of bytes of the UTF-8 character at ``at``; 1 if it is not UTF-8."""
    first = data[at]
    return 1 + (first >= 0xC0) + (first >= 0xE0) + (first >= 0xF0)


def _from_letters(piece: bytes) -> bytes:
    """The bytes that GPT-2's byte-to-letter table writes as this piece; empty if there are none."""
    table = _letter_table()
    letters = piece.decode("utf-8", "replace")
    return bytes(table[c] for c in letters) if all(c in table for c in letters) else b""


@cache
def _letter_table() -> dict[str, int]:
    """Byte by letter: https://github.com/openai/gpt-2/blob/master/src/encoder.py, ``bytes_to_unicode``."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = (byte for byte in range(256) if byte not in plain)
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(rest)}
