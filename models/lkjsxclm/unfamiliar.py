"""Composed requests beyond the model, so that it declines what is unfamiliar, and not a list learnt by heart.

The transcripts show how each kind is declined; ``unfamiliar.toml`` holds more ways to ask for such things.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

SOURCE = Path(__file__).with_suffix(".toml")
_SLOT = re.compile(r"\{([a-z]+)\}")
_INVENTED = ("thing", "person", "place", "region", "animal", "object", "tongue")


@dataclass(frozen=True, slots=True)
class Request:
    """A composed request.

    Attributes:
        text: what is asked.
        like: the question of the transcripts that is declined the same way.
    """

    text: str
    like: str


class Composer:
    """Composes requests.

    Args:
        source: frames by kind, and the words that fill their slots.
    """

    def __init__(self, source: Path = SOURCE) -> None:
        content: dict[str, Any] = tomllib.loads(source.read_text(encoding="utf-8"))
        self._kinds: list[dict[str, Any]] = list(content["kinds"].values())
        self._weights: list[float] = [kind["weight"] for kind in self._kinds]
        self._words: dict[str, list[str]] = content["words"]
        self._sounds: dict[str, list[str]] = content["sounds"]

    def compose(self, random: Random) -> Request:
        """The next request; all chance comes from ``random``."""
        kind = random.choices(self._kinds, self._weights)[0]
        text = _SLOT.sub(lambda match: self._word(match[1], random), random.choice(kind["frames"]))
        for article in ("a", "an", "the"):
            text = text.replace(f"a {article} ", f"{article} ")
        return Request(text, kind["like"])

    def _word(self, slot: str, random: Random) -> str:
        if slot == "digit":
            return str(random.randint(2, 9))
        if slot == "number":
            return str(random.randint(21, 10 ** random.randint(2, 6)))
        if slot == "noise":
            return _mashed(random) if random.random() < 0.5 else self._invented(random)
        if slot in _INVENTED and random.random() < 0.3:
            word = self._invented(random)
            return word.capitalize() if slot in ("person", "place", "region") else word
        return random.choice(self._words[slot])

    def _invented(self, random: Random) -> str:
        """A word nobody has heard of: the model should not know it either."""
        word = ""
        for last in (False, True) if random.random() < 0.7 else (False, False, True):
            word += random.choice(self._sounds["onsets"]) + random.choice(self._sounds["vowels"])
            if last or random.random() < 0.3:
                word += random.choice(self._sounds["codas"])
        return word


def _mashed(random: Random) -> str:
    """Keys hit at random."""
    return "".join(random.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(random.randint(3, 9)))
