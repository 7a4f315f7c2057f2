"""Faults that a test asks for: failing methods, an outage, doubled envelopes.

Only remembers and counts them; webapi.py and socketmode.py act on them.
"""

from dataclasses import dataclass, field


@dataclass
class Fault:
    """How the next `times` calls of a method end.

    Attributes:
        error: Slack's error word in the answer.
        status: HTTP status; other than 200 and 429 has no JSON body, as with Slack's own faults.
        retry_after: seconds for the Retry-After header of a 429.
        lose_answer: the call has its effect, but the connection ends without an answer.
    """

    error: str
    status: int
    retry_after: float | None
    times: int
    lose_answer: bool = False


@dataclass
class Faults:
    """The faults in force."""

    outage: bool = False
    duplicate_envelopes: int = 0
    _next: dict[str, list[Fault]] = field(default_factory=dict)

    def fail_next(self, method: str, fault: Fault) -> None:
        """Let the next calls of that method fail; several faults come one after the other."""
        self._next.setdefault(method, []).append(fault)

    def take(self, method: str) -> Fault | None:
        """The fault for this call, used up by it."""
        queue = self._next.get(method)
        if not queue:
            return None
        fault = queue[0]
        fault.times -= 1
        if fault.times <= 0:
            queue.pop(0)
        return fault

    def take_duplicate(self) -> bool:
        """Whether this envelope is to be sent twice."""
        if self.duplicate_envelopes:
            self.duplicate_envelopes -= 1
            return True
        return False

    def clear(self) -> None:
        """No faults any more."""
        self.outage, self.duplicate_envelopes = False, 0
        self._next.clear()
