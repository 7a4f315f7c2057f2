"""Sends what is owed to Slack, in order, until it has arrived: each row of the outbox is rendered from the ledger when it is sent.

Rows of one migration follow one another; of a message that is edited (root, progress, checklist) a row before a later one is left
out, because an edit says everything. A row ends as sent, superseded or (Slack refuses even its bare text) dropped with an error in
the log; whatever else happens, it is tried again. A process that is killed between Slack's answer and the ledger's commit posts
that one message twice, because Slack knows no key for a repeated post. It decides nothing about migrations.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, NamedTuple

import structlog

from bot.cards import Cards
from bot.courier import OUTAGE_SECONDS, Courier, Gone, Later, Refused
from bot.ledger import BotLedger, Delivery, Kind, Owed, Posted
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
from engine.errors import FerryError, LedgerIncompatible
from engine.ledger import Ledger, utc_now
from engine.lifecycle import Status
from engine.model import ErrorText, Event, Mismatch

OUTAGE_SECONDS_MAX: Final = 60.0
"""The longest wait between two attempts while Slack does not answer."""

_EDITED: Final = frozenset({Kind.ROOT, Kind.PROGRESS, Kind.CHECKLIST})
_FILES: Final = frozenset({Kind.FINDINGS, Kind.PLAN})
_ELSEWHERE: Final = frozenset({Kind.DIRECT, Kind.BROADCAST})
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


class Outbox:
    """The sender.

    Args:
        room: Channel, ledgers and courier.
        clock: Aware UTC.
    """

    def __init__(self, room: Room, clock: Callable[[], datetime] = utc_now) -> None:
        self._room = room
        self._clock = clock

    def flush(self) -> float | None:
        """Send everything that may be sent now; returns after how many seconds there is more to do, None if nothing is owed."""
        owed = sorted(self._room.records.pending(), key=lambda each: (each.migration_id, each.id))
        waits = [
            wait
            for _, rows in groupby(owed, key=lambda each: each.migration_id)
            if (wait := self._send_all(tuple(rows))) is not None
        ]
        return min(waits, default=None)

    def _send_all(self, rows: Sequence[Owed]) -> float | None:
        """Send one migration's rows in order; stops at the first that has to wait."""
        for place, owed in enumerate(rows):
            if self._is_superseded(owed, rows[place + 1 :]):
                self._room.records.settle(owed, Delivery.SUPERSEDED)
                continue
            try:
                wait = self._send(owed)
            except FerryError as error:
                # Its record cannot be read; the other migrations' messages go on.
                _log.error("message_unmade", **_about(owed), error=str(error))
                wait = OUTAGE_SECONDS
            if wait is not None:
                return wait
        return None

    def _is_superseded(self, owed: Owed, later: Sequence[Owed]) -> bool:
        if owed.kind not in _EDITED or all(each.kind is not owed.kind for each in later):
            return False
        return owed.kind in self._room.records.posted(owed.migration_id)

    def _send(self, owed: Owed) -> float | None:
        now = self._clock()
        if owed.not_before is not None and owed.not_before > now:
            return (owed.not_before - now).total_seconds()
        try:
            posted = self._deliver(owed, plain=False)
        except Later as later:
            return self._later(owed, later)
        except Gone:
            return self._gone(owed)
        except Refused as refused:
            return self._bare(owed, refused)
        self._room.records.settle(owed, Delivery.SENT, posted=posted)
        return None

    def _later(self, owed: Owed, later: Later) -> float:
        if not later.attempted:
            return later.seconds
        seconds = later.seconds
        if later.seconds == OUTAGE_SECONDS:
            seconds = min(OUTAGE_SECONDS * 2**owed.attempts, OUTAGE_SECONDS_MAX)
        _log.warning("message_waits", **_about(owed), reason=str(later), seconds=seconds)
        until = self._clock() + timedelta(seconds=seconds)
        self._room.records.postpone(owed, until, str(later))
        return seconds

    def _gone(self, owed: Owed) -> float:
        """Someone deleted the message or the root of its thread: what is edited is posted anew, the rest follows."""
        kind = owed.kind if owed.kind in _EDITED else Kind.ROOT
        _log.warning("message_gone", **_about(owed))
        self._room.records.forget_posted(owed.migration_id, kind)
        if kind is Kind.ROOT:
            for reply in _EDITED - {Kind.ROOT}:
                self._room.records.forget_posted(owed.migration_id, reply)
        return 0.0

    def _bare(self, owed: Owed, refused: Refused) -> float | None:
        """Slack refuses the blocks: the sentence alone still tells what happened."""
        try:
            posted = self._deliver(owed, plain=True)
        except Later as later:
            return self._later(owed, later)
        except (Gone, Refused) as again:
            error = f"{refused}; as bare text: {again}"
            _log.error("message_dropped", **_about(owed), error=error)
            self._room.records.settle(owed, Delivery.DROPPED, error=error)
            return None
        self._room.records.settle(owed, Delivery.SENT, posted=posted, error=str(refused))
        return None

    def _deliver(self, owed: Owed, *, plain: bool) -> Posted | None:
        """Hand one row to the courier; returns where a message that will be edited stands."""
        if owed.kind in _OF_ALL:
            self._room.courier.post(self._room.channel, _bare(self._of_all(owed), plain=plain))
            return None
        card = self._room.cards.whole(owed.migration_id)
        if owed.kind is Kind.ROOT:
            return self._put(owed, self._room.channel, _bare(root_message(card), plain=plain))
        if owed.kind in _ELSEWHERE:
            channel, message = self._elsewhere(owed, card)
            self._room.courier.post(channel, _bare(message, plain=plain))
            return None
        return self._deliver_in_thread(owed, card, plain=plain)

    def _deliver_in_thread(self, owed: Owed, card: MigrationCard, *, plain: bool) -> Posted | None:
        thread = self._thread(card)
        if owed.kind in _FILES:
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
            posted = courier.post(thread.channel, _bare(message, plain=plain), thread.ts)
            return posted._replace(content=content_of(message))
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
            _log.info("report_gone", **_about(owed))
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
            records.put_posted(card.migration.id, Kind.ROOT, root)
        return root

    def _put(
        self, owed: Owed, channel: str, message: Message, thread_ts: str = ""
    ) -> Posted | None:
        if owed.kind not in _EDITED:
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
        migration = card.migration
        found = tuple(_take(self._mismatches(migration.id), _FINDINGS_MAX))
        if not found or card.report is None:
            return
        by_collection: dict[str, list[Mismatch]] = {}
        for collection, mismatch in found:
            by_collection.setdefault(collection, []).append(mismatch)
        self._room.courier.upload(
            thread,
            f"{migration.id}-findings.txt",
            f"All findings of {migration.id}",
            findings_file(card.report, by_collection),
        )

    def _mismatches(self, migration_id: str) -> Iterable[tuple[str, Mismatch]]:
        last = 0
        while page := self._room.ledger.mismatches(migration_id, after_id=last):
            yield from ((each.collection, each.mismatch) for each in page)
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


def _take(found: Iterable[tuple[str, Mismatch]], limit: int) -> Iterable[tuple[str, Mismatch]]:
    return (each for each, _ in zip(found, range(limit), strict=False))


def _about(owed: Owed) -> dict[str, object]:
    return {
        "migration": owed.migration_id,
        "event_id": owed.event_id,
        "kind": owed.kind.value,
        "attempts": owed.attempts,
    }
