"""Whether a model is opened with its projector, so that it sees, and if not, why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chatcli.engine.base import Cancellation, Tell
from chatcli.engine.gguf import Header
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.trial.verdict import TrialOutcome, TrialVerdict
from chatcli.errors import ModelCrashed, ModelError
from chatcli.library.fit.plan import Plan
from chatcli.library.names.finding import Located
from chatcli.library.projector_lookup import projector_of
from chatcli.settings import AUTO_PROJECTOR, NO_PROJECTOR, Settings

#: Begins the line about a projector that cannot be used.
NO_PICTURES = "no pictures: "


@dataclass(frozen=True, slots=True)
class Tried:
    """How a model is to be loaded after it was tried.

    Attributes:
        options: with or without the projector.
        blindness: why without, as a clause.
    """

    options: LoadOptions
    blindness: str = ""


@dataclass(frozen=True, slots=True)
class Eyes:
    """What lets a model see.

    Attributes:
        projector: its header; None: nothing does.
        blindness: why nothing does, as a clause.
        named: the user named it, so that the model is not opened without it.
        on_gpu: it may run there.
    """

    projector: Header | None
    blindness: str = ""
    named: bool = False
    on_gpu: bool = True

    @property
    def files(self) -> Sequence[Path]:
        """The projector's file, if there is one."""
        return (self.projector.path,) if self.projector is not None else ()

    def fitted(self, plan: Plan) -> "Eyes":
        """The same after it was seen what fits."""
        if self.projector is None or plan.projector:
            return replace(self, on_gpu=plan.projector_on_gpu)
        return Eyes(None, "its projector does not fit the memory beside it")

    def tried(
        self,
        path: Path,
        options: LoadOptions,
        shards: Sequence[Header],
        verdicts: Path,
        tell: Tell,
        cancel: Cancellation | None,
        on_trial: Callable[[], None] | None = None,
    ) -> Tried:
        """Try a model with its projector in a child process, and without it where that fails.

        Args:
            path: the model.
            options: how to load it, without a projector.
            shards: headers of its files.
            verdicts: file of what is known of trials.
            tell: called with the reason where a projector that was found is left out.
            cancel: set it to give up.
            on_trial: called when a trial begins.

        Raises:
            ModelError: the model cannot be loaded, or not with the projector that the user named.
        """
        from chatcli.engine.trial.probe import probe

        def verdict(way: LoadOptions) -> TrialVerdict:
            return probe(path, verdicts, way, on_trial=on_trial, cancel=cancel, shards=shards)

        if self.projector is not None:
            seeing = replace(options, projector=self.projector.path, projector_on_gpu=self.on_gpu)
            with_it = verdict(seeing)
            if with_it.ok:
                return Tried(replace(seeing, use_extra_bufts=with_it.use_extra_bufts))
        alone = verdict(options)
        alone.raise_for_failure()
        blindness = self.blindness
        if self.projector is not None:  # it is the projector's fault, then
            blindness = _fault(self.projector.path, with_it)
            if self.named:
                raise (ModelCrashed if with_it.outcome is TrialOutcome.CRASHED else ModelError)(blindness)
            tell(f"{NO_PICTURES}{blindness}")
        return Tried(replace(options, use_extra_bufts=alone.use_extra_bufts), blindness)


def eyes_of(found: Located, settings: Settings, model: Header, tell: Tell) -> Eyes:
    """What lets a model see, as far as files tell.

    Args:
        found: the model.
        settings: ``projector`` and ``picture_tokens``.
        model: header of the model's first file.
        tell: called with the reason where a projector that was found is left out.

    Raises:
        ModelError: the projector that the user named is none, or not for this model.
    """
    reasons: list[str] = []
    header = projector_of(found, settings, model, reasons.append)
    for reason in reasons:
        tell(f"{NO_PICTURES}{reason}")
    if header is not None:
        return Eyes(header, named=settings.projector != AUTO_PROJECTOR)
    if settings.projector == NO_PROJECTOR:
        return Eyes(None, "its projector was left out, as the setting says")
    return Eyes(None, reasons[0] if reasons else "it reads text only: no projector (mmproj) is with it")


def _fault(projector: Path, verdict: TrialVerdict) -> str:
    if verdict.outcome is not TrialOutcome.CRASHED:
        return verdict.reason
    why = f": {verdict.reason}" if verdict.reason else ""
    return (
        f"llama.cpp crashed on a trial of the projector {projector.name} ({verdict.signal_name}{why}); "
        "the file may be damaged: download it again"
    )
