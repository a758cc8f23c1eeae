"""How much memory seeing will take, before a projector is loaded: weights, and room for the largest picture.

Which tensors share memory is decided by ggml's allocator, so the numbers of floats are fits to what it was
measured to take (benchmarks/projectors.py), from a twentieth too few to a third too many.
"""

from dataclasses import dataclass

from chatcli.engine.gguf import Header, projector

_FIXED = 8_000_000  # descriptions of up to 8192 steps, whatever the picture


@dataclass(frozen=True, slots=True)
class ProjectorMemory:
    """Memory of one projector, in bytes.

    Attributes:
        weights: all of the file's, which are read and not mapped.
        compute: room for its largest picture, the picture itself among it.
    """

    weights: int
    compute: int

    @property
    def total(self) -> int:
        """Both."""
        return self.weights + self.compute


def projector_memory(header: Header) -> ProjectorMemory:
    """Estimate from the header alone.

    Args:
        header: of the projector. Absurd numbers give absurd sizes, and no error.
    """
    facts = projector(header)
    names = {tensor.name for tensor in header.tensors}
    pixels = 3 * facts.patch_size**2
    output = facts.tokens * facts.width
    # Attention over windows of a large picture has a mask, of which there are two copies for a moment.
    masks = 2 * facts.patches**2 if header.integer("clip.vision.n_wa_pattern") else 0
    block = max(_block(facts.hidden, facts.feed_forward, names), pixels + pixels // 2 + facts.hidden)
    patch = block + 2 * pixels + facts.feed_forward // 2  # activations in half precision
    if pixels <= facts.hidden:
        patch += pixels  # a larger piece is used again
    return ProjectorMemory(facts.weights, 4 * (facts.patches * patch + output + masks) + _FIXED)


def _block(hidden: int, feed_forward: int, names: set[str]) -> int:
    """Floats of a patch alive at once in a block."""
    attention = 13 * hidden // 2 if "v.blk.0.attn_qkv.weight" in names else 5 * hidden
    gated = "v.blk.0.ffn_gate.weight" in names
    return max(attention, (3 if gated else 1) * feed_forward + 3 * hidden)
