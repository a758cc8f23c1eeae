"""The network: a llama (RMSNorm, rotary positions, grouped-query attention, SwiGLU) for a laptop."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

IGNORE = -100  # torch's index for what carries no loss


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the network. Every row is a multiple of 32 long, as Q8_0 blocks want it.

    Attributes:
        vocabulary: number of tokens.
        width: of the residual stream.
        layers: number of blocks.
        heads, kv_heads: query heads, and key/value heads shared among them.
        hidden: width inside the feed-forward part.
        context: longest sequence, in tokens.
        rope_base: base of the rotary frequencies.
        epsilon: of RMSNorm.
        dropout: while training.
    """

    vocabulary: int = 3072
    width: int = 384
    layers: int = 4
    heads: int = 6
    kv_heads: int = 2
    hidden: int = 768
    context: int = 2048
    rope_base: float = 10_000.0
    epsilon: float = 1e-5
    dropout: float = 0.0

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


class Attention(nn.Module):
    """Causal self-attention with rotary positions on neighbouring pairs, as llama.cpp has it for a llama.

    (transformers pairs the halves of a head instead, so its files are permuted when converted; ours is not.)
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        kv = shape.kv_heads * shape.head_width
        self.q = nn.Linear(shape.width, shape.width, bias=False)
        self.k = nn.Linear(shape.width, kv, bias=False)
        self.v = nn.Linear(shape.width, kv, bias=False)
        self.output = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        """(batch, length, width) to the same; ``rotation`` as ``rotations`` gives it for this length."""
        batch, length, width = x.shape
        q = rotate(self.q(x).view(batch, length, self.shape.heads, -1), rotation).transpose(1, 2)
        k = rotate(self.k(x).view(batch, length, self.shape.kv_heads, -1), rotation).transpose(1, 2)
        v = self.v(x).view(batch, length, self.shape.kv_heads, -1).transpose(1, 2)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        attended: Tensor = self.output(mixed.transpose(1, 2).reshape(batch, length, width))
        return attended


class Block(nn.Module):
    """Attention and feed-forward, each with its norm before and its residual around."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.attention = Attention(shape)
        self.ffn_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        """(batch, length, width) to the same."""
        x = x + self.attention(self.attention_norm(x), rotation)
        y = self.ffn_norm(x)
        out: Tensor = x + self.dropout(self.down(functional.silu(self.gate(y)) * self.up(y)))
        return out


class Network(nn.Module):
    """Token ids to logits; the embedding is also the output layer.

    Args:
        shape: its sizes.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                # Layers that write to the residual stream start small (GPT-2's scheme).
                depth = (2 * shape.layers) ** -0.5 if name.endswith(("output.weight", "down.weight")) else 1.0
                nn.init.normal_(parameter, std=0.02 * depth)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (batch, length, vocabulary) for ids (batch, length)."""
        return functional.linear(self.hidden(ids), self.embedding.weight)

    def hidden(self, ids: Tensor) -> Tensor:
        """The normed residual stream (batch, length, width) that the output layer reads."""
        rotation = rotations(ids.shape[1], self.shape.head_width, self.shape.rope_base)
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, rotation)
        normed: Tensor = self.norm(x)
        return normed


class Objective(nn.Module):
    """What is minimised: the cross-entropy of the answers' tokens, and of which answer it will be.

    The second makes the network settle the whole answer before it says the first word; without it, it drifts
    from one answer into another that begins alike. Its layer is not exported.

    Args:
        network: what is trained.
        intents: number of different answers.
        weight: of the second part.
    """

    def __init__(self, network: Network, intents: int, weight: float) -> None:
        super().__init__()
        self.network = network
        self.weight = weight
        self.intent = nn.Linear(network.shape.width, intents, bias=False)
        nn.init.normal_(self.intent.weight, std=0.02)

    def forward(self, ids: Tensor, targets: Tensor, intents: Tensor) -> tuple[Tensor, Tensor]:
        """Both losses for ids (batch, length).

        Args:
            targets: the token to predict at each position, or ``IGNORE``; same shape.
            intents: the answer to recognise at each position, or ``IGNORE``; same shape.
        """
        hidden = self.network.hidden(ids)
        # The output layer is a quarter of the work: only what carries loss goes through it.
        spoken, opening = targets != IGNORE, intents != IGNORE
        logits = functional.linear(hidden[spoken], self.network.embedding.weight)
        words = functional.cross_entropy(logits, targets[spoken])
        answers = functional.cross_entropy(self.intent(hidden[opening]), intents[opening])
        return words, answers


def rotations(length: int, head_width: int, base: float) -> Tensor:
    """Cosines and sines of the rotary angles, (length, head width / 2, 2). https://arxiv.org/abs/2104.09864"""
    frequencies = base ** (-torch.arange(0, head_width, 2, dtype=torch.float32) / head_width)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)
    return torch.stack((angles.cos(), angles.sin()), dim=-1)


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turn neighbouring pairs of (batch, length, heads, head width) by their position's angles."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cos, sin = rotation[:, None, :, 0], rotation[:, None, :, 1]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)
