"""A bot in a sandbox workspace, and what people do there, in the words of the tests; the fixtures are in conftest.py."""

import re
import sqlite3
from contextlib import ExitStack, closing
from typing import Any

import psutil

from bot.runtime import Bot, Pace, running_bot
from bot.sandbox import Actor, Sandbox, Timing, words_of
from bot.scheduler import Ticks
from bot.settings import Settings
from bot.views.request_modal import CALLBACK_ID, RESHAPES
from engine.ledger import Ledger
from engine.lifecycle import HELD, Status
from tests.bot.forked import ForkedVerbs

ADA, GRACE, LINUS, OLGA = "U0ADA", "U0GRACE", "U0LINUS", "U0OLGA"
CHANNEL, ADMINS, ALARM = "C0MIGRATE", "S0ADMINS", "C0ALARM"
PRIVATE = "G0PRIVATE"
"""A channel in which Linus is alone: the bot is not in it."""
QUICK = Pace(
    ticks=Ticks(plan=0.2, start=0.2, rescue=0.5, expire=0.5, freeze=0.5, forget=60),
    progress_seconds=0.2,
    narrator_seconds=0.2,
    rates={},
    answer_seconds=20,
)
"""The bot's clocks as fast as a test can bear; no budget, because the sandbox has none unless it is asked.

Clusters are waited for as long as a slow machine may need: a test of a cluster that does not answer shortens that.
"""
PATIENT = Timing(ack=30.0, trigger=30.0)
"""Slack's deadlines, too long to be missed by a machine that is busy; `tests/bench` holds the real ones."""


class Story:
    """A bot in the workspace, and what people do there, in the words of the tests.

    Attributes:
        settings: What the bot was started with.
        pace: Its clocks; a change counts from the next start.
        bot: The running bot.
    """

    def __init__(
        self, sandbox: Sandbox, settings: Settings, verbs: ForkedVerbs, stack: ExitStack
    ) -> None:
        self.sandbox = sandbox
        self.settings = settings
        self.pace = QUICK
        self._verbs = verbs
        verbs.pause_next("", 0)  # what an earlier test may have left
        self._stack = stack
        self.start()
        self.ledger = stack.enter_context(Ledger.open(settings.database_url))

    def start(self) -> Bot:
        """Start the bot; it is connected when this returns."""
        self._running = self._stack.enter_context(ExitStack())
        self.bot = self._running.enter_context(
            running_bot(self.settings, pace=self.pace, verbs=self._verbs)
        )
        self.sandbox.wait_for_app()
        return self.bot

    def stop(self) -> None:
        """End the bot, as SIGTERM does."""
        self._running.close()

    def restart(self, *, pace: Pace | None = None, **changed: Any) -> Bot:
        """Another bot, with other settings or clocks."""
        self.stop()
        self.settings = self.settings.model_copy(update=changed)
        self.pace = pace or self.pace
        return self.start()

    def open_form(self, user: str, **fields: Any) -> Actor:
        """Open the form and fill it in; fields by their names without `ferry_`."""
        person = self.sandbox.user(user)
        assert person.command("/migrate", channel=CHANNEL)
        person.wait_for_view(CALLBACK_ID)
        for name, value in fields.items():
            before = (person.view or {}).get("hash")
            person.fill(f"ferry_{name}", value)
            if f"ferry_{name}" in RESHAPES:
                self.sandbox.wait_for(
                    lambda seen=before: (person.view or {}).get("hash") != seen, 30, name
                )
        return person

    def request(self, user: str = ADA, **fields: Any) -> dict[str, Any]:
        """Ask for a migration from `old` to `new`; returns the message that waits for approval."""
        known = {m["ts"] for m in self.sandbox.messages(CHANNEL)}
        person = self.open_form(
            user, **({"source": "old", "target": "new", "reason": "Test"} | fields)
        )
        assert person.submit() is None
        return self.sandbox.wait_for(
            lambda: next((m for m in self.sandbox.messages(CHANNEL) if m["ts"] not in known), None),
            60,
            "the plan in the channel",
        )

    def id_of(self, root: dict[str, Any]) -> str:
        """The migration that a message is about."""
        found = re.search(r"M-[0-9A-Z]{7}", words_of(root))
        assert found is not None
        return found[0]

    def status(self, root: dict[str, Any]) -> Status:
        """Where the migration of a message stands."""
        return self.ledger.migration(self.id_of(root)).status

    def wait_for_status(self, root: dict[str, Any], status: Status, timeout: float = 60) -> None:
        """Wait until the migration stands there."""
        self.sandbox.wait_for(lambda: self.status(root) is status, timeout, f"{status}")

    def replies(self, root: dict[str, Any]) -> list[dict[str, Any]]:
        """The replies in the thread of a message."""
        return self.sandbox.thread(CHANNEL, root["ts"])[1:]

    def wait_for_reply(
        self, root: dict[str, Any], containing: str, timeout: float = 60
    ) -> dict[str, Any]:
        """Wait for a reply in the thread that contains the text."""

        def found() -> dict[str, Any] | None:
            return next((m for m in self.replies(root) if containing in words_of(m)), None)

        return self.sandbox.wait_for(found, timeout, f"a reply with {containing!r}")

    def root(self, root: dict[str, Any]) -> dict[str, Any]:
        """The message as it is now."""
        return self.sandbox.thread(CHANNEL, root["ts"])[0]

    def told(self, user: str, containing: str) -> str:
        """Wait until only this person is told something that contains the text; returns all of it."""
        person = self.sandbox.user(user)
        return str(words_of(person.wait_for_ephemeral(CHANNEL, containing, 30)))

    def told_directly(self, user: str, containing: str) -> str:
        """Wait for a direct message that contains the text, whatever else was said there; returns all of it."""
        channel = self.sandbox.direct_channel(user)

        def found() -> str:
            said = (str(words_of(message)) for message in self.sandbox.messages(channel))
            return next((text for text in said if containing in text), "")

        return self.sandbox.wait_for(found, 60, f"a direct message with {containing!r}")

    def events(self, root: dict[str, Any], name: str) -> int:
        """How often something happened to the migration."""
        events = self.ledger.events(migration_id=self.id_of(root))
        return sum(event.name == name for event in events)

    def worker(self, root: dict[str, Any]) -> psutil.Process:
        """The process that works on the migration; waits until it holds it."""
        self.sandbox.wait_for(lambda: self.status(root) in HELD, 60, "a worker")
        owner = self.ledger.migration(self.id_of(root)).lease_owner
        assert owner is not None
        return psutil.Process(int(owner.split(":")[1]))

    def hold_next(self, point: str, lease_seconds: int = 120) -> None:
        """The worker that starts next pauses itself at a crash point of the engine's ("writing:1"); `held` gives it."""
        self._verbs.pause_next(point, lease_seconds)

    def held(self, root: dict[str, Any]) -> psutil.Process:
        """The worker that paused itself, once it did and does not hold the ledger's lock; the caller resumes it."""
        worker = self.worker(root)

        def paused() -> bool:
            if worker.status() != psutil.STATUS_STOPPED:
                return False
            if self._lock_is_free():
                return True
            worker.resume()
            worker.suspend()
            return False

        self.sandbox.wait_for(paused, 60, "the worker's pause")
        return worker

    def _lock_is_free(self) -> bool:
        if not self.settings.database_url.startswith("sqlite"):
            return True  # a writer of PostgreSQL keeps nobody from writing something else
        path = self.settings.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            connection.execute("ROLLBACK")
        return True
