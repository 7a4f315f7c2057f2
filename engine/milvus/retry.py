"""The one decision whether a call to a Milvus server is made again, and when.

Only calls that may be repeated without harm are retried here; a write whose outcome is unknown is never resent by this module: the
copier settles it by an upsert. Waits are a random part of 0.2 s, 0.4 s … 16 s, with a total limit.
"""

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_delay,
)
from tenacity.stop import stop_when_event_set
from tenacity.wait import wait_random_exponential

from engine.errors import FerryError, ServiceUnavailable, Throttled

TOTAL_SECONDS_MAX = 120.0
"""After this long a server counts as gone and the migration goes back with its reason."""

Failures = tuple[type[FerryError], ...]

PASSING: Final[Failures] = (ServiceUnavailable, Throttled)
"""What passes by itself."""

REFUSED_AT_THE_DOOR: Final[Failures] = (Throttled,)
"""What is known not to have been applied."""

Answer = TypeVar("Answer")


def repeat(
    call: Callable[[], Answer],
    *,
    stop: threading.Event,
    after: Failures = PASSING,
    told: Callable[[BaseException], None] | None = None,
    hopeless: threading.Event | None = None,
) -> Answer:
    """Makes a call until it succeeds, its failure is final, the limit is reached or `stop` is set.

    Args:
        call: Raises a FerryError when it fails.
        stop: Ends the waiting at once; the last failure is then raised.
        after: The failures after which it is made again: of a single call that may be repeated all that pass, of a write only
            those that are known not to have been applied. Work of many calls names its own: a failure of one of these was
            waited for already, or is another service's, and may leave a part of the work done.
        told: Called with the failure before each wait.
        hopeless: Shared by all calls to one server, and set once one of them has waited for the whole time in
            vain: the others, which may be many, do not wait for it as long once more.
    """

    def tell(state: RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        if told is not None and failure is not None:
            told(failure)

    given_up = hopeless or threading.Event()
    retrying = Retrying(
        retry=retry_if_exception_type(after),
        wait=wait_random_exponential(multiplier=0.2, max=16),
        stop=stop_after_delay(TOTAL_SECONDS_MAX)
        | stop_when_event_set(stop)
        | stop_when_event_set(given_up),
        sleep=sleep_using_event(stop),
        before_sleep=tell,
        reraise=True,
    )
    try:
        return retrying(call)
    except after:
        given_up.set()
        raise
