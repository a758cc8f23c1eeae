"""The sizes of a model that decide what it takes of memory, read from its header alone.

As llama.cpp derives them (src/llama-hparams.cpp, src/llama-model.cpp, src/models/): heads per block, blocks
with a sliding window, with a latent cache (MLA), with a recurrent state instead of or beside a cache, and
blocks that share the cache of others.
"""

from dataclasses import dataclass

from chatcli.engine.gguf import Header, MetadataArray

# Blocks with a sliding window, but every n-th, where the header does not list them.
_WINDOW_PERIODS = {
    "gemma2": 2,
    "gpt-oss": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "plamo3": 8,
    **dict.fromkeys(("afmoe", "cohere2", "cohere2moe", "exaone4", "exaone-moe", "mellum", "olmo2"), 4),
}
_INTERVALS = frozenset({"qwen3next", "qwen35", "qwen35moe", "qwen4exp", "minimax-01"})
_RECURRENT = frozenset({"mamba", "mamba2", "rwkv6", "rwkv7", "rwkv6qwen2", "arwkv7"})
# Blocks without heads for keys have a state in these; elsewhere they have no memory at all.
_HYBRID = frozenset(
    {"jamba", "lfm2", "lfm2moe", "granitehybrid", "nemotron_h", "nemotron_h_moe", "plamo2", "kimi-linear"}
)
_BOTH = frozenset({"falcon-h1"})
_GEMMA3N_OWN_CACHES = 20
_MAX_BLOCKS = 512  # LLAMA_MAX_LAYERS; llama.cpp refuses more


@dataclass(frozen=True, slots=True)
class LayerShape:
    """One block of a model.

    Attributes:
        key, value: floats a token leaves in the cache; 0: none.
        windowed: its cache may hold the last tokens only.
        state: floats of its recurrent state, whatever the context's length.
    """

    key: int = 0
    value: int = 0
    windowed: bool = False
    state: int = 0


@dataclass(frozen=True, slots=True)
class Dimensions:
    """The sizes of a model.

    Attributes:
        blocks: those that compute, in order (without blocks that predict ahead).
        window: tokens of a sliding window; 0: none.
        activations: floats a token of a prompt takes while it is computed, at the worst moment.
        vocabulary: tokens.
        trained_context: tokens it was trained for; 0: unknown.
    """

    blocks: tuple[LayerShape, ...]
    window: int
    activations: int
    vocabulary: int
    trained_context: int


class _Numbers:
    """The values below an architecture's prefix; what is missing or no number is 0."""

    def __init__(self, header: Header) -> None:
        self.architecture = header.architecture
        self._header = header

    def __call__(self, key: str, default: int = 0) -> int:
        value = self._header.integer(f"{self.architecture}.{key}")
        return value if value is not None and 0 <= value < 2**40 else default

    def each(self, key: str, count: int, default: int) -> list[int]:
        """One number a block, whether the header gives one for all or a list."""
        listed = self._header.array(f"{self.architecture}.{key}")
        if not isinstance(listed, MetadataArray):
            return [self(key, default)] * count
        values = [v if isinstance(v, int) and 0 <= v < 2**40 else 0 for v in listed][:count]
        return values + [values[-1] if values else default] * (count - len(values))


def dimensions(header: Header) -> Dimensions:
    """Read the sizes.

    Args:
        header: of the model's first file. Absurd numbers give absurd sizes, and no error.
    """
    numbers = _Numbers(header)
    count = max(0, min(numbers("block_count"), _MAX_BLOCKS) - numbers("nextn_predict_layers"))
    table = next((t for t in header.tensors if t.name == "token_embd.weight"), None)
    tokens = header.array("tokenizer.ggml.tokens")
    vocabulary = table.shape[1] if table and len(table.shape) > 1 else len(tokens) if tokens else 0
    return Dimensions(
        blocks=tuple(_block(numbers, i, count) for i in range(count)) if count else (),
        window=numbers("attention.sliding_window"),
        activations=_activations(numbers, count),
        vocabulary=vocabulary,
        trained_context=header.context_length,
    )


def _block(numbers: _Numbers, index: int, count: int) -> LayerShape:
    heads = numbers.each("attention.head_count", count, 0)
    kv_heads = numbers.each("attention.head_count_kv", count, heads[index] if heads else 0)
    usual = numbers("embedding_length") // max(heads[0], 1)
    key = numbers("attention.key_length", usual)
    value = numbers("attention.value_length", usual)
    windowed = _windowed(numbers, index, count)
    if windowed:
        key = numbers("attention.key_length_swa", key)
        value = numbers("attention.value_length_swa", value)
    recurrent = _recurrent(numbers, index, count, kv_heads[index])
    state = _state(numbers, heads[index]) if recurrent or numbers.architecture in _BOTH else 0
    if recurrent or index >= _own_caches(numbers, count):
        return LayerShape(state=state)
    latent = numbers("attention.key_length_mla") and numbers("attention.value_length_mla")
    return LayerShape(key * kv_heads[index], 0 if latent else value * kv_heads[index], windowed, state)


def _windowed(numbers: _Numbers, index: int, count: int) -> bool:
    if not numbers("attention.sliding_window") or numbers.architecture == "phi3":
        return False
    period = _WINDOW_PERIODS.get(numbers.architecture, 0)
    listed = numbers.each("attention.sliding_window_pattern", count, period)
    if len(set(listed)) > 1 or listed[index] == 1:
        return bool(listed[index])
    return bool(listed[index]) and index % listed[index] < listed[index] - 1


def _recurrent(numbers: _Numbers, index: int, count: int, kv_heads: int) -> bool:
    if numbers.architecture in _RECURRENT:
        return True
    if numbers.architecture in _INTERVALS:
        listed = numbers.each("attention.recurrent_layers", count, 2)
        interval = numbers("full_attention_interval", 4) or 4
        return bool(listed[index]) if listed[index] < 2 else (index + 1) % interval != 0
    return numbers.architecture in _HYBRID and kv_heads == 0


def _own_caches(numbers: _Numbers, count: int) -> int:
    """Blocks, from the first, that do not use the cache of an earlier one."""
    if numbers.architecture == "gemma3n":
        return _GEMMA3N_OWN_CACHES
    return count - numbers("attention.shared_kv_layers")


def _state(numbers: _Numbers, heads: int) -> int:
    """Floats of a block's recurrent state: what its convolution remembers, and the state itself."""
    width = numbers("embedding_length")
    if head := numbers("wkv.head_size"):
        return (numbers("token_shift_count", 2) + head) * width
    if cache := numbers("shortconv.l_cache"):
        return width * (cache - 1)
    kernel = numbers("ssm.conv_kernel")
    if head := numbers("kda.head_dim"):
        return 3 * (kernel - 1 if kernel else 3) * heads * head + head * head * heads
    inner, state = numbers("ssm.inner_size"), numbers("ssm.state_size")
    return max(0, kernel - 1) * (inner + 2 * numbers("ssm.group_count") * state) + state * inner


def _activations(numbers: _Numbers, count: int) -> int:
    """Floats of one token alive at once in the largest step.

    Which tensors share memory is decided by ggml's allocator, so these are fits to what it was measured to
    take (benchmarks/memory.py), good to some percent.
    """
    width = numbers("embedding_length")
    heads = max(numbers.each("attention.head_count", count, 0), default=0)
    kv_heads = max(numbers.each("attention.head_count_kv", count, heads), default=0)
    head = numbers("attention.key_length", width // max(heads, 1))
    query = heads * head
    latent = numbers("attention.key_length_mla")
    attention = 3 * query if latent else 2 * (query + kv_heads * head + width)
    feed_forward = max(numbers.each("feed_forward_length", count, 0), default=0)
    plain = 3 * feed_forward + 4 * width if feed_forward and _dense(numbers) else 0
    inner, state = numbers("ssm.inner_size"), numbers("ssm.state_size")
    mixed = inner + 2 * numbers("ssm.group_count") * state
    recurrent = 3 * mixed + 3 * width if numbers.architecture in _INTERVALS else 6 * inner + width
    per_layer = 2 * numbers("embedding_length_per_layer_input") * count
    return max(attention, plain, _experts(numbers, count, heads * latent or query), recurrent) + per_layer


def _dense(numbers: _Numbers) -> bool:
    """Some block has a plain feed-forward part."""
    return not numbers("expert_count") or numbers("leading_dense_block_count") > 0


def _experts(numbers: _Numbers, count: int, query: int) -> int:
    used = max(numbers.each("expert_used_count", count, 0), default=0)
    width = numbers("embedding_length")
    inner = used * (numbers("expert_feed_forward_length") or numbers("feed_forward_length"))
    if not inner:
        return 0
    # The experts' outputs take the place of what went before, unless they are too large for that.
    outputs = used * width if used * width > 2 * inner else 0
    return 3 * inner + 3 * width + query + outputs
