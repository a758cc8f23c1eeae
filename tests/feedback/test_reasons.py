"""What people type for reasons, and what is made of it."""

import pytest

from chatcli.feedback.reasons import DOWN, UP, completions, label, nearest, opposite, read_reasons


@pytest.mark.parametrize(("typed", "thumb", "reasons"), [
    ("", 1, ()),
    ("accurate_information", 1, ("accurate_information",)),
    ("accurate", 1, ("accurate_information",)),
    ("acc", 1, ("accurate_information",)),
    ("Too Long", -1, ("too_verbose",)),
    ("too-verbose", -1, ("too_verbose",)),
    ("lazy", -1, ("being_lazy",)),
    ("wrong, too long", -1, ("not_factually_correct", "too_verbose")),
    ("wrong,,wrong", -1, ("not_factually_correct",)),
    ("other", 1, ("other",)),
])  # fmt: skip
def test_reasons_are_recognised(typed: str, thumb: int, reasons: tuple[str, ...]) -> None:
    """Names, labels and what begins one only; several with commas; case and signs do not matter."""
    assert read_reasons(typed, thumb) == (reasons, None, None)


@pytest.mark.parametrize(("typed", "thumb", "hint"), [
    ("not", -1, None),  # begins two
    ("it forgot the second half", -1, None),
    ("wrogn", -1, "not_factually_correct"),
    ("acurate", 1, "accurate_information"),
    ("wrong, and it insults me", -1, None),
    ("👎", -1, None),
])  # fmt: skip
def test_anything_else_is_a_comment(typed: str, thumb: int, hint: str | None) -> None:
    """Free words are kept as they are under the reason other; a typo gets a hint."""
    reading = read_reasons(typed, thumb)
    assert reading.reasons == ("other",)
    assert reading.comment == typed
    if hint:
        assert reading.hint == hint


def test_completions_and_labels() -> None:
    """Every reason completes from its name and its label, and has a label."""
    for thumb, known in ((1, UP), (-1, DOWN)):
        assert completions("", thumb) == list(known)
        for reason, text in known.items():
            assert reason in completions(reason[:4], thumb)
            assert reason in completions(text, thumb)
            assert label(reason) == text
    assert label("from elsewhere") == "from elsewhere"
    assert opposite(["too_verbose", "other", "x"], 1) == ["too_verbose"]
    assert nearest("zzzz", 1) is None
