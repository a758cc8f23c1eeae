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
from models.lkjsxclm.network import IGNORE, Network, Objective, Shape
from models.lkjsxclm.sampler import Mixture, Sampler
from models.lkjsxclm.warm_start import warm_start


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the training.

    Attributes:
        steps: optimizer steps.
        lengths: sequence lengths and how often each is drawn.
        mixture: of the training conversations.
    """

    steps: int
    lengths: tuple[tuple[int, float], ...]
    mixture: Mixture


LENGTHS = ((48, 0.3), (128, 0.3), (256, 0.22), (512, 0.12), (1024, 0.05), (2048, 0.01))

# First what is asked: single questions and the beginnings of their answers, many in a batch.
QUESTIONS = Phase(500, ((24, 0.5), (40, 0.5)), Mixture(whole=0.0, system=0.0, cut=1.0, cut_to=4))
# Then conversations; long ones are rare but keep long chats working.
CONVERSATIONS = Phase(1900, LENGTHS, Mixture(composed=0.14, cut=0.25))
# At last questions as people put them: distorted ones leave it in doubt what is meant, and the doubt stays.
CALM = Phase(1000, LENGTHS, Mixture(whole=0.35, composed=0.14, varied=0.35, thinned=0.1, cut=0.25))


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the result, but for the corpus.

    Attributes:
        shape: of the network.
        warm_examples: questions of the classifier in ``warm_start``.
        phases: what is trained on, in this order.
        seed: of every random choice.
        batch_tokens: tokens of one step, padding included.
        rate: highest learning rate; warm-up is linear, the way down a cosine.
        warmup: share of the steps.
        decay: weight decay of the matrices.
        intent_weight: of the loss for recognising the answer, see ``Objective``.
        threads: CPU threads; the result depends on them in the last bits.
        half: multiply matrices in bfloat16 (the weights stay float32): several times faster on CPUs with AMX,
            slower on those without any bfloat16 instructions.
    """

    shape: Shape = field(default_factory=Shape)
    warm_examples: int = 150_000
    phases: tuple[Phase, ...] = (QUESTIONS, CONVERSATIONS, CALM)
    seed: int = 20261120
    batch_tokens: int = 2048
    rate: float = 2e-3
    warmup: float = 0.04
    decay: float = 0.1
    intent_weight: float = 0.5
    threads: int = 2
    half: bool = True

    @property
    def steps(self) -> int:
        """Optimizer steps of all phases."""
        return sum(phase.steps for phase in self.phases)


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
    sampler = Sampler(corpus, tokens.Encoder(tokenizer), Random(recipe.seed))
    objective = Objective(network, sampler.intents, recipe.intent_weight)
    warm_start(objective, sampler, recipe.warm_examples, report_every)
    optimizer = _optimizer(objective, recipe)
    objective.train()
    recent = [0.0, 0.0]
    for step, batch in enumerate(_batches(sampler, recipe), start=1):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * _schedule(step, recipe)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.half):
            words, answers = objective(*batch)
        optimizer.zero_grad(set_to_none=True)
        (words + recipe.intent_weight * answers).backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
        optimizer.step()
        recent = [recent[0] + words.item(), recent[1] + answers.item()]
        if report_every and step % report_every == 0:
            losses = f"loss {recent[0] / report_every:.4f} {recent[1] / report_every:.4f}"
            print(f"step {step:5} of {recipe.steps}  {losses}  {time.monotonic() - began:6.0f} s", flush=True)
            recent = [0.0, 0.0]
    network.eval()
    return Trained(network, tokenizer, time.monotonic() - began)


def make(corpus: Corpus, recipe: Recipe, path: Path, report_every: int = 100) -> Trained:
    """Train and write the GGUF file."""
    trained = train(corpus, recipe, report_every)
    export.write(trained.network, trained.tokenizer, path)
    return trained


def _optimizer(network: Objective, recipe: Recipe) -> torch.optim.Optimizer:
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


def _batches(sampler: Sampler, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    random = Random(recipe.seed + 1)
    for phase in recipe.phases:
        drawing = sampler.with_mixture(phase.mixture)
        lengths, weights = zip(*phase.lengths, strict=True)
        for _ in range(phase.steps):
            length = random.choices(lengths, weights)[0]
            yield _tensors(
                [drawing.sequence(length + 1) for _ in range(max(1, recipe.batch_tokens // length))]
            )


def _tensors(rows: list[tokens.Row]) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, targets, intents, each (batch, longest - 1); a target is the next id where that is learnt."""
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), tokens.PAD)
    targets = torch.full((len(rows), width), IGNORE)
    intents = torch.full((len(rows), width), IGNORE)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row.ids)
        intents[place, : len(row)] = torch.tensor(row.intents)
        wanted = [token if learn else IGNORE for token, learn in zip(row.ids, row.learn, strict=True)]
        targets[place, : len(row)] = torch.tensor(wanted)
    return ids[:, :-1].contiguous(), targets[:, 1:].contiguous(), intents[:, :-1].contiguous()
