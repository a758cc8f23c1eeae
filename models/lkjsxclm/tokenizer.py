"""Byte-level BPE, trained on the corpus; llama.cpp (``gpt2``, pre-tokenizer ``gpt-2``) gives the same ids.

The control tokens come first. Text never becomes one of them: ``encode`` knows only the merges, and
a conversation is put together from ids.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

NAME = "lkjsxclm"
# <|endoftext|> pads and stands where readers of GGUF files expect a beginning; no prompt contains it.
PAD, USER, END_USER, SYSTEM, END_SYSTEM, ASSISTANT, END_ASSISTANT = range(7)
CONTROL = ("<|endoftext|>", "<user>", "</user>", "<system>", "</system>", f"<{NAME}>", f"</{NAME}>")

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- set tag = 'lkjsxclm' if message['role'] == 'assistant' else message['role'] -%}"
    "{{- '<' + tag + '>' + message['content'] + '</' + tag + '>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<lkjsxclm>' -}}{%- endif -%}"
)


NO_INTENT = -100  # torch's index for what carries no loss


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer as the network is to learn them.

    Attributes:
        intent: number of the answer among all answers, to be recognised before its first token.
        cut: learn only so many tokens of the answer; None: all, and where it ends.
    """

    question: str
    answer: str
    intent: int = NO_INTENT
    cut: int | None = None


@dataclass(slots=True)
class Row:
    """A conversation in tokens.

    Attributes:
        ids: the tokens.
        learn: which of them are to be predicted: the answers' and their closing tags.
        intents: at the opening tag of an answer its intent, elsewhere ``NO_INTENT``.
    """

    ids: list[int] = field(default_factory=list)
    learn: list[bool] = field(default_factory=list)
    intents: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def put(self, ids: list[int], *, learn: bool = False, intent: int = NO_INTENT) -> None:
        """Add tokens; the intent belongs to the last of them."""
        self.ids += ids
        self.learn += [learn] * len(ids)
        self.intents += [NO_INTENT] * (len(ids) - 1) + [intent] if ids else []

    def join(self, other: "Row") -> None:
        """Add another row behind this one."""
        self.ids += other.ids
        self.learn += other.learn
        self.intents += other.intents


def train(texts: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer of ``size`` tokens, the control tokens included.

    Args:
        texts: what to learn the merges from.
        size: at least 263: the control tokens and the 256 bytes.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(CONTROL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    vocabulary, merges = parts(tokenizer)
    # Built again without special tokens, which would otherwise be recognised in text.
    plain = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    plain.pre_tokenizer = tokenizer.pre_tokenizer
    plain.decoder = tokenizer.decoder
    return plain


def parts(tokenizer: Tokenizer) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The vocabulary (piece to id) and the merges, best first, as a GGUF file lists them."""
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [(left, right) for left, right in model["merges"]]


class Encoder:
    """Texts and conversations to token ids.

    Args:
        tokenizer: from ``train``.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._kept: dict[str, list[int]] = {}
        self._newline = self.text("\n")

    def text(self, text: str) -> list[int]:
        """Ids of plain text; remembered, since the corpus repeats itself."""
        ids = self._kept.get(text)
        if ids is None:
            ids = self._kept[text] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def conversation(self, system: str | None, turns: Sequence[Turn]) -> Row:
        """A conversation in the transcript format; what the user or the template writes carries no loss."""
        row = Row()
        if system is not None:
            row.put([SYSTEM, *self.text(system), END_SYSTEM, *self._newline])
        for turn in turns:
            row.put(
                [USER, *self.text(turn.question), END_USER, *self._newline, ASSISTANT], intent=turn.intent
            )
            answer = [*self.text(turn.answer), END_ASSISTANT]
            row.put(answer[: turn.cut], learn=True)
            row.put(self._newline)
        return row
