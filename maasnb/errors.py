"""Every exception that maasnb raises on purpose, in one hierarchy.

Each class is also a builtin exception, so code that knows nothing of maasnb can catch it. A message
says what happened with the actual value, what was expected, and what to type next.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "AccessError",
    "ArtifactError",
    "ConflictError",
    "DataError",
    "DeadlineError",
    "DivergedError",
    "EndpointError",
    "ExportError",
    "ForbiddenError",
    "MaasError",
    "MissingPackageError",
    "ModelError",
    "OptionError",
    "OverloadError",
    "RequestError",
    "ShapeError",
    "TrainingError",
    "UnknownNameError",
    "WorkspaceError",
    "described",
    "missing_package",
    "unknown_name",
]


class MaasError(Exception):
    """Be the parent of every error that maasnb raises on purpose."""


class OptionError(MaasError, ValueError):
    """Say that an argument or option has a value that cannot be used."""


class UnknownNameError(MaasError, LookupError):
    """Say that a name is not known; the message offers the nearest known one."""

    # `name` has a default because copying and unpickling make the error from its message alone.
    def __init__(self, message: str, *, name: str = "", known: tuple[str, ...] = ()) -> None:
        """Keep the unknown `name` and the `known` ones beside the message."""
        super().__init__(message)
        self.name = name
        self.known = known


class DataError(MaasError, ValueError):
    """Say that data cannot be used as it is: lengths, missing values, labels."""


class ShapeError(MaasError, ValueError):
    """Say that an array, a layer or a model's output has an unfitting shape."""


class ModelError(MaasError, TypeError):
    """Say that an object is not a model that an installed backend can use."""


class TrainingError(MaasError, RuntimeError):
    """Say that a run failed; `run` is the run, with all that it recorded."""

    def __init__(self, message: str, *, run: object = None) -> None:
        """Keep the failed `run` beside the message, so that nothing is lost."""
        super().__init__(message)
        self.run = run


class DivergedError(TrainingError):
    """Say that a loss became NaN or infinite; the model holds its last good state."""

    def __init__(self, message: str, *, run: object = None, culprit: str = "") -> None:
        """Keep the parameter that went bad first beside the message; empty where none is known."""
        super().__init__(message, run=run)
        self.culprit = culprit


class MissingPackageError(MaasError, ImportError):
    """Say that an optional package is not installed, with the command that installs it."""


class ExportError(MaasError, ValueError):
    """Say that a model cannot be turned into a program that a server can run."""


class ArtifactError(MaasError, ValueError):
    """Say that an artifact is incomplete, damaged or not what it claims to be."""


class EndpointError(MaasError, ConnectionError):
    """Say that a server is not there or failed; `lost` says that it did not get to answer."""

    def __init__(self, message: str, *, lost: bool = False) -> None:
        """Keep beside the message whether the connection was lost, so that it can be retried."""
        super().__init__(message)
        self.lost = lost


class OverloadError(MaasError, ConnectionError):
    """Say that a server has as much to do as it takes; `retry_after_s` says when to ask again."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        """Keep the seconds to wait beside the message."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineError(MaasError, TimeoutError):
    """Say that an answer took longer than the time that the request allowed."""


class AccessError(MaasError, PermissionError):
    """Say that a server refused the token."""


class ForbiddenError(MaasError, PermissionError):
    """Say that a token is known, but not for this."""


class ConflictError(MaasError, RuntimeError):
    """Say that somebody else changed the same thing first; nothing was changed here."""


class RequestError(MaasError, ValueError):
    """Say that a server refused a request as malformed; carries the server's words."""


class WorkspaceError(MaasError, OSError):
    """Say that the workspace folder cannot be read or written."""


def unknown_name(kind: str, name: str, known: Iterable[str], hint: str = "") -> UnknownNameError:
    """Make the error for a name that is not known, with its nearest match.

    Args:
        kind: what the name was taken for, as a person would say it (`"verb"`, `"dataset"`).
        name: the name that was given.
        known: the names that would have worked.
        hint: what to type next; left out when empty.

    Returns:
        The error, to be raised by the caller.

    >>> str(unknown_name("dataset", "digit", ["digits", "diabetes"]))
    "There is no dataset 'digit'. Did you mean 'digits'? Known: diabetes, digits."
    """
    names = tuple(sorted(known))
    folded = {known_name.casefold(): known_name for known_name in names}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    parts = [f"There is no {kind} {name!r}."]
    if near:
        parts.append(f"Did you mean {folded[near[0]]!r}?")
    parts.append(f"Known: {', '.join(names)}." if names else "None are known yet.")
    if hint:
        parts.append(hint)
    return UnknownNameError(" ".join(parts), name=name, known=names)


def described(value: object) -> str:
    """Return an object's class, and the object where it is short, for a message.

    >>> described(3), described([1] * 100)
    ('int object 3', 'list object')
    """
    shown = repr(value)
    name = f"{type(value).__name__} object"
    return f"{name} {shown}" if len(shown) <= 60 and "\n" not in shown else name


def missing_package(what: str, package: str, extra: str) -> MissingPackageError:
    """Make the error for an optional package that is not installed.

    Args:
        what: what needs it (`"The torch backend"`).
        package: the import name of the package.
        extra: the maasnb extra that brings it.

    >>> str(missing_package("The server", "uvicorn", "serve"))
    "The server needs the package 'uvicorn', which is missing. Type: %pip install 'maasnb[serve]'"
    """
    message = (
        f"{what} needs the package {package!r}, which is missing. "
        f"Type: %pip install 'maasnb[{extra}]'"
    )
    return MissingPackageError(message, name=package)
