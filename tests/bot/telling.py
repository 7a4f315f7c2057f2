"""A narrator whose rounds and clock are the test's, and what happens to a migration, in the words of the tests."""

from datetime import UTC, datetime, timedelta

from bot.ledger import BotLedger, Decided, Verdict
from bot.narrator import Narrator
from bot.notes import BREAK_GLASS
from bot.outbox import Outbox, Room
from bot.sandbox import Sandbox, words_of
from engine.ledger import Ledger
from engine.lifecycle import EventName
from engine.model import Migration
from tests.bot.story import CHANNEL

OWNER = "elsewhere:1:boot.1:0"


class SetClock:
    """Seconds that pass only when the test says so; also as aware time."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Monotonic seconds."""
        return self.seconds

    def aware(self) -> datetime:
        """The same as a time of day."""
        return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)


class Telling:
    """A narrator whose rounds the test makes one by one."""

    def __init__(self, room: Room, clock: SetClock) -> None:
        self.room = room
        self.clock = clock
        self.narrator = Narrator(room, progress_seconds=4.0, clock=clock)
        self.narrator._outbox = Outbox(room, clock.aware)

    def rounds(self, count: int = 1, *, seconds: float = 0.0) -> None:
        """So many rounds, with time passing before each."""
        for _ in range(count):
            self.clock.seconds += seconds
            self.narrator.tell()


def run(
    ledger: Ledger,
    records: BotLedger,
    migration: Migration,
    end: EventName | None,
    *,
    forced: bool = False,
) -> None:
    """Approve (or break the glass of), claim and end a migration, as people and a worker would."""
    with ledger.transaction() as tx:
        assert migration.plan is not None
        decided = Decided(
            user_id="U0GRACE",
            role="Admin",
            verdict=Verdict.FORCED if forced else Verdict.APPROVED,
            plan_hash=migration.plan.hash,
            at=tx.now,
        )
        records.decide(tx, migration.id, decided)
        details = {BREAK_GLASS: True} if forced else None
        tx.apply(migration.id, EventName.APPROVE, actor="U0GRACE", details=details)
    lease = ledger.claim(migration.id, OWNER, 86_400)  # a busy machine may take longer than a lease
    if end is not None:
        ledger.finish(lease, end)


def words(sandbox: Sandbox) -> list[str]:
    """The words of the root message and of its thread."""
    (root,) = sandbox.messages(CHANNEL)
    return [words_of(message) for message in sandbox.thread(CHANNEL, root["ts"])]
