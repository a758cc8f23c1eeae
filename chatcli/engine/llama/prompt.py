"""From messages to token ids, so that no text of a message becomes a special token.

A chat template mixes markup, whose control tokens are wanted, with the words of messages, whose are not. The
rendered text alone does not tell them apart. So a content that holds a special piece, or could form one at
its edges, is marked before rendering. The marks show where the content went and are removed. There the text
is cut inside each special piece, and the parts are tokenized one by one. Conversations without such contents
are rendered and tokenized in one go, as llama.cpp does it.

Templates may trim, split or repeat contents, which can lose the marks. The result is therefore compared with
the special tokens of the same conversation with harmless words. If they differ, the template is given numbers
in place of the contents, and the contents are filled in afterwards.
"""

import functools
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from chatcli.chat.message import Message, Picture
from chatcli.engine.answer import common_length
from chatcli.engine.base import Unseen
from chatcli.engine.llama.marks import Marks, Show, ShownPictures
from chatcli.engine.llama.special_pieces import Span, SpecialPieces, TextPart
from chatcli.engine.llama.vocabulary import Vocabulary, encode, is_cell
from chatcli.errors import TemplateError


class Template(Protocol):
    """Turns a conversation into text: a model's chat template, or the transcript format."""

    def render(self, messages: Sequence[Message], *, thinking: bool | None = None) -> str:
        """Render the prompt's text."""
        ...


@dataclass(frozen=True, slots=True)
class BuiltPrompt:
    """A prompt that is ready to be decoded."""

    text: str  # with pictures by their names
    ids: list[int]  # tokens, and cells of pictures
    pictures: Mapping[int, Picture]  # those that are shown, by the index in ids where their tokens begin
    unseen: Unseen | None = None


class PromptBuilder:
    """Builds prompts for one model."""

    def __init__(self, vocabulary: Vocabulary, template: Template, show: Show) -> None:
        self._vocabulary = vocabulary
        self._template = template
        self._show = show
        self._pieces = SpecialPieces(vocabulary.special_pieces)
        self._letters = b"".join(vocabulary.special_pieces).decode("utf-8", "ignore")
        self._filler = next(
            (c for c in "xzqjwvkZQ0123456789" if c not in self._letters), "\N{CJK UNIFIED IDEOGRAPH-9F98}"
        )

    def build(self, messages: Sequence[Message], *, thinking: bool | None = None) -> BuiltPrompt:
        """Build the prompt for answering the last message, or for continuing it if it is an assistant's.

        Raises:
            TemplateError: the template fails, exceeds its bounds, or does not accept the conversation.
        """
        render = functools.partial(self._template.render, thinking=thinking)
        shown = ShownPictures(messages, self._show, self._letters)
        messages = [_with_texts(message, _clean) for message in shown.messages]
        touched = {t for m in messages for t in _texts(m) if self._pieces.touched_by(t.encode())}
        try:
            text = render(messages)
        except TemplateError:
            if not touched:
                raise
            text = ""  # some templates refuse their own markup in a content
        if not touched:
            return self._built(text, (), shown)

        def rewritten(how: Callable[[str], str]) -> list[Message]:
            return [_with_texts(m, lambda t: how(t) if t in touched else t) for m in messages]

        expected = self._specials(self._built(render(rewritten(self._harmless)), (), shown).ids)
        marks = Marks.unused_in([text, *(t for m in messages for t in _texts(m))])
        plain, regions = marks.read(render(rewritten(marks.around)) if text else "")
        if text and plain == text:
            regions = _widened(plain.encode(), regions, touched)
            built = self._built(plain, self._pieces.parts(plain.encode(), regions), shown)
            if self._specials(built.ids) == expected:
                return built
        numbered = list(touched)
        rendered = render(rewritten(lambda t: marks.opening + str(numbered.index(t)) + marks.closing))
        return self._built(*self._filled_in(rendered, marks, numbered), shown)

    def continuation(self, text: str, after: int) -> list[int]:
        """Token ids of a text that follows the token ``after``. No part of it becomes a special token."""
        vocabulary, data = self._vocabulary, encode(text)
        ids: list[int] = []
        for part in self._pieces.parts(data, [(0, len(data))]):
            last = ids[-1] if ids else after
            ids += self._ids_of(data[part.start : part.end], part.spelled, vocabulary.is_special(last))
        return ids

    def _built(self, text: str, parts: Sequence[TextPart], shown: ShownPictures) -> BuiltPrompt:
        """The prompt of a text whose parts are tokenized one by one; without parts, all of it at once.

        Text between pictures is always tokenized on its own, as libmtmd does it. Nothing can be predicted
        right after a picture: if the template ends with one, a newline follows it.
        """
        vocabulary, data = self._vocabulary, text.encode()
        ids: list[int] = []
        pictures: dict[int, Picture] = {}
        start = 0
        bos = vocabulary.bos_text.encode()
        if vocabulary.add_bos and vocabulary.bos is not None:
            ids.append(vocabulary.bos)
            if data.startswith(bos) and not (parts and parts[0].end < len(bos)):
                start = len(bos)  # the template writes it too; as llama.cpp's common/chat.cpp
        after_special = True
        known: dict[tuple[bytes, bool, bool], list[int]] = {}
        for part in parts or (TextPart(0, len(data)),):
            for piece, picture, row in shown.stretches(data[max(part.start, start) : part.end]):
                key = (piece, part.spelled, after_special)
                found = known.get(key)
                if found is None:
                    found = known[key] = self._ids_of(*key)
                ids += found
                if picture is not None and row:
                    pictures[len(ids)] = picture
                    ids += row
                last = row or found
                after_special = vocabulary.is_special(last[-1]) if last else after_special
        if ids and is_cell(ids[-1]):
            ids += vocabulary.continuation(b"\n")
        return BuiltPrompt(shown.captioned(text), ids, pictures, shown.unseen)

    def _ids_of(self, piece: bytes, spelled: bool, after_special: bool) -> list[int]:
        if spelled:
            return self._vocabulary.spell(piece)
        if after_special:
            return self._vocabulary.tokenize(piece, parse_special=True)
        return self._vocabulary.continuation(piece)

    def _specials(self, ids: Iterable[int]) -> list[int]:
        return [token for token in ids if token in self._vocabulary.special_ids]

    def _harmless(self, text: str) -> str:
        """A text of about the same shape that holds no special piece and can form none at its edges."""
        data, filler = text.encode(), self._filler
        parts = self._pieces.parts(data, [(0, len(data))])
        words = [filler if part.spelled else data[part.start : part.end].decode() for part in parts]
        return filler + filler.join(words) + filler

    def _filled_in(self, rendered: str, marks: Marks, texts: Sequence[str]) -> tuple[str, list[TextPart]]:
        """A rendering with the texts in place of their numbers, and its parts."""
        parts: list[TextPart] = []
        written: list[str] = []
        at = 0
        for index, stretch in enumerate(re.split(f"{marks.opening}(\\d+){marks.closing}", rendered)):
            text = texts[int(stretch)] if index % 2 else stretch
            data = text.encode()
            cut = self._pieces.parts(data, [(0, len(data))]) if index % 2 else [TextPart(0, len(data))]
            parts += [TextPart(at + p.start, at + p.end, p.spelled) for p in cut if p.end > p.start]
            written.append(text)
            at += len(data)
        return "".join(written), parts


def _widened(text: bytes, spans: Iterable[Span], contents: Collection[str]) -> list[Span]:
    """The spans; an empty one is widened over what the template left of a content that it took apart."""
    regions: list[Span] = []
    words = [content.strip().encode() for content in contents]
    for start, end in spans:
        if start == end:
            before = max(common_length(text[:start][::-1], word[::-1]) for word in words)
            after = max(common_length(text[end:], word) for word in words)
            start, end = (start - before, end) if before >= after else (start, end + after)
        regions.append((start, end))
    return regions


def _texts(message: Message) -> Iterable[str]:
    """The texts of a message: everything that is content and not markup."""
    return (message.content, message.reasoning) if message.reasoning else (message.content,)


def _with_texts(message: Message, change: Callable[[str], str]) -> Message:
    content = change(message.content)
    reasoning = change(message.reasoning) if message.reasoning else message.reasoning
    if content == message.content and reasoning == message.reasoning:
        return message
    return replace(message, content=content, reasoning=reasoning)


def _clean(text: str) -> str:
    """The text in a form that UTF-8 can encode: surrogate pairs joined, lone surrogates replaced."""
    return encode(text).decode()
