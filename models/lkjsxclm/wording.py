"""Other ways to put a question: sentence frames, words of the same meaning, and the slips of real typing.

Only changes that keep the meaning, so that the answer stays right. ``phrases.toml`` holds the material.
"""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

SOURCE = Path(__file__).with_name("phrases.toml")
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


class Rewriter:
    """Varies questions; all chance comes from the generator given with each.

    Args:
        source: sentence frames, synonyms, and what people say before and after a question.

    Attributes:
        names: names a person may have.
        systems: system prompts.
    """

    def __init__(self, source: Path = SOURCE) -> None:
        content: dict[str, Any] = tomllib.loads(source.read_text(encoding="utf-8"))
        self.names: list[str] = content["names"]
        self.systems: list[str] = content["systems"]
        self._before: list[str] = content["before"]
        self._after: list[str] = content["after"]
        self._rules = [(re.compile(rule["pattern"]), rule["frames"]) for rule in content["rules"]]
        self._synonyms: dict[str, list[str]] = {}
        for group in content["alike"]:
            words = group.split("/")
            for word in words:
                others = [other for other in words if other != word]
                self._synonyms.setdefault(word.lower(), []).extend(others)
        longest_first = sorted(map(re.escape, self._synonyms), key=len, reverse=True)
        self._synonym = re.compile(rf"\b({'|'.join(longest_first)})\b", re.IGNORECASE)

    def reword(self, question: str, random: Random, *, follow_up: bool) -> str:
        """A question in other words.

        Args:
            question: from the corpus.
            random: where the choices come from.
            follow_up: it leans on the turn before, so that its sentence is better left as it is.
        """
        if not follow_up and random.random() < 0.5:
            question = self._frame(question, random)
        if random.random() < 0.6:
            question = self._synonym.sub(lambda match: self._other(match[0], random), question)
        if random.random() < 0.25:
            question = self._decorate(question, random)
        if random.random() < 0.25:
            question = _blur(question, random)
        return question

    def _frame(self, question: str, random: Random) -> str:
        """The question in another frame of the first rule that fits; as it is where none does."""
        for pattern, frames in self._rules:
            if match := pattern.match(question):
                return _capital(random.choice(frames).format(x=_small(match["x"])))
        return question

    def _other(self, word: str, random: Random) -> str:
        if random.random() < 0.6:
            return word
        other = random.choice(self._synonyms[word.lower()])
        return _capital(other) if word[:1].isupper() else other

    def _decorate(self, question: str, random: Random) -> str:
        if random.random() < 0.6:
            own = question if question.startswith(("I ", "I'")) else _small(question)
            return random.choice(self._before) + own
        mark = "?" if question.endswith("?") else ""
        return question.rstrip(".?!") + random.choice(self._after) + mark


def slip(question: str, random: Random) -> str:
    """A question as people type: no capitals, no full stop, a wrong key."""
    if random.random() < 0.35:
        question = question.lower()
    elif random.random() < 0.03:
        question = question.upper()
    if random.random() < 0.3:
        question = question.rstrip(".?!") or question
    elif random.random() < 0.1:
        question = question.rstrip(".?!") + random.choice((" ?", "??", "!", "...", ".", " !"))
    if random.random() < 0.2:
        question = question.replace("'", "")
    for _ in range(1 + len(question) // 40):
        if random.random() < 0.12:
            question = _typo(question, random)
    return question


def thin(question: str, random: Random) -> str:
    """A question without some of its words; sums and very short questions stay whole."""
    words = question.split()
    if len(words) < 4 or any(letter.isdigit() for letter in question):
        return question
    kept = [word for word in words if random.random() > 0.2]
    return " ".join(kept) if len(kept) > 1 else question


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _small(text: str) -> str:
    """A sentence as it stands inside another; abbreviations keep their capitals."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _blur(question: str, random: Random) -> str:
    """A word left out, or two in the wrong order, so that no single word decides; short questions stay."""
    words = question.split(" ")
    if len(words) < 4:
        return question
    place = random.randrange(len(words) - 1)
    if random.random() < 0.7:
        del words[place]
    else:
        words[place : place + 2] = words[place + 1], words[place]
    return " ".join(words)


def _typo(text: str, random: Random) -> str:
    """One letter left out, doubled, swapped with the one before, or hit beside."""
    letters = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i - 1].isalpha()]
    if not letters:
        return text
    i = random.choice(letters)
    kinds: tuple[Callable[[], str], ...] = (
        lambda: text[:i] + text[i + 1 :],
        lambda: text[:i] + text[i] + text[i:],
        lambda: text[: i - 1] + text[i] + text[i - 1] + text[i + 1 :],
        lambda: text[:i] + _neighbour(text[i], random) + text[i + 1 :],
    )
    return random.choice(kinds)()


def _neighbour(letter: str, random: Random) -> str:
    for row in _KEYS:
        place = row.find(letter.lower())
        if place >= 0:
            return random.choice(row[max(0, place - 1) : place] + row[place + 1 : place + 2])
    return letter
