"""Keeps the line editor quick when a line is very long, as a pasted file without line breaks is."""

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.formatted_text.utils import fragment_list_len
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput

_LONGEST = 8_000  # characters; prompt_toolkit lays out every one of them at each key
_STEP = _LONGEST // 2
_ELIDED = ("class:auto-suggestion", "…")


class ShowPartOfLongLines(Processor):
    """Shows of a long line the part around the cursor; the text itself stays whole.

    The part moves in steps, so that most movements of the cursor do not move it.
    """

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """The line, or a part of it between two marks."""
        fragments = transformation_input.fragments
        length = fragment_list_len(fragments)
        if length <= _LONGEST:
            return Transformation(fragments)
        document = transformation_input.document
        here = transformation_input.lineno == document.cursor_position_row
        column = document.cursor_position_col if here else 0
        start = max(0, (column // _STEP - 1) * _STEP)
        end = min(length, start + 2 * _LONGEST)
        shown = _part(fragments, start, end)
        before = 1 if start else 0
        if start:
            shown.insert(0, _ELIDED)
        if end < length:
            shown.append(_ELIDED)
        return Transformation(
            shown,
            source_to_display=lambda at: min(max(at - start, 0), end - start) + before,
            display_to_source=lambda at: min(max(at - before, 0) + start, length),
        )


def _part(fragments: StyleAndTextTuples, start: int, end: int) -> StyleAndTextTuples:
    part: StyleAndTextTuples = []
    at = 0
    for style, text, *_ in fragments:
        piece = text[max(0, start - at) : max(0, end - at)]
        if piece:
            part.append((style, piece))
        at += len(text)
    return part
