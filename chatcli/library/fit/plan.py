"""Decides how to load a model on this machine; if it is too big, says what would fit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chatcli.engine.gguf import Header
from chatcli.engine.llama.load_options import ALL_LAYERS, LoadOptions
from chatcli.engine.llama.offload import MARGIN, layers_that_fit, on_gpu
from chatcli.engine.memory.estimate import Estimate, estimate, largest_context, projector_memory
from chatcli.engine.memory.process import Memory
from chatcli.errors import ModelError
from chatcli.settings import AUTO_CONTEXT, Settings
from chatcli.words import byte_size

_LEAST_CONTEXT = 1024  # smaller ones are not proposed
# Bits a weight takes, roughly, in the formats people find on download pages.
_FORMATS = (("Q8_0", 8.5), ("Q6_K", 6.6), ("Q5_K_M", 5.7), ("Q4_K_M", 4.9), ("Q3_K_M", 3.9), ("Q2_K", 3.2))


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory of this machine, in bytes.

    Attributes:
        memory: main memory.
        gpu: free on GPUs with memory of their own, or that share main memory, together; 0: none.
    """

    memory: Memory
    gpu: int = 0


@dataclass(frozen=True, slots=True)
class FitPlan:
    """How to load a model on this machine.

    Attributes:
        options: with context size and layers decided.
        estimate: of its memory.
        offloads: a part of the model may go to a GPU.
        notes: decisions made for the user, a line each.
        projector: its projector is loaded with it.
        projector_on_gpu: the projector goes to the GPU.
    """

    options: LoadOptions
    estimate: Estimate
    offloads: bool = False
    notes: tuple[str, ...] = ()
    projector: bool = False
    projector_on_gpu: bool = False


def plan(
    shards: Sequence[Header],
    settings: Settings,
    machine: Machine,
    name: str,
    projector: Header | None = None,
) -> FitPlan:
    """Decide how to load a model, and whether its projector fits beside it.

    Args:
        shards: headers of its files.
        settings: context size (``AUTO_CONTEXT``: the largest that fits), GPU layers, cache type, and whether
            to refuse what does not fit.
        machine: what there is.
        name: of the model, for messages.
        projector: header of its projector, or None.

    Raises:
        ModelError: it does not fit, not even without its projector; proposes what would.
    """
    if projector is None:
        return _planned(shards, settings, machine, name)
    needed = projector_memory(projector).total
    there = machine.gpu - MARGIN >= needed and settings.gpu_layers != "0"
    left = _without(machine, needed, on_gpu=there)
    try:
        seeing = _planned(shards, settings, left, name)
    except ModelError:
        blind = _planned(shards, settings, machine, name)
        note = _blind_note(needed, largest_context(shards, blind.options, left.memory.available))
        return replace(blind, notes=(*blind.notes, note))
    return replace(seeing, projector=True, projector_on_gpu=there)


def _without(machine: Machine, needed: int, *, on_gpu: bool) -> Machine:
    """A machine without the memory that something takes."""
    if on_gpu:
        return replace(machine, gpu=machine.gpu - needed)
    memory = machine.memory
    # 0 would stand for a memory that is not known.
    left = max(memory.available - needed, 1) if memory.available else 0
    return replace(machine, memory=replace(memory, available=left))


def _blind_note(needed: int, context: int) -> str:
    smaller = f"--ctx-size {context} leaves room for it, " if context >= _LEAST_CONTEXT else ""
    return (
        f"it cannot see pictures now: its projector needs {byte_size(needed)}, which do not fit beside it; "
        f"{smaller}-o check_memory=false loads it all the same"
    )


def _planned(shards: Sequence[Header], settings: Settings, machine: Machine, name: str) -> FitPlan:
    offloads = machine.gpu > 0 and settings.gpu_layers != "0"
    options = LoadOptions.from_settings(settings)
    notes = []
    available = machine.memory.available
    if settings.ctx_size == AUTO_CONTEXT:
        room = max(available, machine.gpu if offloads else 0)
        size = largest_context(shards, options, room, offloads=offloads) if room else 0
        if size >= _LEAST_CONTEXT or (size and size == shards[0].context_length):
            options = replace(options, context_size=size)
            if size < shards[0].context_length:
                notes.append(f"the context has {size} tokens, the most that fits")
    guess = estimate(shards, options, offloads=offloads)
    if offloads and settings.gpu_layers == "auto":
        layers = layers_that_fit(guess, machine.gpu)
        if layers != ALL_LAYERS:
            options = replace(options, gpu_layers=layers)
            count = max(layers - 1, 0)
            notes.append(f"{count} of {len(guess.blocks)} blocks go to the GPU, as many as fit")
    placed = on_gpu(guess, options.gpu_layers) if offloads else 0
    needed = guess.total + guess.overhead - placed
    if settings.check_memory and available and needed > available:
        raise ModelError(_too_big(shards, options, guess, machine, name, needed))
    return FitPlan(options, guess, offloads, tuple(notes))


def _too_big(
    shards: Sequence[Header], options: LoadOptions, guess: Estimate, machine: Machine, name: str, needed: int
) -> str:
    """What is wrong, and every remedy that would help."""
    available = machine.memory.available
    remedies = []
    context = largest_context(shards, options, available)
    if context >= _LEAST_CONTEXT:
        remedies.append(f"--ctx-size {context}")
    if options.kv_type_k == "f16":
        small = replace(options, kv_type_k="q8_0", kv_type_v="q8_0", context_size=guess.context_size)
        quantized = estimate(shards, small)
        if quantized.total + quantized.overhead <= available:
            remedies.append("a quantized cache, -o kv_cache=q8_0")
    if not remedies:
        parameters = sum(shard.parameters for shard in shards)
        room = available - (guess.total - guess.weights) - guess.overhead
        fitting = next((form for form, bits in _FORMATS if parameters * bits / 8 <= room), None)
        smaller = fitting is not None and parameters * 3.2 / 8 < guess.weights
        remedies.append(
            f"the same model as {fitting}" if smaller else "a smaller model: chatcli models recommend"
        )
    limit = " (the control group's limit counts)" if machine.memory.limit else ""
    return (
        f"{name} needs about {byte_size(needed)} of memory for a context of {guess.context_size} tokens, "
        f"and {byte_size(available)} are available{limit}; what would fit: {' or '.join(remedies)}; "
        "-o check_memory=false loads it all the same"
    )
