"""The markdown that models write: what is not certainly markup stays as it is written."""

import pytest

from chatcli.terminal.markdown.blocks import inline
from chatcli.terminal.markdown.dialect import code_blocks
from chatcli.terminal.markdown.stream import MarkdownStream
from chatcli.terminal.rows import Row


def _rows(text: str, width: int = 60) -> list[Row]:
    stream = MarkdownStream()
    stream.feed(text)
    return stream.finish(width)


def _shown(text: str, width: int = 60) -> list[str]:
    return [row.text for row in _rows(text, width)]


def _styled(source: str, style: str) -> str:
    """The parts of a paragraph that have a style, apart by bars."""
    return "|".join(text for text, styles in inline(source) if style in styles.split())


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("see [the page](https://example.org/a)", "see the page (https://example.org/a)"),
        ('see [the page](/a "its title")', 'see the page (/a "its title")'),
        ("[](https://example.org)", "(https://example.org)"),
        ("[https://example.org](https://example.org)", "https://example.org"),
        ("![a cat](cat.png)", "a cat (cat.png)"),
        ("<https://example.org>", "https://example.org"),
        ("<b>raw</b>", "<b>raw</b>"),
        ("a<br>b", "a<br>b"),
        (r"\*not italic\*", "*not italic*"),
        (r"C:\temp\[old\]", r"C:\temp\[old\]"),
        ("&lt;tag&gt; &amp; more", "<tag> & more"),
        ("&#27;[31m", "&#27;[31m"),
        ("&#x202e;x", "&#x202e;x"),
        ("[a]: https://example.org", "[a]: https://example.org"),
    ],
)
def test_what_is_shown(source: str, shown: str) -> None:
    """Targets are always shown, HTML stays, and no entity becomes a control character."""
    assert "".join(text for text, _ in inline(source)) == shown


@pytest.mark.parametrize(
    "source",
    [
        *(r"\(x*y*z\) and \(a_{1}*b_{2}\)", r"\[y*z*y\]", "$a*b*c$ and $x_1$", r"$$f(x)=\_a*b*c$$"),
        *("__init__ differs: __init__.py", '__name__ == "__main__"', "def __init__(self):"),
        *("*args, **kwargs", "and *args, **kwargs, 2**3**4, a*b*c", "f(*args) and g(**kwargs)"),
        *("/usr/*/lib/*.so", "**/*.py and **/*.js", "*.py and *.js", "snake_case_name"),
        *("it costs $5 or $10*x*y", "2 * 3 * 4", "**unclosed bold and *unclosed"),
    ],
)
def test_what_is_not_certainly_markup_stays(source: str) -> None:
    """Formulas, names, paths and calculations keep every character, in a paragraph and in a cell."""
    assert "".join(text for text, _ in inline(source)) == source
    assert any(source in row for row in _shown(f"| a | b |\n|---|---|\n| {source} | x |\n"))


@pytest.mark.parametrize(
    ("source", "bold"),
    [
        ("**bold** and **more**", "bold|more"),
        ("**重要：**这是测试", "重要："),
        ("**「引用」**后面", "「引用」"),
        ("中文**加粗**文字", "加粗"),
        ("这是**“强调”**的内容", "“强调”"),
        ("**Note:**This is it", "Note:"),
        ("**S**tructured **Q**uery", "S|Q"),
        ("**bold**text", "bold"),
        ("**src/**: sources", "src/"),
        ("***both***", "both"),
    ],
)
def test_emphasis_of_models(source: str, bold: str) -> None:
    """Bold is bold beside wide characters and full-width punctuation, at colons and for first letters."""
    assert _styled(source, "strong") == bold
    assert "*" not in "".join(text for text, _ in inline(source))


def test_formulas_on_lines_of_their_own() -> None:
    """Nothing in a formula is a list, a heading or emphasis, and what follows it is markdown again."""
    for formula in ("$$\na_1 * b\n- c = d * e\n===\n$$", "\\[\nx\n+ y \\\\\n- z\n\\]"):
        assert _shown(f"before\n\n{formula}\n\n**after**") == [
            "before",
            "",
            *formula.split("\n"),
            "",
            "after",
        ]


def test_breaks_in_cells_are_lines() -> None:
    """``<br>`` in a cell begins a line, since a cell cannot have one in another way."""
    assert _shown("| a | b |\n|---|---|\n| 1 | one<br>two<br/>three |\n")[2:] == [
        "1 │ one",
        "  │ two",
        "  │ three",
    ]


def test_task_lists() -> None:
    """The marker of a task is its box; brackets elsewhere stay."""
    assert _shown("- [ ] open\n- [x] done [ ]\n\n[x] text") == ["☐ open", "☑ done [ ]", "", "[x] text"]


_NESTED = """```markdown
# Project

```bash
pip install foo
```

That's it.
```

Let me know **if** you need more.
"""


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_fences_in_a_markdown_fence(size: int) -> None:
    """They may be as long as the outer one, however the text arrives; ``/copy code`` reads the same."""
    stream, rows = MarkdownStream(), []
    for at in range(0, len(_NESTED), size):
        stream.feed(_NESTED[at : at + size])
        rows += stream.take(80, 5)
        stream.live(80)
    rows += stream.finish(80)
    assert [row.text for row in rows] == _NESTED.replace("**", "").strip().split("\n")
    assert code_blocks(_NESTED) == ["# Project\n\n```bash\npip install foo\n```\n\nThat's it.\n"]


def test_numbers_stay_whole_in_a_table_that_streams() -> None:
    """A column grows for a number that is longer than those before, as long as there is room."""
    stream, rows = MarkdownStream(), []
    stream.feed("| n | square |\n|--:|--:|\n")
    for number in [*range(20), 123456, 12345678901]:
        stream.feed(f"| {number} | {number * number} |\n")
        rows += stream.take(60, 8)
    rows += stream.finish(60)
    assert any(row.text.split() == ["12345678901", "│", str(12345678901**2)] for row in rows)
    assert all(row.width <= 60 for row in rows)


def test_surplus_cells_are_shown() -> None:
    """A row with more cells than the heading loses none."""
    assert "two | three" in _shown("| a | b |\n|---|---|\n| one | two | three |\n")[-1]


def test_a_long_address_is_one_line_when_copied() -> None:
    """The terminal joins the rows of an address and of a line of code: all but the last are soft."""
    address = "https://example.org/" + "path/" * 20
    for text in (f"see {address} there", f"```\n{address}\n```"):
        rows = [row for row in _rows(text, 40) if "path/" in row.text]
        assert [row.soft for row in rows[:-1]] == [True] * (len(rows) - 1)
        assert "".join(row.text for row in rows).startswith(address)
