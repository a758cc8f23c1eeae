"""Gives the network its first idea of what words are about, before it learns to speak.

A classifier that averages the embeddings of a question's tokens and names the answer learns in a minute
which words belong together; a fresh network needs most of its training for that. Its embeddings become the
network's, and the first attention layer begins by averaging them along the directions in which they differ.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.lkjsxclm.network import Network, Objective
from models.lkjsxclm.sampler import Sampler

_BATCH = 256
_RATE = 5e-3
_DROPPED = 0.15  # share of the tokens of a question that are left out
_SPREAD = 0.04  # standard deviation of the embeddings handed over


def warm_start(objective: Objective, sampler: Sampler, examples: int, report_every: int = 0) -> None:
    """Train the classifier on ``examples`` questions; put what it learnt into network and objective."""
    network = objective.network
    shape = network.shape
    bag = nn.EmbeddingBag(shape.vocabulary, shape.width, mode="mean")
    intents = nn.Linear(shape.width, sampler.intents)
    nn.init.normal_(bag.weight, std=0.3)
    nn.init.zeros_(intents.weight)
    optimizer = torch.optim.AdamW([*bag.parameters(), *intents.parameters()], lr=_RATE, weight_decay=0.01)
    for step in range(1, examples // _BATCH + 1):
        questions = [sampler.question() for _ in range(_BATCH)]
        ids = [torch.tensor(tokens) for tokens, _ in questions]
        kept = [row[torch.rand(len(row)) >= _DROPPED] if len(row) > 2 else row for row in ids]
        offsets = torch.tensor([0, *(len(row) for row in kept[:-1])]).cumsum(0)
        wanted = torch.tensor([intent for _, intent in questions])
        loss = functional.cross_entropy(intents(bag(torch.cat(kept), offsets)), wanted, label_smoothing=0.05)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if report_every and step % report_every == 0:
            print(f"warm start, step {step:4}  loss {loss.item():.4f}", flush=True)
    with torch.no_grad():
        _hand_over(network, bag.weight)
        objective.intent.weight.copy_(intents.weight * (0.02 / intents.weight.std()))


def _hand_over(network: Network, embeddings: Tensor) -> None:
    shape = network.shape
    network.embedding.weight.copy_(embeddings * (_SPREAD / embeddings.std()))
    # The values of the first layer carry the directions of greatest variance; its output puts them back.
    width = shape.kv_heads * shape.head_width
    centred = embeddings - embeddings.mean(0)
    directions = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -width:].T
    attention = network.blocks[0].attention
    attention.v.weight.copy_(directions)
    attention.output.weight.mul_(0.1)
    shared = shape.heads // shape.kv_heads
    for head in range(shape.kv_heads):
        place = head * shared * shape.head_width
        rows = directions[head * shape.head_width : (head + 1) * shape.head_width]
        attention.output.weight[:, place : place + shape.head_width] += rows.T
