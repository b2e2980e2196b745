"""The one error tree of the appliance.

::

    EdgeError                 exit code 1 at the CLI
      ConfigError             78  site.toml or a command's configuration; carries every problem at once
      ProfileError            78  a firmware profile
      BundleError              1  a signed bundle, of models or of a release: signature, content, version
      UpdateError              1  a release or a bundle could not be put in force, or there is none to go back to
      StoreError               1  the SQLite store, or a table
      DeviceError              1
        DeviceUnreachable         no link, no answer
        DeviceRejected            the device refused (Modbus exception)
        DeviceMismatch            an answer that is not the answer: unit, function, length, checksum, echo
      PlanError                1  no plan could be made
      FeedError                1  prices or weather from outside: no answer, or not the one that was asked for

Foreign errors are translated at the door they come through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class EdgeError(Exception):
    """Anything the product can say went wrong; one line for a person."""

    exit_code = 1


class ConfigError(EdgeError):
    """All problems of a configuration, each with its path."""

    exit_code = 78

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{source}: {problem}" for problem in self.problems))


class ProfileError(EdgeError):
    """A firmware profile that is missing or wrong."""

    exit_code = 78


class BundleError(EdgeError):
    """A signed bundle, of models or of a release, that must not be used."""


class UpdateError(EdgeError):
    """What was to be installed is not in force; what was in force before, is."""


class StoreError(EdgeError):
    """The store or a table cannot be read or written."""


class DeviceError(EdgeError):
    """A device did not do what was asked."""


class DeviceUnreachable(DeviceError):
    """No link or no answer within the deadline."""


class DeviceRejected(DeviceError):
    """The device answered with a Modbus exception."""

    def __init__(self, message: str, exception_code: int) -> None:
        super().__init__(message)
        self.exception_code = exception_code


class DeviceMismatch(DeviceError):
    """An answer that does not belong to the question; never used as data."""


class PlanError(EdgeError):
    """No plan could be made from what is known."""


@contextmanager
def sums_of(what: str) -> Iterator[None]:
    """Numbers that the sums of ``what`` cannot take are a :class:`PlanError`, not the end of the process.

    That is what Python's own arithmetic, NumPy (``LinAlgError`` is a ``ValueError``) and the kernels raise for them.
    """
    try:
        yield
    except (ArithmeticError, ValueError) as error:
        raise PlanError(f"{what} cannot be computed: {error} ({type(error).__name__})") from error


class FeedError(EdgeError):
    """An answer from outside that is missing or must not be used; ``retry_after_s`` is what the server asked for."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
