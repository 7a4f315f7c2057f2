"""Makes the card that every message of a migration is drawn from: the ledger's record with what the bot knows of it.

It only reads. A card is made anew for each message and never kept.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog

from bot import approvals, waiting
from bot.directory import Directory
from bot.ledger import BotLedger, Kind, Posted
from bot.notes import FELL, FREED, HELD
from bot.settings import Place, Settings
from bot.verbs import Verbs
from bot.views.card import Decision, MigrationCard, Tick
from bot.views.details import LOG
from engine.errors import ConfigurationInvalid, FerryError
from engine.forecast import Forecast, forecast
from engine.ledger import JobFilter, Ledger, utc_now
from engine.lifecycle import DUE, EventName, Status, is_terminal
from engine.model import Event, Migration, Progress, Report

COPIES_ASKED: Final = 5
"""How many earlier migrations to a target are looked at for its pace."""
_BEFORE: Final = frozenset({Status.AWAITING_APPROVAL, Status.QUEUED})

_log = structlog.get_logger(__name__)


class Cards:
    """Reads cards out of the ledger.

    Args:
        ledger: The engine's part.
        records: The bot's part.
        settings: For warnings and projects.
        directory: For who may approve.
        verbs: For the report.
    """

    def __init__(
        self,
        ledger: Ledger,
        records: BotLedger,
        settings: Settings,
        directory: Directory,
        verbs: Verbs,
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._settings = settings
        self._directory = directory
        self._verbs = verbs

    def card(self, migration_id: str) -> MigrationCard:
        """The card of one migration; raises InputRejected when there is none."""
        return self.card_of(self._ledger.migration(migration_id))

    def card_of(self, migration: Migration) -> MigrationCard:
        """The card of a migration as it was just read."""
        return self._known(migration).model_copy(update={"approvers": self._approvers(migration)})

    def known(self, migration_id: str) -> MigrationCard:
        """The card as the ledger alone knows it, without who may approve: Slack is not asked."""
        return self._known(self._ledger.migration(migration_id))

    def _known(self, migration: Migration) -> MigrationCard:
        policy = self._settings.policy_of(migration.request.target)
        since = self._waits_since(migration)
        return MigrationCard(
            migration=migration,
            decisions=self._decisions(migration, since),
            approvals_needed=policy.approvals,
            expires_at=waiting.expires_at(since, policy) if since else None,
            hold=self._hold(migration),
            changes=self._changes(migration),
            breakable=bool(policy.break_glass_channel),
            ticks=self._ticks(migration),
            canceled_by=migration.cancel_requested_by,
            warning=self._settings.warning_of(migration.request.target),
            progress=self.progress(migration),
            report=self.report(migration),
        )

    def whole(self, migration_id: str) -> MigrationCard:
        """The card with what it takes other migrations to know: how long this one will take. For messages, not for clicks."""
        migration = self._ledger.migration(migration_id)
        return self.card_of(migration).model_copy(update={"forecast": self._forecast(migration)})

    def listed(self, migration: Migration) -> MigrationCard:
        """A migration as it is drawn in a list: without decisions, progress and report."""
        return MigrationCard(
            migration=migration,
            canceled_by=migration.cancel_requested_by,
            hold=self._hold(migration),
        )

    def newest(self, limit: int) -> tuple[tuple[MigrationCard, ...], int]:
        """The newest migrations as they are drawn in a list, and how many there are in all."""
        page = self._ledger.jobs(JobFilter(), limit=limit)
        return tuple(map(self.listed, page.migrations)), page.total

    def log(self, migration: Migration) -> tuple[Event, ...]:
        """What happened to a migration of late, oldest first; what says the same as the one before it is left out."""
        return self._ledger.log(migration.id, LOG)

    def fell(self, migration: Migration) -> Mapping[str, datetime]:
        """Whose approvals fell with their role, and when last."""
        return approvals.fell(self._ledger.events_named(migration.id, FELL))

    def root(self, migration_id: str) -> Posted | None:
        """Where the root message of a migration's thread stands, once it was posted."""
        return self._records.posted(migration_id).get(Kind.ROOT)

    def places(self, migration: Migration) -> tuple[Place, ...]:
        """The projects that a migration concerns; raises ConfigurationInvalid when one is no longer configured."""
        request = migration.request
        return (self._settings.place_of(request.source), self._settings.place_of(request.target))

    def places_left(self, migration: Migration) -> tuple[Place, ...]:
        """The projects whose roles may stop it: those of its own that are still configured, or all where none of them is.

        A cluster that was renamed in the configuration must not keep anyone from stopping what writes to it.
        """
        left = set[Place]()
        for endpoint in (migration.request.source, migration.request.target):
            with suppress(ConfigurationInvalid):
                left.add(self._settings.place_of(endpoint))
        return tuple(left or self._settings.places)

    def broadcast_channel(self, migration: Migration) -> str:
        """The channel that is told when this target's glass is broken; "" when none is configured any more."""
        return self._settings.policy_of(migration.request.target).break_glass_channel

    def progress(self, migration: Migration) -> Progress | None:
        """How far it came, once it was started."""
        return self._ledger.totals(migration.id) if migration.started_at else None

    def report(self, migration: Migration) -> Report | None:
        """What became of it, once it has ended after a start."""
        if migration.started_at is None or not is_terminal(migration.status):
            return None
        return self._verbs.report(self._ledger, migration.id)

    def _waits_since(self, migration: Migration) -> datetime | None:
        """When it was put up for approval, while it waits for it."""
        if migration.status is not Status.AWAITING_APPROVAL:
            return None
        put_up = self._ledger.last_change(migration.id)
        return put_up.at if put_up else migration.created_at

    def _hold(self, migration: Migration) -> str:
        """What was last noted to hold it, while it waits to start; what is frozen now, while it waits for approval."""
        if migration.status is Status.AWAITING_APPROVAL:
            policy = self._settings.policy_of(migration.request.target)
            return waiting.why_frozen(self._records.open_freeze(), policy, utc_now(), forced=False)
        if migration.status not in DUE:
            return ""
        noted = self._ledger.last_named(migration.id, HELD, FREED)
        return str(noted.details.get("why", "")) if noted else ""

    def _changes(self, migration: Migration) -> tuple[str, ...]:
        """What made it wait for approval again."""
        if migration.status is not Status.AWAITING_APPROVAL:
            return ()
        reopened = self._ledger.last_named(migration.id, EventName.REOPEN)
        return tuple(map(str, reopened.details.get("changes", ()))) if reopened else ()

    def _ticks(self, migration: Migration) -> tuple[Tick, ...]:
        """The last word about each step of the checklist, where that is a tick."""
        last = {each.step: each for each in self._records.ticks(migration.id)}
        return tuple(
            Tick(**each.model_dump(exclude={"done"})) for each in last.values() if each.done
        )

    def _forecast(self, migration: Migration) -> Forecast | None:
        """How long it will take, until it has started."""
        if migration.plan is None or migration.status not in _BEFORE:
            return None
        if migration.started_at is not None:
            return None
        copied = {Status.SUCCESSFUL, Status.MISMATCHED}
        before = JobFilter(copied, target=migration.request.target.name)
        found = self._ledger.jobs(before, limit=COPIES_ASKED).migrations
        copies = [self._ledger.totals(each.id) for each in found]
        return forecast(migration.plan, copies, migration.throttle)

    def _decisions(self, migration: Migration, since: datetime | None) -> tuple[Decision, ...]:
        plan_hash = migration.plan.hash if migration.plan else ""
        void = approvals.Void(plan_hash, since, self.fell(migration))
        return tuple(
            Decision(**each.model_dump(exclude={"plan_hash"}), void=void.why(each))
            for each in self._records.decisions(migration.id)
        )

    def _approvers(self, migration: Migration) -> str:
        if migration.status is not Status.AWAITING_APPROVAL:
            return ""
        try:
            policy = self._settings.policy_of(migration.request.target)
            own = "" if policy.requester_may_approve else migration.requester
            return self._directory.mentions(self.places(migration), without=own)
        except FerryError as error:
            # The message is worth more than this line of it: it is drawn again with the next change.
            _log.warning("approvers_unknown", migration=migration.id, error=str(error))
            return ""
