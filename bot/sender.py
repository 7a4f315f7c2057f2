"""Hands one row of the outbox to the courier: which message it is, made from the ledger now, and where it goes.

What Slack has taken is written into the ledger before anything else is posted (`Taken`). When a row is tried, and what becomes of
one that fails, is decided in `outbox.py`.
"""

from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

import structlog

from bot.cards import Cards
from bot.courier import Courier, Gone, Undelivered
from bot.ledger import BotLedger, Kind, Owed, Posted
from bot.views.break_glass import broadcast
from bot.views.card import MigrationCard
from bot.views.checklist import checklist_message
from bot.views.ending import ending_message
from bot.views.freeze import freeze_message, thaw_message
from bot.views.message import Message
from bot.views.planfile import plan_file, plan_name
from bot.views.progress import progress_message
from bot.views.replies import reply
from bot.views.report import content_of, findings_file, report_again, report_message
from bot.views.root import root_message
from bot.views.undelivered import undelivered
from engine.errors import LedgerIncompatible
from engine.ledger import Ledger
from engine.lifecycle import Status
from engine.model import ErrorText, Event, Mismatch

EDITED: Final = frozenset({Kind.ROOT, Kind.PROGRESS, Kind.CHECKLIST})
FILES: Final = frozenset({Kind.FINDINGS, Kind.PLAN})
ELSEWHERE: Final = frozenset({Kind.DIRECT, Kind.BROADCAST})
_OF_ALL: Final = frozenset({Kind.FREEZE, Kind.THAW})
_FINDINGS_MAX: Final = 100_000
"""Findings in the file: what a person can search through, far below Slack's 1 GB."""

_log = structlog.get_logger(__name__)


class Room(NamedTuple):
    """Where the messages go and what they are made from."""

    channel: str
    ledger: Ledger
    records: BotLedger
    cards: Cards
    courier: Courier


class Taken:
    """What Slack has taken and the ledger has yet to hear: told now or, where the ledger fails, before anything else is posted."""

    def __init__(self) -> None:
        self._unwritten: deque[Callable[[], None]] = deque()

    def write(self, change: Callable[[], None]) -> None:
        """Write it; raises ServiceUnavailable when the ledger does not take it yet."""
        self._unwritten.append(change)
        self.catch_up()

    def catch_up(self) -> None:
        """Write what is left; raises while the ledger does not take it."""
        while self._unwritten:
            self._unwritten[0]()
            self._unwritten.popleft()


class Sender:
    """Makes messages and hands them over.

    Args:
        room: Channel, ledgers and courier.
        clock: Aware UTC.
        taken: Where it is kept that a thread's root was posted.
    """

    def __init__(self, room: Room, clock: Callable[[], datetime], taken: Taken) -> None:
        self._room = room
        self._clock = clock
        self._taken = taken

    def say_undelivered(self, owed: Owed, word: str, *, given_up: bool = False) -> None:
        """Say in the thread, once, that a message beside it is not delivered, and what to do.

        Where the thread takes no message either, nothing is said: that is an outage, or the next attempt's business.
        """
        root = self._room.records.posted(owed.migration_id).get(Kind.ROOT)
        if root is None or owed.said_at is not None:
            return
        try:
            message = self._undelivered(owed, word, given_up=given_up)
            self._room.courier.post(root.channel, message, root.ts)
        except (Undelivered, LedgerIncompatible) as missed:
            _log.info("undelivered_unsaid", migration=owed.migration_id, reason=str(missed))
            return
        self._taken.write(partial(self._room.records.said, owed))

    def _undelivered(self, owed: Owed, word: str, *, given_up: bool) -> Message:
        migration = self._room.ledger.migration(owed.migration_id)
        where = owed.recipient or migration.requester
        if owed.kind is Kind.BROADCAST:
            where = self._room.cards.broadcast_channel(migration) or self._room.channel
        return undelivered(migration.id, owed.kind.value, where, word, given_up=given_up)

    def send(self, owed: Owed, *, plain: bool) -> Posted | None:
        """Hand one row to the courier; returns where a message that will be edited stands."""
        if owed.kind in _OF_ALL:
            self._room.courier.post(self._room.channel, _bare(self._of_all(owed), plain=plain))
            return None
        card = self._room.cards.whole(owed.migration_id)
        if owed.kind is Kind.ROOT:
            return self._put(owed, self._room.channel, _bare(root_message(card), plain=plain))
        if owed.kind in ELSEWHERE:
            channel, message = self._elsewhere(owed, card)
            self._room.courier.post(channel, _bare(message, plain=plain))
            return None
        return self._deliver_in_thread(owed, card, plain=plain)

    def _deliver_in_thread(self, owed: Owed, card: MigrationCard, *, plain: bool) -> Posted | None:
        thread = self._thread(card)
        if owed.kind in FILES:
            self._upload(owed.kind, card, thread)
            return None
        if owed.kind is Kind.REPORT:
            return self._report(owed, card, thread, plain=plain)
        message = self._in_thread(owed, card)
        if message is None:
            return None
        return self._put(owed, thread.channel, _bare(message, plain=plain), thread.ts)

    def _report(
        self, owed: Owed, card: MigrationCard, thread: Posted, *, plain: bool
    ) -> Posted | None:
        """Post a run's report; or, for what happened after it, edit the last one: its words stay, its buttons fit."""
        event, courier = self._event(owed), self._room.courier
        if event.from_status is Status.RUNNING:
            if card.report is None:
                return None
            message = report_message(card, card.report)
            content = content_of(message)
            posted = courier.post(thread.channel, _bare(message, plain=plain), thread.ts)
            return posted._replace(content=content)
        before = self._room.records.posted(owed.migration_id).get(Kind.REPORT)
        if before is None or not before.content:
            return None
        last = self._room.ledger.last_change(owed.migration_id)
        latest = last is not None and last.id == owed.event_id
        try:
            courier.edit(
                before, _bare(report_again(card, before.content, latest=latest), plain=plain)
            )
        except Gone:
            _log.info("report_gone", migration=owed.migration_id, event_id=owed.event_id)
        return before

    def _elsewhere(self, owed: Owed, card: MigrationCard) -> tuple[str, Message]:
        """What is told outside of the approvals channel, and where."""
        if owed.kind is Kind.DIRECT:
            return owed.recipient or card.migration.requester, self._direct(owed, card)
        channel = self._room.cards.broadcast_channel(card.migration) or self._room.channel
        return channel, broadcast(card, card.decided("forced")[-1])

    def _direct(self, owed: Owed, card: MigrationCard) -> Message:
        """What one person is told: how it ended, or, where nothing of it stands in the channel, all there is."""
        if card.plan is None:
            return root_message(card)
        root = self._room.records.posted(owed.migration_id).get(Kind.ROOT)
        link = self._room.courier.link(root) if root else ""
        return ending_message(_as_after(card, self._event(owed)), link)

    def _of_all(self, owed: Owed) -> Message:
        """What belongs to no migration: a freeze and its end."""
        freeze = self._room.records.freeze(owed.event_id)
        if freeze is None:
            raise LedgerIncompatible(f"There is no freeze {owed.event_id} in this ledger.")
        if owed.kind is Kind.FREEZE or freeze.thawed_at is None:
            return freeze_message(freeze.by, freeze.role, freeze.at, freeze.reason)
        return thaw_message(freeze.thawed_by or "", freeze.thawed_role or "", freeze.thawed_at)

    def _thread(self, card: MigrationCard) -> Posted:
        """The root of the migration's thread; it is posted now if someone deleted it."""
        records = self._room.records
        root = records.posted(card.migration.id).get(Kind.ROOT)
        if root is None:
            root = self._room.courier.post(self._room.channel, root_message(card))
            self._taken.write(partial(records.put_posted, card.migration.id, Kind.ROOT, root))
        return root

    def _put(
        self, owed: Owed, channel: str, message: Message, thread_ts: str = ""
    ) -> Posted | None:
        if owed.kind not in EDITED:
            self._room.courier.post(channel, message, thread_ts)
            return None
        posted = self._room.records.posted(owed.migration_id).get(owed.kind)
        if posted is None:
            return self._room.courier.post(channel, message, thread_ts)
        self._room.courier.edit(posted, message)
        return posted

    def _in_thread(self, owed: Owed, card: MigrationCard) -> Message | None:
        if owed.kind is Kind.PROGRESS:
            progress = card.progress or self._room.ledger.totals(card.migration.id)
            return progress_message(card, progress, self._clock())
        if owed.kind is Kind.CHECKLIST:
            return checklist_message(card)
        event = self._event(owed)
        return reply(_as_after(card, event), event)

    def _event(self, owed: Owed) -> Event:
        events = self._room.ledger.events(
            after_id=owed.event_id - 1, migration_id=owed.migration_id, limit=1
        )
        return events[0]

    def _upload(self, kind: Kind, card: MigrationCard, thread: Posted) -> None:
        if kind is Kind.FINDINGS:
            self._upload_findings(card, thread)
        elif card.plan is not None:
            title = f"The plan of {card.migration.id}"
            content = plan_file(card, card.plan)
            self._room.courier.upload(thread, plan_name(card, card.plan), title, content)

    def _upload_findings(self, card: MigrationCard, thread: Posted) -> None:
        migration, report = card.migration, card.report
        if report is None or not self._room.ledger.mismatches(migration.id, limit=1):
            return
        # Drawn as they are written, one collection after the other: kept, they would take twenty times the file.
        left = iter(range(_FINDINGS_MAX))
        names = (each.name for each in report.collections)
        found = {name: _take(self._mismatches(migration.id, name), left) for name in names}
        self._room.courier.upload(
            thread,
            f"{migration.id}-findings.txt",
            f"All findings of {migration.id}",
            findings_file(report, found),
        )

    def _mismatches(self, migration_id: str, collection: str) -> Iterator[Mismatch]:
        last = 0
        while page := self._room.ledger.mismatches(migration_id, collection, after_id=last):
            yield from (each.mismatch for each in page)
            last = page[-1].id


def _as_after(card: MigrationCard, event: Event) -> MigrationCard:
    """The card as it stood after the event, so that a late reply tells that event and not what came later."""
    if event.to_status is None:
        return card
    then = card.migration.model_copy(update={"status": event.to_status})
    if "error" in event.details:
        # A resume has cleared the migration's own.
        then = then.model_copy(update={"error": ErrorText.model_validate(event.details["error"])})
    return card.model_copy(update={"migration": then})


def _bare(message: Message, *, plain: bool) -> Message:
    return Message(message.text, []) if plain else message


def _take(found: Iterator[Mismatch], left: Iterator[int]) -> Iterator[Mismatch]:
    return (each for each, _ in zip(found, left, strict=False))
