"""Everything that can go wrong for a user, and the exit code each kind ends with.

ChatcliError                 1  something failed; the message says what and what to do
├── UsageError               2  the command line or a setting makes no sense
│   └── AmbiguousReference   2  more than one conversation could be meant
├── ModelError               3  the model cannot be used
│   ├── ModelNotFound        3  no such file or name
│   ├── InvalidModel         3  the file is not a sane GGUF (the header check says why)
│   └── ModelCrashed         3  llama.cpp died on it, in the probe's child process
├── ContextOverflow          4  a message does not fit the context, whatever is left out
├── TemplateError            3  the model's chat template fails or runs away
├── DataError                5  a file of ours or a foreign one is damaged
│   └── TranscriptError      5  ... a transcript, at a line and column
├── StorageError             6  user data could not be written or locked
│   └── ConversationBusy     6  another chatcli is writing this conversation
└── NetworkError             7  a download or a server failed

An interrupt (Ctrl-C) ends with 130. A message is one line: what is wrong, where, what to do.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """Process exit codes; documented in docs/commands.md."""

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
    """Base of all errors shown to the user as one line, without a traceback."""

    exit_code = ExitCode.FAILED


class UsageError(ChatcliError):
    """The command line, a slash command or a setting makes no sense."""

    exit_code = ExitCode.USAGE


class AmbiguousReference(UsageError):
    """More than one conversation could be meant; the message lists them."""


class ModelError(ChatcliError):
    """The model cannot be used."""

    exit_code = ExitCode.MODEL


class ModelNotFound(ModelError):
    """No model of that name, no file at that path."""


class InvalidModel(ModelError):
    """The file is not a sane GGUF.

    Args:
        problem: which file, and what it is or what is wrong with it.
        advice: what helps, unless the file is known to be as its maker has it.
    """

    def __init__(self, problem: str, advice: str = "") -> None:
        self.problem = problem
        super().__init__(f"{problem}; {advice}" if advice else problem)


class ModelCrashed(ModelError):
    """llama.cpp died while a child process tried the model."""


class TemplateError(ModelError):
    """The model's chat template is broken, raises, or exceeds its bounds."""


class ContextOverflow(ChatcliError):
    """One message cannot fit the context, even alone.

    Args:
        needed: tokens the smallest possible prompt takes, including room for an answer.
        available: tokens the context holds.
        what: what is too long, for the message.
    """

    exit_code = ExitCode.CONTEXT

    def __init__(self, needed: int, available: int, what: str = "the message") -> None:
        self.needed = needed
        self.available = available
        super().__init__(
            f"{what} needs {needed} tokens and the context holds {available}; "
            f"shorten it or use a larger --ctx-size"
        )


class DataError(ChatcliError):
    """A data file is damaged or not in the format it claims."""

    exit_code = ExitCode.DATA


class TranscriptError(DataError):
    """A transcript is damaged at a place.

    Args:
        line: 1-based line number.
        column: 1-based column, in characters.
        problem: what is wrong and what was expected.
        source: name of the file, where known.
    """

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
