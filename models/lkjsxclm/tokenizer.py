"""Byte-level BPE, trained on the corpus; llama.cpp (``gpt2``, pre-tokenizer ``gpt-2``) gives the same ids.

The control tokens come first. Text never becomes one of them: ``encode`` knows only the merges, and
a conversation is put together from ids.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer as the network is to learn them.

    Attributes:
        learn: whether the answer carries loss; False for answers that are only context.
    """

    question: str
    answer: str
    learn: bool = True


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

    def conversation(self, system: str | None, turns: Sequence[Turn]) -> tuple[list[int], list[bool]]:
        """A conversation in the transcript format, and which of its ids carry loss.

        The answers and their closing tags do; what the user or the template writes does not.
        """
        ids: list[int] = []
        learn: list[bool] = []

        def put(piece: list[int], *, loss: bool = False) -> None:
            ids.extend(piece)
            learn.extend([loss] * len(piece))

        if system is not None:
            put([SYSTEM, *self.text(system), END_SYSTEM, *self._newline])
        for turn in turns:
            put([USER, *self.text(turn.question), END_USER, *self._newline, ASSISTANT])
            put([*self.text(turn.answer), END_ASSISTANT], loss=turn.learn)
            put(self._newline)
        return ids, learn
