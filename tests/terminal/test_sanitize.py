"""Nothing untrusted can act on a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from chatcli.terminal.sanitize import sanitize, sanitize_line

_ALL = st.text(st.characters(codec=None))


@given(_ALL)
def test_only_harmless_characters_come_out(text: str) -> None:
    """No control, bidirectional, separator, tag or surrogate character survives."""
    for char in sanitize(text):
        assert char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}
        assert unicodedata.bidirectional(char) not in {
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        }
        assert not 0xE0000 <= ord(char) <= 0xE007F


@given(_ALL, st.integers(0, 50))
def test_where_a_stream_was_cut_does_not_matter(text: str, cut: int) -> None:
    """Apart from a line end of two characters, pieces come out as the whole would."""
    text = text.replace("\r", "")
    assert sanitize(text[:cut]) + sanitize(text[cut:]) == sanitize(text)


def test_what_is_hidden_is_shown() -> None:
    """Each kind of character has its visible form; ordinary text, emoji and accents stay."""
    assert sanitize("\x1b[31m\x7f\x00") == "^[[31m^?^@"
    assert sanitize("\x9b\u202e\U000e0041\ud800") == "<9b><U+202E><U+E0041><U+D800>"
    assert sanitize("a\r\nb\tc\rd") == "a\nb\tc^Md"
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467 é ñ 中"
    assert sanitize(family) == family
    assert sanitize_line("a\nb\tc") == "a b c"
