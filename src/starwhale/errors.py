"""Every error of the program, with its exit code and HTTP status.

StarwhaleError
├── UsageError (2)                 the command or call is wrong
│   ├── InvalidNameError           a name, tag or key breaks the naming rule
│   ├── InvalidUriError            a URI cannot be read
│   ├── FieldNameError             a metric or feature name cannot be stored
│   ├── UnsupportedValueError      a value cannot be stored faithfully
│   ├── ArgumentTypeError          an argument has the wrong type
│   ├── NothingToCommitError       a commit without a change
│   ├── InputError                 a field of a request does not fit
│   ├── RuleError                  a rule of a gate cannot be read
│   └── UnknownOptionError         an option that nobody has
├── NotFoundError (1)              a named thing is not there
│   └── MissingDatasetError        a dataset that was to be opened is not there
├── AlreadyExistsError (1)         a named thing is there already
├── DatasetSourceError (1)         a file given to a build is malformed or unreadable
├── LinkError (1)                  what a link names cannot be read
├── MediaError (1)                 media content cannot be decoded
├── ModelSourceError (1)           a file of a work directory cannot be packaged
├── ReadOnlyError (1)              a write to something opened for reading
│   └── OldVersionError            a write to a version that is not the newest
├── ConflictError (1)              two writers changed the same thing
├── CorruptedError (1)             stored bytes differ from their checksum
│   └── ContentError (1)           what was sent to a server is not what was said
├── NoSpaceError (1)               the disk is full
├── ObjectStoreError (1)           an object store cannot be reached, or refuses
├── ServerError (1)                a server of this program cannot be reached
│   └── VersionMismatchError       worker and server are of different versions
├── LoginError (1)                 a server wants a token, or another one
├── PortError (1)                  a port cannot be listened on
├── RootError (1)                  the storage root cannot be used
├── RestoreError (1)               an environment cannot be locked, made or used
├── MissingDependencyError (1)     an optional package is not installed
├── NotBuiltYetError (1)           a public name that is not built yet
├── HandlerError (1)               handlers cannot be found, called or ordered
│   ├── GraphError                 a cycle or an unknown need between steps
│   └── UserCodeError              user code raised
├── BusyError (1)                  so much waits for a served model that no more is taken
├── ModelGoneError (1)             the process of a served model has ended
├── RetryLaterError (1)            user code says that a service wants to be left alone for a while
├── ResultsError (1)               results cannot be read or written
│   └── PairingError               rows of two jobs cannot be brought together
├── ExecutionError (1)             a job could not be carried out
│   ├── ContainerError             nothing here runs containers, or what does refused
│   ├── LeaseLostError             a late commit of a lease that has ended
│   └── WorkerDiedError            a worker process ended on its own
├── StatusError (1)                a status change that the rules do not allow
├── JobTimeoutError (3)            a job did not end while it was waited for
├── CannotTellError (3)            what a job ran on is gone or has changed
└── InterruptedJobError (130)      the user stopped the job
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class StarwhaleError(Exception):
    """Root of all errors that the program raises on purpose; the message is for the user."""

    exit_code: ClassVar[int] = 1
    """What `swcli` exits with."""
    http_status: ClassVar[int] = 400
    """What the HTTP API answers with."""
    code: ClassVar[str] = "error"
    """A stable word for programs."""
    job_id: str = ""
    """Job that ended with it, for callers of the SDK; empty where there is none."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        """What is wrong, naming the thing."""
        self.hint = hint
        """What to try, or empty."""

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(StarwhaleError, ValueError):
    """The command or call is wrong."""

    exit_code = 2
    code = "usage"


class UnknownOptionError(UsageError):
    """An option that neither a command nor the handlers it runs have."""

    code = "unknown_option"

    def __init__(self, option: str, known: Iterable[str]) -> None:
        """Name the option, and the closest of the known ones."""
        self.known = tuple(known)
        """Options of the handlers."""
        self.option = option
        """What was typed."""
        from difflib import get_close_matches  # every program imports this file, and few of them fail

        bare = {each.lstrip("-"): each for each in self.known}
        close = get_close_matches(option.lstrip("-"), bare, n=2, cutoff=0.6)
        hint = f"did you mean {' or '.join(bare[each] for each in close)}? " if close else ""
        what = "no option" if option.startswith("-") else "nothing takes the word"
        super().__init__(f"{what} {option!r}", hint=f"{hint}the handlers' own options are shown by --show-argument")


class InvalidNameError(UsageError):
    """A name, tag or key breaks the naming rule."""

    code = "invalid_name"


class InvalidUriError(UsageError):
    """A URI cannot be read."""

    code = "invalid_uri"


class FieldNameError(UsageError):
    """A metric or feature name cannot be stored."""

    code = "field_name"


class UnsupportedValueError(UsageError, TypeError):
    """A value cannot be stored faithfully."""

    code = "unsupported_value"


class ArgumentTypeError(UsageError, TypeError):
    """An argument has the wrong type."""

    code = "argument_type"


class NothingToCommitError(UsageError, RuntimeError):
    """A commit without a change."""

    code = "nothing_to_commit"


class InputError(UsageError):
    """A field of a request to a served model does not fit."""

    http_status = 422
    code = "unfitting"

    def __init__(self, field: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{field or 'the input'} {reason}", hint=hint)
        self.field = field
        """Its name; within a value with dots."""


class RuleError(UsageError):
    """A rule of a gate cannot be read; the message shows where, with a caret."""

    code = "rule"

    def __init__(self, why: str, *, text: str, position: int, place: str = "", hint: str = "") -> None:
        line = text.replace("\n", " ").replace("\t", " ")
        where = f"{place}: " if place else ""
        message = f"{where}the rule cannot be read: {why}\n  {line}\n  {' ' * position}^"
        super().__init__(
            message, hint=hint or "accuracy >= baseline - 0.01 is a rule, and so is accuracy[lang=de] >= 0.9"
        )
        self.why = why
        """What is wrong at the place."""
        self.text = text
        """The rule."""
        self.position = position
        """Characters before the place, from 0."""


class NotFoundError(StarwhaleError, LookupError):
    """A named thing is not there."""

    http_status = 404
    code = "not_found"


class MissingDatasetError(NotFoundError, RuntimeError, ValueError):
    """A dataset that was to be opened is not there; scripts catch RuntimeError or ValueError, as the way of opening had it."""


class AlreadyExistsError(StarwhaleError, RuntimeError):
    """A named thing is there already."""

    http_status = 409
    code = "already_exists"


class DatasetSourceError(StarwhaleError, ValueError):
    """A file given to a build is malformed or unreadable."""

    code = "dataset_source"

    def __init__(
        self, message: str, *, path: str = "", line: int | None = None, column: int | None = None, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        """The file, directory or URL."""
        self.line = line
        """Line in the file, from 1."""
        self.column = column
        """Column in the line, from 1."""


class LinkError(StarwhaleError, OSError):
    """What a link names cannot be read: the server refuses or is silent, or nothing reads links of its kind."""

    http_status = 502
    code = "link"


class MediaError(StarwhaleError, ValueError):
    """Media content cannot be decoded."""

    code = "media"


class ModelSourceError(StarwhaleError, OSError):
    """A file of a work directory cannot be packaged."""

    code = "model_source"

    def __init__(self, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path
        """The file or folder."""


class ReadOnlyError(StarwhaleError, RuntimeError):
    """A write to something that was opened for reading."""

    http_status = 409
    code = "read_only"


class OldVersionError(ReadOnlyError):
    """A write to a version that is not the newest."""

    code = "old_version"


class ConflictError(StarwhaleError, RuntimeError):
    """Two writers changed the same thing."""

    http_status = 409
    code = "conflict"


class CorruptedError(StarwhaleError, OSError):
    """Stored bytes differ from their checksum."""

    http_status = 500
    code = "corrupted"
    path: str = ""  # of one that came from a server nothing more is known

    def __init__(self, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path
        """The damaged file."""


class ContentError(CorruptedError):
    """What was sent to a server is not what was said, or not all of it is there; nothing of it is kept."""

    http_status = 422
    code = "content"


class NoSpaceError(StarwhaleError, OSError):
    """The disk is full."""

    http_status = 507
    code = "no_space"


class ObjectStoreError(StarwhaleError, OSError):
    """An object store cannot be reached, or refuses what was asked."""

    http_status = 502
    code = "object_store"

    def __init__(self, message: str, *, address: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.address = address
        """Of the store."""


class ServerError(StarwhaleError, OSError):
    """A server of this program cannot be reached, or answers as none does."""

    http_status = 502
    code = "server"

    def __init__(self, message: str, *, address: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.address = address
        """Of the server."""


class VersionMismatchError(ServerError):
    """Worker and server are of versions that do not understand each other; the message names both."""

    http_status = 409
    code = "version_mismatch"


class LoginError(StarwhaleError, PermissionError):
    """A server wants a token, or another one."""

    http_status = 401
    code = "login"


class PortError(StarwhaleError, OSError):
    """A port cannot be listened on."""

    http_status = 409
    code = "port"


class RootError(StarwhaleError, RuntimeError):
    """The storage root cannot be used."""

    code = "root"


class RestoreError(StarwhaleError, RuntimeError):
    """An environment cannot be locked, made or used."""

    code = "restore"
    details: str = ""  # as above

    def __init__(self, message: str, *, details: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.details = details
        """What the resolver or installer wrote, whole."""


class MissingDependencyError(StarwhaleError, ImportError):
    """An optional package is not installed."""

    code = "missing_dependency"

    def __init__(self, package: str, *, extra: str = "", purpose: str = "") -> None:
        what = (
            f"{purpose} needs the package {package!r}, which is not installed"
            if purpose
            else f"package {package!r} is not installed"
        )
        install = f"starwhale-evaluation[{extra}]" if extra else package
        super().__init__(what, hint=f"run: pip install '{install}'")
        self.package = package
        """The distribution that is missing."""


def told_error(code: str, message: str, hint: str) -> StarwhaleError:
    """Return the error that another process of this program has ended with, of the class that has the code."""
    waiting: list[type[StarwhaleError]] = [StarwhaleError]
    while waiting:
        kind = waiting.pop(0)
        if kind.__dict__.get("code") == code:
            error = kind.__new__(kind)
            StarwhaleError.__init__(error, message, hint=hint)
            return error
        waiting.extend(kind.__subclasses__())
    return StarwhaleError(message, hint=hint)


NEEDED_BEYOND_HANDLERS = ("alembic", "blake3", "click", "msgpack", "pyarrow", "rich", "sqlalchemy", "yaml")
"""Modules that opening an instance needs, and workers do not."""


def tell_lacking(error: ModuleNotFoundError) -> ImportError:
    """Say of a missing package of ours that this is an environment of handlers; another error stays what it is."""
    package = (error.name or "").partition(".")[0]
    if package not in NEEDED_BEYOND_HANDLERS:
        return error
    told = MissingDependencyError({"yaml": "pyyaml"}.get(package, package), purpose="opening datasets, models and jobs")
    told.hint = (
        "run this with the Python that swcli is installed for: in the environment of a runtime starwhale is there for handlers alone, "
        "unless the runtime has starwhale's own requirements too"
    )
    return told


class NotBuiltYetError(StarwhaleError, NotImplementedError):
    """A public name that exists for compatibility and is not built yet."""

    http_status = 501
    code = "not_built_yet"


class HandlerError(StarwhaleError, RuntimeError):
    """Handlers cannot be found, called or ordered."""

    code = "handler"


class GraphError(HandlerError):
    """A cycle or an unknown need between steps."""

    code = "graph"


class UserCodeError(HandlerError):
    """User code raised; carries what the user needs to find the line."""

    code = "user_code"

    def __init__(
        self, message: str, *, exception: str = "", frame: str = "", details: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.exception = exception
        """`Type: text` of what was raised."""
        self.frame = frame
        """`file:line in function` of the innermost frame of the user's own code."""
        self.details = details
        """The traceback, the user's frames first."""
        self.source = ""
        """The lines of the user's code around the one that failed, or empty."""
        self.key = ""
        """Row that failed, as `<dataset>: <key>`, or empty."""
        self.row = ""
        """The same row as `--row` takes it, or empty."""
        self.log = ""
        """File with what the task printed, or empty."""
        self.command = ""
        """The command that tries it again with the terminal attached; whoever shows the error fills it in."""
        self.resume = ""
        """The command that goes on with the job, or empty; filled in by the same."""


class BusyError(StarwhaleError, RuntimeError):
    """So many requests wait for a served model already that no more are taken."""

    http_status = 429
    code = "busy"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, hint=f"try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s
        """When there will be room, about."""


class ModelGoneError(StarwhaleError, RuntimeError):
    """The process of a served model ended while it had a request, or is not there at present."""

    http_status = 503
    code = "model_gone"


class RetryLaterError(StarwhaleError):
    """Raised by user code: a service wants to be left alone for a while; the row is tried again then, and others wait too."""

    code = "retry_later"

    def __init__(self, message: str = "try again later", *, after_s: float | None = None) -> None:
        """Say how long.

        Args:
            message: What the service said.
            after_s: Seconds; None leaves it to the handler's `backoff_s`.

        Raises:
            UsageError: `after_s` is no number of seconds.
        """
        super().__init__(message)
        if after_s is not None and not 0 <= float(after_s) < float("inf"):
            wrong = f"after_s is {after_s!r}"
            raise UsageError(wrong, hint="give seconds, at least 0")
        self.after_s = None if after_s is None else float(after_s)
        """Seconds to wait, or None."""


class ResultsError(StarwhaleError, RuntimeError):
    """Results cannot be read or written."""

    code = "results"


class PairingError(ResultsError):
    """Rows of two jobs cannot be brought together: nothing says which row of a dataset each is."""

    code = "pairing"


class ExecutionError(StarwhaleError, RuntimeError):
    """A job could not be carried out."""

    code = "execution"


class ContainerError(ExecutionError):
    """Nothing on this machine runs containers, or what does refused."""


class LeaseLostError(ExecutionError):
    """A late commit of a lease that has ended: nothing of it was kept."""

    http_status = 409
    code = "lease_lost"


class WorkerDiedError(ExecutionError):
    """A worker process ended on its own."""

    code = "worker_died"


class StatusError(StarwhaleError, RuntimeError):
    """A status change that the rules do not allow."""

    http_status = 409
    code = "status"


class JobTimeoutError(StarwhaleError, TimeoutError):
    """A job did not end while it was waited for; it goes on."""

    exit_code = 3
    http_status = 408
    code = "job_timeout"


class CannotTellError(StarwhaleError):
    """What a job ran on is gone or has changed, so that nobody can tell whether it would find the same again."""

    exit_code = 3
    http_status = 409
    code = "cannot_tell"


class InterruptedJobError(StarwhaleError):
    """The user stopped the job; what was committed is kept."""

    exit_code = 130
    code = "interrupted"


def nearest(name: str, known: Iterable[str], *, count: int = 3) -> str:
    """Return a hint that names the known words closest to `name`, or lists a few when none is close.

    Example:
        >>> nearest("mnist-tset", ["mnist-test", "cifar"])
        "did you mean 'mnist-test'?"
        >>> nearest("x", [])
        ''
    """
    from difflib import get_close_matches

    words = sorted(set(known))
    close = get_close_matches(name, words, n=count, cutoff=0.6)
    if not close:
        folded = {word.casefold(): word for word in words}
        close = [folded[word] for word in get_close_matches(name.casefold(), folded, n=count, cutoff=0.6)]
    if close:
        return "did you mean " + " or ".join(repr(word) for word in close) + "?"
    if not words:
        return ""
    shown = ", ".join(repr(word) for word in words[:8])
    return f"there is {shown}" + (f" and {len(words) - 8} more" if len(words) > 8 else "")
