"""Every way in which Ferry's engine fails, and the signals that stop it without a failure.

    FerryError                        message, state, next_step; code and exit_code by class
      InputRejected                   the user must change something
        ConfigurationInvalid          a setting, a name or an option is wrong or missing
        SourceUnusable                the source cannot be read as it stands (not there, not loadable, refused)
        TargetUnsupported             the target cannot hold what the source has
        TargetNotEmpty                a collection of that name stands on the target and is not this migration's
        TargetChanged                 someone else wrote to what a migration made, so it is not dropped
        PlanBlocked                   the plan says that something stands in the way
        NotPermitted                  the credentials or the role do not allow it
      TemporaryFailure                try again later; nothing is lost
        ServiceUnavailable            a server did not answer
          LedgerAway                  it was the ledger's database
        Throttled                     a server asked for fewer requests
        MigrationBusy                 a live worker holds the migration
        MustStartOver                 a collection whose keys the target makes cannot go on where it was interrupted
      NeedsPerson                     a person must look before anything goes on
        SourceChanged                 the source was written to during the offline window
        DataUnreadable                the server's answers contradict each other
        LedgerIncompatible            the ledger was written by another version

    StopWork (BaseException)          control flow, never an error: nothing is logged as failed
      CancelRequested · PauseRequested · LeaseLost · ShutdownRequested

A mismatch that verification finds is a result (`Report`), not an error. Nothing here logs, retries or prints; whether a call is
tried again is decided in `engine/milvus/retry.py` alone.
"""

from typing import ClassVar


class FerryError(Exception):
    """A failure that a person reads: what happened, in what state the data is, what to do now.

    Args:
        message: What happened, one sentence.
        state: In what state source and target are now, one sentence.
        next_step: What the reader can do now, one sentence.
    """

    code: ClassVar[str] = "E-FERRY"
    exit_code: ClassVar[int] = 7

    def __init__(self, message: str, *, state: str = "", next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.state = state
        self.next_step = next_step

    @property
    def parts(self) -> dict[str, str]:
        """Code, message, state and next step: what `model.ErrorText` keeps of it."""
        return {
            "code": self.code,
            "message": self.message,
            "state": self.state,
            "next_step": self.next_step,
        }

    def __str__(self) -> str:
        return " ".join(part for part in (self.message, self.state, self.next_step) if part)


class InputRejected(FerryError):
    """The request or the plan cannot be carried out as asked; the user must change something."""

    code = "E-INPUT"
    exit_code = 2


class ConfigurationInvalid(InputRejected):
    """A setting, a cluster's name or an option is wrong or missing."""

    code = "E-CONFIGURATION"


class SourceUnusable(InputRejected):
    """The source cannot be read as it stands."""

    code = "E-SOURCE"


class TargetUnsupported(InputRejected):
    """The target cannot hold what the source has."""

    code = "E-TARGET-UNSUPPORTED"


class TargetNotEmpty(InputRejected):
    """A collection of that name stands on the target and this migration did not make it."""

    code = "E-TARGET-NOT-EMPTY"


class TargetChanged(InputRejected):
    """Someone else wrote to what a migration made, so it is not dropped."""

    code = "E-TARGET-CHANGED"


class PlanBlocked(InputRejected):
    """The plan says that something stands in the way; nothing was written."""

    code = "E-PLAN-BLOCKED"


class NotPermitted(InputRejected):
    """The credentials, or the person's role, do not allow it."""

    code = "E-NOT-PERMITTED"


class TemporaryFailure(FerryError):
    """Trying again later can succeed; nothing that was copied is lost."""

    code = "E-TEMPORARY"
    exit_code = 5


class ServiceUnavailable(TemporaryFailure):
    """A server did not answer, or the connection broke; whether a write was applied is unknown."""

    code = "E-UNAVAILABLE"


class LedgerAway(ServiceUnavailable):
    """The ledger's database did not take a step; where its answer was lost it may have."""

    code = "E-LEDGER-AWAY"


class Throttled(TemporaryFailure):
    """A server asked for fewer requests; the refused request was not applied."""

    code = "E-THROTTLED"


class MigrationBusy(TemporaryFailure):
    """A live worker holds the lease of this migration."""

    code = "E-BUSY"


class MustStartOver(TemporaryFailure):
    """Whether a page was written is unknown, and the target would give its entities new keys a second time."""

    code = "E-START-OVER"


class NeedsPerson(FerryError):
    """A person must look before anything goes on."""

    code = "E-PERSON"


class SourceChanged(NeedsPerson):
    """The source was written to during the offline window, so the copy cannot be proved."""

    code = "E-SOURCE-CHANGED"


class DataUnreadable(NeedsPerson):
    """The server's answers contradict each other: counts and keys do not add up."""

    code = "E-DATA"


class LedgerIncompatible(NeedsPerson):
    """The ledger was written by another version of Ferry."""

    code = "E-LEDGER"


class StopWork(BaseException):  # so that `except Exception` never catches it
    """The worker stops here; the ledger says what comes next."""


class CancelRequested(StopWork):
    """Someone asked to cancel; the worker stops between two chunks."""


class PauseRequested(StopWork):
    """Someone asked to pause; the worker stops between two chunks and gives the migration back."""


class LeaseLost(StopWork):
    """Another worker holds this migration now; nothing more may be written."""


class ShutdownRequested(StopWork):
    """The process was asked to end; the migration goes back to the queue."""


def exit_code_of(code: str) -> int:
    """The exit status that belongs to a failure's code; 7 for a code of no known class."""
    found = {each.code: each.exit_code for each in _classes(FerryError)}
    return found.get(code, FerryError.exit_code)


def _classes(base: type[FerryError]) -> list[type[FerryError]]:
    return [base, *(each for child in base.__subclasses__() for each in _classes(child))]
