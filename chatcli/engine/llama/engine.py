"""The engine on llama.cpp: a loaded model that answers and reuses what its memory holds."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chatcli import __version__
from chatcli.chat.message import FinishReason, Message, ModelRef, Picture
from chatcli.chat.window import ContextWindow, Window
from chatcli.engine.answer import AnswerStats
from chatcli.engine.base import (
    Cancellation,
    Engine,
    Event,
    Finished,
    LeftOut,
    Prompt,
    PromptProgress,
    PromptToken,
)
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.llama.loading import Adapters, LoadedModel, load_model
from chatcli.engine.llama.model_format import AnswerStream, ModelFormat
from chatcli.engine.llama.prompt import BuiltPrompt, PromptBuilder
from chatcli.engine.llama.reuse import reuse
from chatcli.engine.llama.sampler import Sampler, recommended_sampling
from chatcli.engine.llama.scoring import embedding, log_probabilities
from chatcli.engine.llama.state import conditions_of, unpack
from chatcli.engine.llama.tape import Aborted, Tape
from chatcli.engine.llama.vocabulary import Vocabulary, begins_chunk, is_cell
from chatcli.errors import ContextOverflow, ModelError
from chatcli.sampling import SamplingParams


class LlamaEngine(Engine):
    """A model file run by llama.cpp. Make it with ``open`` and use it from one thread at a time.

    The same prompt, parameters and seed give the same answer, unless a part of the prompt was in memory: then
    the batches had other sizes, which changes the last bits of the logits. The engine frees what is loaded.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        model: ModelRef,
        conditions: str = "",
        defaults: Mapping[str, Any] | None = None,
        no_vision_reason: str = "",
        try_adapter: Callable[[Path], None] | None = None,
    ) -> None:
        lib = loaded.native.lib
        self._loaded = loaded
        self._closed = False
        self._conditions = conditions
        self._vocabulary = Vocabulary(loaded.model)
        self._format = ModelFormat(self._vocabulary, loaded.metadata("tokenizer.chat_template"))
        self.no_vision_reason = "" if loaded.vision else no_vision_reason or "it reads text only"
        show = loaded.vision.row if loaded.vision else self._cannot_show
        self._prompts = PromptBuilder(self._vocabulary, self._format.template, show)
        self._tape = Tape(loaded.native, loaded.context, loaded.batch_size, loaded.vision)
        self._window = ContextWindow(loaded.context_size)
        self._adapters = Adapters(loaded)
        self._try_adapter = try_adapter
        self.context_size = loaded.context_size
        self.recommended = recommended_sampling(loaded.metadata, defaults)
        self.model = replace(
            model,
            architecture=loaded.architecture,
            quantization=loaded.quantization,
            template=self._format.sha256,
            context_size=loaded.context_size,
        )
        self._versions = {
            "chatcli": __version__,
            "llama_cpp_python": lib.__version__,
            "llama.cpp": lib.llama_version().decode(),
        }

    @classmethod
    def open(
        cls,
        path: Path,
        options: LoadOptions | None = None,
        *,
        name: str = "",
        sha256: str = "",
        projector_sha256: str = "",
        no_vision_reason: str = "",
        try_adapter: Callable[[Path], None] | None = None,
        defaults: Mapping[str, Any] | None = None,
        on_progress: Callable[[float], None] | None = None,
        cancel: Cancellation | None = None,
    ) -> "LlamaEngine":
        """Load a model. May take minutes, and runs in any thread.

        Args:
            path: a GGUF file; of a split model, the first one. Let ``probe`` try unknown files before.
            name: what the user calls it; if empty, the file's name without suffix.
            sha256, projector_sha256: checksums of the files for the records, if known.
            no_vision_reason: why the options have no projector, as a clause.
            try_adapter: called before an adapter is loaded; raises ``ModelError`` if that would do harm.
            defaults: sampling parameters recommended outside the header, by name.
            on_progress: called in the calling thread with the share that is loaded, 0 to 1.
            cancel: set it to give up.

        Raises:
            ModelNotFound: no such file.
            ModelError: llama.cpp cannot use it, or ``cancel`` was set.
            TemplateError: its chat template does not compile.
        """
        options = options or LoadOptions()
        loaded = load_model(path, options, on_progress=on_progress, cancel=cancel)
        try:
            model = ModelRef(name or path.stem, path.name, sha256, projector=projector_sha256)
            return cls(loaded, model, conditions_of(path, options), defaults, no_vision_reason, try_adapter)
        except BaseException:
            loaded.free()
            raise

    @property
    def chat_template(self) -> str:
        """Source of the chat template; empty if the model continues a transcript instead."""
        return self._format.source

    def set_adapter(self, path: Path | None, *, scale: float = 1.0, sha256: str = "") -> None:
        """Attach a LoRA adapter in place of the present one; see ``TakesAdapter``."""
        self._require_open()
        if path is None:
            self._adapters.detach()
        else:
            if self._try_adapter is not None and path.is_file():
                self._try_adapter(path)
            self._adapters.attach(path, scale)
        self._tape.clear()  # it was computed with other weights, which llama.cpp does not notice
        self.model = replace(self.model, adapter=sha256 if path else "", adapter_scale=scale if path else 1.0)

    def prompt(
        self, messages: Sequence[Message], params: SamplingParams, *, thinking: bool | None = None
    ) -> Prompt:
        """Build the prompt that ``generate`` would read; see ``CountsTokens``."""
        window, built = self._build(messages, params, thinking, remember=False)
        return Prompt(built.text, tuple(self._shown_tokens(built)), window.left_out)

    def generate(
        self,
        messages: Sequence[Message],
        params: SamplingParams,
        *,
        cancel: Cancellation | None = None,
        thinking: bool | None = None,
    ) -> Iterator[Event]:
        """Answer the last message; see ``Engine.generate``. The engine stays usable after an error.

        With a grammar, templates that can are told not to think: it would constrain the reasoning.

        Raises:
            UsageError: there is no message, or the grammar is invalid.
        """
        drawn = params if params.seed is not None else params.with_seed(secrets.randbelow(2**32 - 1))
        run = AnswerStats(drawn, thinking)
        window, built = self._build(messages, params, thinking, remember=True)
        if window.left_out:
            yield LeftOut(window.left_out)
        if built.unseen is not None:
            yield built.unseen
        self._loaded.native.log.clear()
        sampler = self._sampler(run.params, built.ids)
        stream = AnswerStream(self._format.splitter(built, messages), (*params.stop, *self._format.stops))
        cancel = cancel or Cancellation()
        self._tape.watch(cancel)
        try:
            yield from self._read(built, run, cancel)
            yield from self._speak(sampler, stream, run, cancel)
        except Aborted:
            run.finish_reason = FinishReason.INTERRUPTED
        finally:
            self._tape.watch(None)
            sampler.close()
        yield from stream.finish()
        yield Finished(run.generation(self.model, self._versions))

    @property
    def state_conditions(self) -> str:
        """Everything that a saved state depends on: model, adapter, template, context, library."""
        parts = (self._conditions, self._adapters.identity, self._format.sha256, self.context_size)
        return " ".join(map(str, (*parts, sorted(self._versions.items()))))

    def save_state(self) -> memoryview | None:
        """Copy the memory; None if it is empty or too large for a copy."""
        self._require_open()
        try:
            return self._tape.write_state(self.state_conditions)
        except MemoryError:
            return None

    def load_state(self, blob: bytes | memoryview) -> bool:
        """Replace the memory with a saved state; see ``KeepsState``. Another conversation's does no harm."""
        self._require_open()
        most, vocabulary = self.context_size, self._vocabulary.n_tokens
        state = unpack(blob, self.state_conditions, tokens=most, vocabulary=vocabulary)
        return state is not None and self._tape.read_state(state)

    def score(
        self, messages: Sequence[Message], continuation: str, *, thinking: bool | None = None
    ) -> list[float]:
        """Log-probabilities of the tokens of a continuation; see ``ScoresText``. Changes no memory."""
        self._require_open()
        prompt = self._prompts.build(messages, thinking=thinking)
        if prompt.pictures:
            raise ModelError("an answer about pictures cannot be scored yet")
        ids = [*prompt.ids, *self._prompts.continuation(continuation, prompt.ids[-1])]
        self._require_room(ids)
        return log_probabilities(self._loaded, ids, len(prompt.ids), self._adapters.apply_to)

    def embed(self, text: str) -> list[float]:
        """The embedding of a text; see ``EmbedsText``. Changes no memory."""
        self._require_open()
        ids = self._vocabulary.tokenize(text or " ", add_special=True)
        self._require_room(ids)
        return embedding(self._loaded, ids, self._adapters.apply_to)

    def close(self) -> None:
        """Free the model. Idempotent."""
        if not self._closed:
            self._closed = True
            self._loaded.free()

    def _cannot_show(self, _picture: Picture) -> tuple[int, ...]:
        raise ModelError(self.no_vision_reason)

    def _shown_tokens(self, built: BuiltPrompt) -> Iterator[PromptToken]:
        """The tokens of a prompt, as they are shown."""
        name = ""
        for place, token in enumerate(built.ids):
            if place in built.pictures:
                name = built.pictures[place].name
            if is_cell(token):
                text = name if begins_chunk(token) else ""
            else:
                text = self._vocabulary.piece(token).decode("utf-8", "replace")
            yield PromptToken(token, text, self._vocabulary.is_special(token))

    def _require_open(self) -> None:
        if self._closed:
            raise ModelError("the model is closed")

    def _require_room(self, ids: Sequence[int]) -> None:
        if len(ids) > self.context_size:
            raise ContextOverflow(len(ids), self.context_size)

    def _build(
        self, messages: Sequence[Message], params: SamplingParams, thinking: bool | None, *, remember: bool
    ) -> tuple[Window, BuiltPrompt]:
        """Choose the messages and build their prompt."""
        self._require_open()
        if thinking is None and params.grammar is not None:
            thinking = False
        built: dict[int, BuiltPrompt] = {}  # by length, in which windows of one conversation differ

        def measure(some: Sequence[Message]) -> int:
            built[len(some)] = self._prompts.build(some, thinking=thinking)
            return len(built[len(some)].ids)

        window = self._window.choose(messages, params, measure, remember=remember)
        return window, built[len(window.kept)]

    def _sampler(self, params: SamplingParams, prompt: Sequence[int]) -> Sampler:
        words = [token for token in prompt if not is_cell(token)]
        native, vocab = self._loaded.native, self._loaded.vocab
        return Sampler(native, vocab, params, context_size=self.context_size, prompt=words)

    def _read(self, built: BuiltPrompt, run: AnswerStats, cancel: Cancellation) -> Iterator[Event]:
        """Bring the tape to the end of the prompt; decode only what it does not hold."""
        tape = self._tape
        tape.settle()
        plan = reuse(tape.ids, tape.generated, built.ids, self._vocabulary)
        ids = [*tape.ids[: plan.keep], *plan.decode]  # the prompt's text, in the tokens it first had
        run.cached = tape.keep(plan.keep)
        run.prompt_tokens = len(ids)
        yield PromptProgress(run.cached, len(ids), run.cached)
        try:
            for done in tape.read(ids[run.cached :], cancel, built.pictures.values()):
                yield PromptProgress(run.cached + done, len(ids), run.cached)
        finally:
            run.decoded = max(0, len(self._tape.ids) - run.cached)
            run.prompt_read = time.monotonic()

    def _speak(
        self, sampler: Sampler, stream: AnswerStream, run: AnswerStats, cancel: Cancellation
    ) -> Iterator[Event]:
        """The loop of generation: sample a token, stream its text, decode it."""
        context, shown, is_end = self._loaded.context, self._format.shown, self._vocabulary.is_end
        append, flag = self._tape.append, cancel.flag
        room = self.context_size - run.prompt_tokens
        limit = min(run.params.max_tokens or room, room)
        while True:
            token = sampler.sample(context)
            if token is None:
                return
            run.count()
            if is_end(token):
                return
            yield from stream.feed(shown(token))
            if stream.stop is not None:
                if stream.stop in run.params.stop:  # the transcript format's own closing tag is an end
                    run.finish_reason = FinishReason.STOP
                return
            if run.completion >= limit:
                run.finish_reason = FinishReason.LENGTH
                return
            if flag[0]:  # for back ends that ignore the abort callback
                raise Aborted
            append(token)
