"""Which projector a model is opened with, so that it sees pictures; and if none, why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chatcli.engine.base import Cancellation, Tell
from chatcli.engine.gguf import Header, check_projector, projector, read_header
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.trial.verdict import TrialOutcome, TrialVerdict
from chatcli.errors import ModelCrashed, ModelError, ModelNotFound
from chatcli.library.fit.plan import FitPlan
from chatcli.library.names.finding import Located
from chatcli.settings import AUTO_PROJECTOR, NO_PROJECTOR, Settings

#: Begins the line about a projector that cannot be used.
NO_PICTURES = "no pictures: "


@dataclass(frozen=True, slots=True)
class ProjectorChoice:
    """The projector to open a model with.

    Attributes:
        projector: its header, or None.
        no_vision_reason: why there is none, as a clause.
        named: the user named it, so that the model is not opened without it.
        on_gpu: it may run there.
    """

    projector: Header | None
    no_vision_reason: str = ""
    named: bool = False
    on_gpu: bool = True

    @property
    def files(self) -> Sequence[Path]:
        """The projector's file, if there is one."""
        return (self.projector.path,) if self.projector is not None else ()

    def fitted(self, plan: FitPlan) -> "ProjectorChoice":
        """This choice, without the projector if it does not fit the memory."""
        if self.projector is None or plan.projector:
            return replace(self, on_gpu=plan.projector_on_gpu)
        return ProjectorChoice(None, "its projector does not fit the memory beside it")

    def tried(
        self,
        path: Path,
        options: LoadOptions,
        shards: Sequence[Header],
        verdicts: Path,
        tell: Tell,
        cancel: Cancellation | None,
        on_trial: Callable[[], None] | None = None,
    ) -> tuple[LoadOptions, str]:
        """Try a model with its projector in a child process, and without it if that fails.

        Args:
            path: the model.
            options: how to load it, without a projector.
            shards: headers of its files.
            verdicts: file of known trials.
            tell: called with the reason if a projector that was found is left out.
            cancel: set it to give up.
            on_trial: called when a trial begins.

        Returns:
            How to load it, and why without its projector ('' if with it).

        Raises:
            ModelError: the model cannot be loaded, or not with the projector that the user named.
        """
        from chatcli.engine.trial.probe import probe

        def verdict(way: LoadOptions) -> TrialVerdict:
            return probe(path, verdicts, way, on_trial=on_trial, cancel=cancel, shards=shards)

        reason = self.no_vision_reason
        if self.projector is not None:
            seeing = replace(options, projector=self.projector.path, projector_on_gpu=self.on_gpu)
            with_it = verdict(seeing)
            if with_it.ok:
                return replace(seeing, use_extra_bufts=with_it.use_extra_bufts), ""
        alone = verdict(options)
        alone.raise_for_failure()
        if self.projector is not None:  # the projector is at fault, then
            reason = _fault(self.projector.path, with_it)
            if self.named:
                raise (ModelCrashed if with_it.outcome is TrialOutcome.CRASHED else ModelError)(reason)
            tell(f"{NO_PICTURES}{reason}")
        return replace(options, use_extra_bufts=alone.use_extra_bufts), reason


def choose_projector(found: Located, settings: Settings, model: Header, tell: Tell) -> ProjectorChoice:
    """Choose the projector of a model by its files.

    Args:
        found: the model.
        settings: ``projector``: auto, none or a file.
        model: header of the model's first file.
        tell: called with the reason if a projector that was found is left out.

    Raises:
        ModelError: the projector that the user named is not there, is none, or is for another model.
    """
    reasons: list[str] = []
    header = projector_of(found, settings, model, reasons.append)
    for reason in reasons:
        tell(f"{NO_PICTURES}{reason}")
    if header is not None:
        return ProjectorChoice(header, named=settings.projector != AUTO_PROJECTOR)
    if settings.projector == NO_PROJECTOR:
        return ProjectorChoice(None, "its projector was left out, as the setting says")
    return ProjectorChoice(None, reasons[0] if reasons else "text-only model: no mmproj file next to it")


def projector_of(
    found: Located, settings: Settings, model: Header, tell: Tell | None = None
) -> Header | None:
    """The header of the projector to open a model with, or None.

    A file that the user named must be right. One that was found is left out if it is damaged or for another
    model, since text is read without it.

    Raises:
        ModelError: see ``choose_projector``.
    """
    if settings.projector == NO_PROJECTOR:
        return None
    if settings.projector != AUTO_PROJECTOR:
        header = read_header(named_projector(settings.projector))
        check_projector(header, model)
        return header
    return sane_projector(found.projector, model, tell) if found.projector is not None else None


def sane_projector(path: Path, model: Header | None = None, tell: Tell | None = None) -> Header | None:
    """The header of a projector that was found; None if it is not for pictures, or not for this model.

    Args:
        path: the file.
        model: header of the model's first file; None: whatever model it is for.
        tell: called with the reason, unless the projector is for sound.
    """
    try:
        header = read_header(path)
        facts = projector(header)
        if facts.hears and not facts.sees:
            return None
        check_projector(header, model)
    except ModelError as error:
        if tell is not None:
            tell(str(error))
        return None
    return header


def named_projector(name: str) -> Path:
    """The file a user names.

    Raises:
        ModelNotFound: there is none.
    """
    try:
        path = Path(name).expanduser()
        there = path.is_file()
    except (RuntimeError, OSError, ValueError):  # ~nobody, too long a name, a NUL
        there = False
    if not there:
        raise ModelNotFound(f"no projector at {name}; name an mmproj file, or none, or auto")
    return path


def _fault(projector: Path, verdict: TrialVerdict) -> str:
    if verdict.outcome is not TrialOutcome.CRASHED:
        return verdict.reason
    why = f": {verdict.reason}" if verdict.reason else ""
    return (
        f"llama.cpp crashed on a trial of the projector {projector.name} ({verdict.signal_name}{why}); "
        "the file may be damaged: download it again"
    )
