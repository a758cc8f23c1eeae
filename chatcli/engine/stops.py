"""Stop strings in a stream of text: found wherever the pieces are cut, never shown in part."""

from collections.abc import Sequence


class StopStrings:
    """Passes text on until a stop string is complete, and holds back what might become one.

    The stop string that is *completed* first wins; of several completed by the same character, the longest.
    What comes out therefore does not depend on how the text was cut into pieces.

    Args:
        stops: strings that end the text and are not part of it; none may be empty.

    Attributes:
        found: the stop string that ended the text, or None.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.found: str | None = None
        self._stops = tuple(stops)
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return the text that can be shown now. After a stop string was found, always ``""``."""
        if not self._stops:
            return piece
        if self.found is not None:
            return ""
        text = self._held + piece
        ends = [(start + len(stop), start, stop) for stop in self._stops if (start := text.find(stop)) >= 0]
        if ends:
            _, start, self.found = min(ends)
            self._held = ""
            return text[:start]
        hold = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - hold :]
        return text[: len(text) - hold]

    def finish(self) -> str:
        """Return what was held back, when the text ended without a stop string."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` that begins ``stop``."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
