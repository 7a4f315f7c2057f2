"""A gate whose re-planning a test answers."""

from collections.abc import Callable

from bot.gate import Gate
from bot.ledger import BotLedger
from bot.settings import Settings
from bot.waiting import Holds
from engine.ledger import Ledger


class Clock:
    """Monotonic seconds that the test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """The seconds."""
        return self.seconds


class Gated:
    """A gate whose re-planning answers what the test says.

    Attributes:
        answers: What each re-planning finds, in order.
        planning: Where each re-planning is left for the test to do; None does it at once.
    """

    def __init__(self, ledger: Ledger, records: BotLedger, settings: Settings) -> None:
        self.answers: list[str] = []
        self.clock = Clock()
        self.planning: list[Callable[[], None]] | None = None
        self.gate = Gate(
            ledger=ledger,
            records=records,
            holds=Holds(ledger, records, settings),
            recheck=lambda _: self.answers.pop(0),
            soon=self._soon,
            changed=lambda: None,
            clock=self.clock,
        )

    def _soon(self, work: Callable[[], None]) -> None:
        if self.planning is None:
            work()
        else:
            self.planning.append(work)
