"""Inline markdown, against a reference implementation and where it differs on purpose."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from chatcli.terminal.markdown.inline import CODE, parse
from chatcli.terminal.rows import BOLD, ITALIC

_Looks = list[tuple[str, bool, bool, bool]]


def _reference(source: str) -> _Looks:
    """Each visible character and whether it is bold, italic, code, as markdown-it reads it."""
    looks: _Looks = []
    depth = {"strong": 0, "em": 0}
    for token in MarkdownIt("commonmark").parseInline(source)[0].children or []:
        name, _, end = token.type.partition("_")
        if name in depth:
            depth[name] += 1 if end == "open" else -1
        bold, italic = depth["strong"] > 0, depth["em"] > 0
        looks += [(c, bold, italic, token.type == "code_inline") for c in token.content if not c.isspace()]
    return looks


def _ours(source: str) -> _Looks:
    def has(style: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
        return wanted[0] in style

    return [
        (character, has(span.style, BOLD), has(span.style, ITALIC), has(span.style, CODE))
        for span in parse(source).spans
        for character in span.text
        if not character.isspace()
    ]


@settings(deadline=None)
@given(st.text("*_`ab ,\n", min_size=1, max_size=20).map(str.strip).filter(bool))
@example("*a_`**\n__a_``")
@example("** b_*_*_b,_**")
def test_emphasis_and_code_are_read_as_commonmark_does(source: str) -> None:
    """Bold, italic and code are where a reference implementation of CommonMark sees them."""
    assert _ours(source) == _reference(source)


@settings(deadline=None)
@given(st.text("*_`~[]()<>!&#;\\ab \n", max_size=30))
def test_spans_cover_the_source_in_order(source: str) -> None:
    """Spans follow each other in the source and never overlap, so that a cut loses nothing."""
    at = 0
    for span in parse(source).spans:
        assert at <= span.start <= span.end
        at = span.start
    assert parse(source).open <= len(source)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("see [the page](https://example.org/a)", "see the page (https://example.org/a)"),
        ("[](https://example.org)", "(https://example.org)"),
        ("[https://example.org](https://example.org)", "https://example.org"),
        ("![a cat](cat.png)", "a cat (cat.png)"),
        ("<https://example.org>", "https://example.org"),
        ("<b>raw</b>", "<b>raw</b>"),
        (r"\(x_1\) and \[y\]", r"\(x_1\) and \[y\]"),
        (r"\*not italic\*", "*not italic*"),
        ("&lt;tag&gt; &amp; more", "<tag> & more"),
        ("&#27;[31m", "&#27;[31m"),
        ("&#x202e;x", "&#x202e;x"),
    ],
)
def test_what_is_shown(source: str, shown: str) -> None:
    """Targets are always shown, HTML and mathematics stay, and no entity becomes a control character."""
    assert "".join(span.text for span in parse(source).spans) == shown


@pytest.mark.parametrize(
    ("source", "certain"),
    [
        ("plain words", "plain words"),
        ("words **open", "words "),
        ("words **closed** more", "words **closed** more"),
        ("words `open", "words "),
        ("words [open", "words "),
        ("words [text](http://", "words "),
        ("words <http://x", "words "),
        ("words &am", "words "),
        ("`code`", ""),
    ],
)
def test_what_is_certain(source: str, certain: str) -> None:
    """Text from open markup on may change, and so may a delimiter at the end; the rest may not."""
    assert source[: parse(source).open] == certain
