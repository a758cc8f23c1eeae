"""Errors that a user can meet, and the exit code of each kind.

An interrupt (Ctrl-C) ends with 130. A message is one line: what is wrong, where, what to do.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the process; documented in docs/commands.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    MODEL = 3
    CONTEXT = 4
    DATA = 5
    STORAGE = 6
    NETWORK = 7
    INTERRUPTED = 130


class ChatcliError(Exception):
    """Base of all errors that are shown to the user as one line, without a traceback."""

    exit_code = ExitCode.FAILED


class UsageError(ChatcliError):
    """The command line, a slash command or a setting makes no sense."""

    exit_code = ExitCode.USAGE


class AmbiguousReference(UsageError):
    """Several conversations match; the message lists them."""


class ModelError(ChatcliError):
    """The model cannot be used."""

    exit_code = ExitCode.MODEL


class ModelNotFound(ModelError):
    """There is no model of this name and no file at this path."""


class InvalidModel(ModelError):
    """The file is not a valid GGUF."""

    def __init__(self, problem: str, advice: str = "") -> None:
        self.problem = problem
        super().__init__(f"{problem}; {advice}" if advice else problem)


class ModelCrashed(ModelError):
    """llama.cpp died on the model in the trial child."""


class TemplateError(ModelError):
    """The model's chat template is broken, raises, or exceeds its limits."""


class ContextOverflow(ChatcliError):
    """A message does not fit the context, even alone."""

    exit_code = ExitCode.CONTEXT

    def __init__(self, needed: int, available: int, what: str = "the message") -> None:
        self.needed = needed
        self.available = available
        super().__init__(
            f"{what} needs {needed} tokens but the context holds {available}; "
            f"shorten it or give a larger --ctx-size"
        )


class DataError(ChatcliError):
    """A data file is damaged or not in the format it claims."""

    exit_code = ExitCode.DATA


class TranscriptError(DataError):
    """A transcript is damaged."""

    def __init__(self, line: int, column: int, problem: str, source: str = "transcript") -> None:
        self.line = line
        self.column = column
        self.problem = problem
        super().__init__(f"{source}:{line}:{column}: {problem}")


class StorageError(ChatcliError):
    """User data could not be written, read or locked."""

    exit_code = ExitCode.STORAGE


class ConversationBusy(StorageError):
    """Another process is writing this conversation."""


class NetworkError(ChatcliError):
    """A download or a remote server failed."""

    exit_code = ExitCode.NETWORK
