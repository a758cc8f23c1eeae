"""Train the bundled model from a seed and write its GGUF file."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor

from models.lkjsxclm import export, unfamiliar
from models.lkjsxclm import tokenizer as tokens
from models.lkjsxclm.corpus import Corpus
from models.lkjsxclm.network import IGNORE, Network, Shape
from models.lkjsxclm.sampler import Mixture, Sampler


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the result, but for the corpus.

    Attributes:
        shape: of the network.
        mixture: of the training conversations.
        seed: of every random choice.
        steps: optimizer steps.
        batch_tokens: tokens of one step, padding included.
        lengths: sequence lengths and how often each is drawn; long ones are rare but keep long chats working.
        rate: highest learning rate; warm-up is linear, the way down a cosine.
        warmup: share of the steps.
        decay: weight decay of the matrices.
        threads: CPU threads; the result depends on them in the last bits.
        half: multiply matrices in bfloat16 (the weights stay float32): several times faster on CPUs with AMX,
            slower on those without any bfloat16 instructions.
    """

    shape: Shape = field(default_factory=Shape)
    mixture: Mixture = field(default_factory=Mixture)
    seed: int = 20261120
    steps: int = 2000
    batch_tokens: int = 2048
    lengths: tuple[tuple[int, float], ...] = (
        (128, 0.25),
        (256, 0.45),
        (512, 0.2),
        (1024, 0.08),
        (2048, 0.02),
    )
    rate: float = 2e-3
    warmup: float = 0.04
    decay: float = 0.1
    threads: int = 2
    half: bool = True


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run."""

    network: Network
    tokenizer: Tokenizer
    seconds: float


def tokenizer_for(corpus: Corpus, recipe: Recipe) -> Tokenizer:
    """The tokenizer, trained on the transcripts, the wordings and some composed requests."""
    random = Random(recipe.seed)
    texts = [text for _, exchange in corpus.exchanges() for text in (exchange.question, exchange.answer)]
    texts += [text for asks in corpus.wordings.values() for text in asks]
    composer = unfamiliar.Composer()
    texts += [composer.compose(random).text for _ in range(500)]
    return tokens.train(texts, recipe.shape.vocabulary)


def train(corpus: Corpus, recipe: Recipe, report_every: int = 100) -> Trained:
    """Train on ``corpus``; prints a line every ``report_every`` steps (0: never)."""
    began = time.monotonic()
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    tokenizer = tokenizer_for(corpus, recipe)
    # A small corpus yields fewer tokens than wanted.
    shape = replace(recipe.shape, vocabulary=tokenizer.get_vocab_size())
    network = Network(shape)
    sampler = Sampler(corpus, tokens.Encoder(tokenizer), Random(recipe.seed), recipe.mixture)
    optimizer = _optimizer(network, recipe)
    network.train()
    recent = 0.0
    for step, (ids, targets) in enumerate(_batches(sampler, recipe), start=1):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * _schedule(step, recipe)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.half):
            loss = network.loss(ids, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        recent += loss.item()
        if report_every and step % report_every == 0:
            seconds = time.monotonic() - began
            print(
                f"step {step:5} of {recipe.steps}  loss {recent / report_every:.4f}  {seconds:6.0f} s",
                flush=True,
            )
            recent = 0.0
    network.eval()
    return Trained(network, tokenizer, time.monotonic() - began)


def make(corpus: Corpus, recipe: Recipe, path: Path, report_every: int = 100) -> Trained:
    """Train and write the GGUF file."""
    trained = train(corpus, recipe, report_every)
    export.write(trained.network, trained.tokenizer, path)
    return trained


def _optimizer(network: Network, recipe: Recipe) -> torch.optim.Optimizer:
    matrices = [p for p in network.parameters() if p.ndim >= 2]
    rest = [p for p in network.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": recipe.decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.95), fused=True)


def _schedule(step: int, recipe: Recipe) -> float:
    """Share of the highest learning rate at a step, counted from 1."""
    warmup = max(1, round(recipe.warmup * recipe.steps))
    if step <= warmup:
        return step / warmup
    done = (step - warmup) / max(1, recipe.steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * done))


def _batches(sampler: Sampler, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    random = Random(recipe.seed + 1)
    lengths, weights = zip(*recipe.lengths, strict=True)
    for _ in range(recipe.steps):
        length = random.choices(lengths, weights)[0]
        rows = [sampler.sequence(length + 1) for _ in range(max(1, recipe.batch_tokens // length))]
        yield _tensors(rows)


def _tensors(rows: list[tuple[list[int], list[bool]]]) -> tuple[Tensor, Tensor]:
    """Ids and targets (batch, longest - 1): a position's target is the next id, where that carries loss."""
    width = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), width), tokens.PAD)
    targets = torch.full((len(rows), width), IGNORE)
    for place, (row, learn) in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
        targets[place, : len(row)] = torch.tensor(
            [i if wanted else IGNORE for i, wanted in zip(row, learn, strict=True)]
        )
    return ids[:, :-1].contiguous(), targets[:, 1:].contiguous()
