"""Hours of the bot with a clock that a test turns: people click twice, Slack throttles and goes away, the bot is started anew.

Real: the ledger, the service, narrator, outbox, budget, and a workspace that enforces Slack's rate limits by the same clock.
"""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from slack_sdk import WebClient
from sqlalchemy import text

from bot.budget import RATES, Budget
from bot.cards import Cards
from bot.courier import Courier
from bot.directory import Directory
from bot.ledger import BotLedger
from bot.narrator import Narrator
from bot.outbox import Outbox, Room
from bot.sandbox import Sandbox, words_of
from bot.service import Click, Reason, Service
from bot.settings import Settings
from bot.verbs import EngineVerbs
from engine.ledger import Ledger
from engine.lifecycle import EventName, Status
from engine.model import Plan
from tests.bot.story import ADA, CHANNEL, GRACE, OLGA

HOUR = 3600.0
STEP = 5.0
AN_HOUR = 6
"""Migrations."""
PURPOSE = "throttled_on_purpose"
ENDS = (EventName.SUCCEED, EventName.SUCCEED, EventName.FAIL, EventName.CANCELED, EventName.REJECT)
WORDS = {
    Status.SUCCESSFUL: "SUCCESSFUL",
    Status.FAILED: "FAILED",
    Status.CANCELED: "CANCELED",
    Status.REJECTED: "CANCELED",
}
Steps = Iterator[float]


class Day:
    """The world of one simulation; `seconds` is its time."""

    def __init__(
        self, sandbox: Sandbox, settings: Settings, make_plan: Callable[[], Plan], seed: int
    ) -> None:
        self.seconds = 1_000.0
        self.chance = random.Random(seed)
        self.sandbox = sandbox
        self.settings = settings
        self.make_plan = make_plan
        self.ledger = Ledger.open(settings.database_url, self.now)
        self.records = BotLedger(self.ledger)
        self.told: Counter[Reason] = Counter()
        self.restarts = 0
        self.narrator: Narrator = self.bot()
        self._due: list[tuple[float, int, Steps]] = []
        self._numbers = itertools.count()

    def now(self) -> datetime:
        """The time of day."""
        return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def clock(self) -> float:
        """The same, monotonic."""
        return self.seconds

    def bot(self) -> Narrator:
        """A bot that knows nothing but the ledger."""
        client = WebClient("xoxb-sandbox", base_url=self.sandbox.api_url, retry_handlers=[])
        directory = Directory(client, self.settings.roles)
        cards = Cards(self.ledger, self.records, self.settings, directory, EngineVerbs())
        self.service = Service(
            settings=self.settings,
            ledger=self.ledger,
            records=self.records,
            directory=directory,
            cards=cards,
            verbs=EngineVerbs(),
            changed=lambda: None,
        )
        courier = Courier(client, Budget(RATES, self.clock, spent=True))
        room = Room(CHANNEL, self.ledger, self.records, cards, courier)
        narrator = Narrator(room, tick_seconds=STEP, clock=self.clock)
        narrator._outbox = Outbox(room, self.now)
        return narrator

    def start(self, steps: Steps, after: float) -> None:
        """Do something step by step; each step says after how many seconds the next comes."""
        heapq.heappush(self._due, (self.seconds + after, next(self._numbers), steps))

    def run(self) -> None:
        """Until everything was done and everything was told."""
        while self._due or self.records.pending() or self.ledger.events(after_id=self._place()):
            while self._due and self._due[0][0] <= self.seconds:
                _, _, steps = heapq.heappop(self._due)
                wait = next(steps, None)
                if wait is not None:
                    self.start(steps, wait)
            wait = self.narrator.tell()
            idle = not self.records.pending() and not self._running()
            until = self._due[0][0] - self.seconds if self._due else STEP
            self.seconds += max(0.2, until if idle else min(wait, until))

    def migration(self, number: int) -> Steps:
        """One migration from its request to its end; every click comes twice, some from two people."""
        plan = self.make_plan()
        with self.ledger.transaction() as tx:
            made = tx.add_migration(plan.request, requester=ADA, reason=f"Number {number}")
            tx.record_plan(made.id, plan, "ferry")
            tx.apply(made.id, EventName.PLANNED, actor="ferry")
        yield self.chance.uniform(20, 600)
        end = self.chance.choice(ENDS)
        act = self.service.reject if end is EventName.REJECT else self._approve(plan)
        self._click(act, made.id, GRACE)
        self._click(self._approve(plan), made.id, OLGA)
        if end is EventName.REJECT:
            return
        yield self.chance.uniform(1, 30)
        lease = self.ledger.claim(made.id, f"host:{number}:boot.1:0", 86_400)
        for phase in ("create", "copy", "verify"):
            yield self.chance.uniform(5, 400)
            self.ledger.set_phase(lease, phase)
        if end is EventName.CANCELED:
            self._click(self.service.cancel, made.id, OLGA)
            yield 2.0
        self.ledger.finish(lease, end)

    def trouble(self, until: float) -> Steps:
        """Slack throttles, fails and goes away, and the bot is started anew, until so many seconds."""
        while self.seconds < until:
            yield self.chance.uniform(60, 900)
            match self.chance.randrange(4):
                case 0:
                    self.sandbox.outage()
                    yield self.chance.uniform(5, 240)
                    self.sandbox.outage(on=False)
                case 1:
                    method = self.chance.choice(("chat.postMessage", "chat.update"))
                    wait = self.chance.uniform(1, 90)
                    self.sandbox.fail_next(method, PURPOSE, retry_after=wait)
                case 2:
                    self.sandbox.fail_next("chat.postMessage", "internal_error", times=2)
                case _:
                    self.restarts += 1
                    self.narrator = self.bot()

    def _approve(self, plan: Plan) -> Callable[[Click], object]:
        return lambda click: self.service.approve(click, plan.hash)

    def _click(self, act: Callable[[Click], object], migration_id: str, user: str) -> None:
        """A click that Slack delivers twice."""
        click = Click(user, migration_id, f"click:{next(self._numbers)}")
        first, again = act(click), act(click)
        self.told[first.reason] += 1  # type: ignore[attr-defined]  # an Answer
        assert again.reason is Reason.DUPLICATE  # type: ignore[attr-defined]  # as above

    def _running(self) -> bool:
        return bool(self.ledger.migrations(statuses={Status.RUNNING}, limit=1))

    def _place(self) -> int:
        return self.records.place()


@pytest.fixture(params=[0.5, pytest.param(24, marks=pytest.mark.soak)])
def hours(request: pytest.FixtureRequest) -> float:
    """How long it lasts."""
    return float(request.param)


@pytest.mark.timeout(1800)
def test_hours_of_trouble_lose_and_double_nothing(
    sandbox: Sandbox,
    configured: Callable[..., Settings],
    plan_for: Callable[..., Plan],
    hours: float,
) -> None:
    """Whatever happens to Slack and the bot: every end is told once, every click counts once, no limit of Slack's is exceeded."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201  # to repeat a failure
    roles = {"organization_owners": {"acme": [ADA, GRACE, OLGA]}}
    settings = configured(approvals_channel=CHANNEL, roles=roles)
    day = Day(sandbox, settings, plan_for, seed)
    sandbox.rate_limits.enforced, sandbox.rate_limits.clock = True, day.clock
    until = day.seconds + hours * HOUR
    for number in range(round(hours * AN_HOUR)):
        day.start(day.migration(number), day.chance.uniform(0, hours * HOUR))
    day.start(day.trouble(until), 60)
    day.run()
    _nothing_lost(day)
    _nothing_doubled(day)
    _everyone_told(day)
    assert [e.method for e in sandbox.journal.calls() if e.error == "ratelimited"] == []
    with day.ledger.engine.connect() as connection:
        dropped = connection.execute(
            text("SELECT count(*) FROM bot_outbox WHERE delivery = 'dropped'")
        )
        assert dropped.scalar() == 0
    day.ledger.close()


def _nothing_lost(day: Day) -> None:
    """Each migration's root message shows how it ended, and its thread tells it."""
    roots = {message["ts"]: words_of(message) for message in day.sandbox.messages(CHANNEL)}
    migrations = day.ledger.migrations(limit=1000)
    assert len(roots) == len(migrations)
    for migration in migrations:
        ((ts, said),) = [(ts, said) for ts, said in roots.items() if migration.id in said]
        word = WORDS[migration.status]
        assert said.startswith(word)
        replies = [words_of(m) for m in day.sandbox.thread(CHANNEL, ts)[1:]]
        assert any(each.startswith(word) for each in replies)


def _everyone_told(day: Day) -> None:
    """The end of each migration is told in person: once to who asked, and once to who approved it."""
    said = {
        user: [words_of(m) for m in day.sandbox.messages(day.sandbox.direct_channel(user))]
        for user in (ADA, GRACE, OLGA)
    }
    for migration in day.ledger.migrations(limit=1000):
        times = {u: sum(migration.id in text for text in texts) for u, texts in said.items()}
        (decided,) = day.records.decisions(migration.id)
        approver = decided.user_id if migration.status is not Status.REJECTED else ADA
        assert times == dict.fromkeys(said, 0) | {ADA: 1, approver: 1}


def _nothing_doubled(day: Day) -> None:
    """No message stands twice in a thread, and no decision was taken twice."""
    for root in day.sandbox.messages(CHANNEL):
        said = Counter(m["text"] for m in day.sandbox.thread(CHANNEL, root["ts"]))
        assert [each for each, count in said.items() if count > 1] == []
    for migration in day.ledger.migrations(limit=1000):
        names = Counter(e.name for e in day.ledger.events(migration_id=migration.id, limit=1000))
        assert names[EventName.APPROVE] + names[EventName.REJECT] == 1
        assert len(day.records.decisions(migration.id)) == 1
        assert max(names[each] for each in (EventName.CANCEL, *ENDS)) == 1
