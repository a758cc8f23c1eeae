"""What is known about a model on this machine after it was tried."""

import signal
from dataclasses import dataclass
from enum import StrEnum

from chatcli.engine.trial.process import signal_name
from chatcli.errors import ModelCrashed, ModelError

# How a process dies of an instruction its CPU lacks: POSIX signals by name, exception codes of Windows.
_FAULTS = {
    *(getattr(signal, name) for name in ("SIGILL", "SIGSEGV", "SIGBUS", "SIGFPE") if hasattr(signal, name)),
    0xC000001D,
    0xC0000005,
}


class TrialOutcome(StrEnum):
    """How a trial ended."""

    OK = "ok"
    ERROR = "error"  # llama.cpp refused it cleanly
    NONSENSE = "nonsense"  # it computes, but no prediction comes out
    CRASHED = "crashed"  # the child process died
    UNTRIED = "untried"  # no child process could be started; load it carefully


@dataclass(frozen=True, slots=True)
class TrialVerdict:
    """Whether a model can be loaded on this machine, and how.

    Attributes:
        outcome: how the trial ended.
        use_extra_bufts: how it was tried; to be used for the real load.
        reason: what was wrong, in words; '' when nothing is.
        signal: number of the signal (on Windows the exception) that killed the child; 0: none.
        seconds: how long the trial took.
        file: the model's file name.
        remembered: this is an earlier trial's verdict.
    """

    outcome: TrialOutcome
    use_extra_bufts: bool = True
    reason: str = ""
    signal: int = 0
    seconds: float = 0.0
    file: str = ""
    remembered: bool = False

    @property
    def ok(self) -> bool:
        """The model may be loaded."""
        return self.outcome in (TrialOutcome.OK, TrialOutcome.UNTRIED)

    @property
    def is_cpu_fault(self) -> bool:
        """Whether the child died of an instruction or access that the CPU refused."""
        return self.outcome is TrialOutcome.CRASHED and self.signal in _FAULTS

    @property
    def signal_name(self) -> str:
        """``SIGILL``, or the code in hexadecimal; '' without a crash."""
        return signal_name(self.signal)

    def raise_for_failure(self) -> None:
        """Do nothing when the model may be loaded.

        Raises:
            ModelCrashed: llama.cpp died of it.
            ModelError: llama.cpp refused it, or it computes nonsense.
        """
        if self.ok:
            return
        if self.outcome is not TrialOutcome.CRASHED:
            raise ModelError(self.reason if self.file in self.reason else f"{self.file}: {self.reason}")
        if self.signal_name == "SIGVTALRM":
            raise ModelCrashed(f"{self.file}: its chat template does not come to an end")
        if self.signal_name == "SIGKILL":
            raise ModelCrashed(f"{self.file}: a trial load was killed, most likely because memory ran out")
        why = f": {self.reason}" if self.reason else ""
        raise ModelCrashed(
            f"{self.file}: llama.cpp crashed on a trial load ({self.signal_name}{why}); "
            "the file may be damaged: download it again or choose another"
        )
