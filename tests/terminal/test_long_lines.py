"""Of a very long line the editor lays out a part, and the cursor is always in it."""

import pytest
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.controls import BufferControl
from prompt_toolkit.layout.processors import Transformation, TransformationInput

from chatcli.terminal.prompt.line_editor import ShowPartOfLongLines

TEXT = "".join(chr(0x4E00 + n % 20_000) for n in range(100_000))


def shown(text: str, column: int, cut: int = 0) -> Transformation:
    """How a line of one or two fragments is laid out with the cursor at a column."""
    fragments: StyleAndTextTuples = [("", text[:cut]), ("", text[cut:])] if cut else [("", text)]
    document = Document(text, column)
    control = BufferControl(Buffer(document=document))
    given = TransformationInput(control, document, 0, lambda at: at, fragments, 80, 24)
    return ShowPartOfLongLines().apply_transformation(given)


@pytest.mark.parametrize("column", [0, 1, 3_999, 4_000, 8_000, 12_345, 50_000, 99_999, 100_000])
def test_the_cursor_is_where_it_belongs(column: int) -> None:
    """The character under the cursor is shown at the place the cursor is drawn, and found back from there."""
    result = shown(TEXT, column, cut=12_000)
    line = "".join(text for _, text, *_ in result.fragments)
    assert len(line) < 20_000
    at = result.source_to_display(column)
    assert line[at : at + 1] == TEXT[column : column + 1]
    assert result.display_to_source(at) == column


def test_a_line_of_bearable_length_is_left_alone() -> None:
    """Nothing is cut from it."""
    result = shown(TEXT[:8_000], 10)
    assert "".join(text for _, text, *_ in result.fragments) == TEXT[:8_000]


def test_the_part_moves_in_steps() -> None:
    """Moving the cursor within a step moves nothing else."""
    assert shown(TEXT, 50_000).fragments == shown(TEXT, 50_100).fragments
