"""The card: everything that the messages of one migration show, in one frozen record, and the words that all of them use.

The service builds it from the ledger; views only read it. It holds no secret and decides nothing.
"""

from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import AwareDatetime

from bot.checklist import Step
from bot.views import text as t
from engine.forecast import Forecast
from engine.lifecycle import Status, is_resumable, is_terminal, is_undoable, zilliz_word
from engine.model import CollectionPlan, Endpoint, Migration, Plan, Progress, Record, Replaced
from engine.model import Report as EngineReport

EMOJI: dict[str, str] = {
    "PENDING": ":hourglass_flowing_sand:",
    "IN PROGRESS": ":arrows_counterclockwise:",
    "SUCCESSFUL": ":white_check_mark:",
    "MISMATCHED": ":warning:",
    "FAILED": ":x:",
    "CANCELED": ":black_square_for_stop:",
    "UNDONE": ":leftwards_arrow_with_hook:",
}
"""Always beside the word, never instead of it."""


def word_of(status: Status) -> str:
    """The word for people: Zilliz Cloud's (a rejected or expired request is CANCELED), and UNDONE, which it has no word for."""
    return "UNDONE" if status is Status.UNDONE else zilliz_word(status)


class Decision(Record):
    """What one person decided about a request, and in which role; `void` is why it does not count: another plan, a lost role."""

    user_id: str
    role: str
    verdict: Literal["approved", "rejected", "forced"]
    at: AwareDatetime
    comment: str = ""
    void: Literal["", "plan", "role"] = ""


class Tick(Record):
    """Who said that a step of the cut-over is done, in which role and when."""

    step: Step
    user_id: str
    role: str = ""
    at: AwareDatetime


class MigrationCard(Record):
    """A migration with what only the bot knows of it.

    Attributes:
        decisions: Approvals and rejections, oldest first.
        canceled_by: Who asked to cancel: a Slack user id or `user@host`.
        warning: The target's warning text from configuration.
        approvers: Who may approve, as text; mentions (`<@U…>`, `<!subteam^S…>`) in it are kept, everything else is escaped.
        approvals_needed: How many different people must approve.
        expires_at: When the request expires, while it waits for approval.
        hold: Why it does not start although it may, or would not once it is approved, plain text.
        breakable: Whether somebody may start it without the approvals, by breaking the glass.
        changes: How the plan differs from the one that was approved before, one sentence each, plain text.
        progress: How far it came; for what stands on the target after a cancel or a failure.
        report: The verification report, once there is one.
        ticks: The steps of the cut-over that people have ticked.
        forecast: How long it will take, before it starts; None where a message does not say it.
    """

    migration: Migration
    decisions: tuple[Decision, ...] = ()
    canceled_by: str | None = None
    warning: str = ""
    approvers: str = ""
    approvals_needed: int = 1
    expires_at: AwareDatetime | None = None
    hold: str = ""
    breakable: bool = False
    changes: tuple[str, ...] = ()
    progress: Progress | None = None
    report: EngineReport | None = None
    ticks: tuple[Tick, ...] = ()
    forecast: Forecast | None = None

    @property
    def plan(self) -> Plan | None:
        """The plan, once there is one."""
        return self.migration.plan

    @property
    def expected(self) -> str:
        """How long it will take and what limits it, in plain text; "" once it has started."""
        if self.forecast is None:
            return ""
        return f"{t.roughly(self.forecast.seconds)}. {t.sentence(self.forecast.limit)}"

    @property
    def word(self) -> str:
        """The status as Zilliz Cloud's Jobs page writes it, for messages."""
        return word_of(self.migration.status)

    @property
    def source(self) -> Endpoint:
        """Where the data comes from."""
        return self.migration.request.source

    @property
    def target(self) -> Endpoint:
        """Where the data goes."""
        return self.migration.request.target

    @property
    def replaces(self) -> bool:
        """Whether collections on the target are deleted before the copy."""
        return bool(self.plan and self.plan.replaced)

    @property
    def canceling(self) -> bool:
        """Whether someone has asked to cancel and the worker has not stopped yet."""
        asked = self.migration.cancel_requested_at is not None
        return asked and not self.ended

    @property
    def putting_back(self) -> bool:
        """Whether a cancel waits for a new worker, which first releases what a lost one had loaded to be read."""
        return self.migration.putting_back

    @property
    def pausing(self) -> bool:
        """Whether someone has asked to pause and the worker has not stopped yet."""
        return self.migration.pause_requested_at is not None

    @property
    def ended(self) -> bool:
        """Whether it has ended, well or badly."""
        return is_terminal(self.migration.status)

    @property
    def resumable(self) -> bool:
        """Whether it is paused, or ended so that it can go on: it was once allowed to run."""
        return self.migration.cleared_at is not None and is_resumable(self.migration.status)

    @property
    def starts_at(self) -> datetime | None:
        """The time that it waits for before its first start; None once it started, or when it was approved after that time."""
        migration = self.migration
        due, cleared = migration.due_at, migration.cleared_at
        late = due is not None and cleared is not None and cleared >= due
        return None if late or migration.started_at is not None or self.ended else due

    @property
    def undoable(self) -> bool:
        """Whether it has ended and may have made something on the target that can be dropped again."""
        migration = self.migration
        began = migration.cleared_at is not None and migration.started_at is not None
        return began and is_undoable(migration.status)

    def decided(self, verdict: str) -> tuple[Decision, ...]:
        """The approvals or the rejections, with those that are void."""
        return tuple(d for d in self.decisions if d.verdict == verdict)

    @property
    def approved(self) -> int:
        """How many people's approvals count."""
        return len({d.user_id for d in self.decided("approved") if not d.void})


class ActionValue(NamedTuple):
    """What a button carries: which migration, and what about it: the plan (hash) that its reader saw, or a checklist's step."""

    migration_id: str
    about: str = ""


def action_value(card: MigrationCard) -> str:
    """The `value` of a migration's buttons: its id and the hash of the plan shown beside them."""
    return f"{card.migration.id} {card.plan.hash if card.plan else ''}".strip()


def parse_action_value(value: str) -> ActionValue:
    """Reads what `action_value` wrote; tolerates a bare id."""
    migration_id, _, about = value.partition(" ")
    return ActionValue(migration_id, about)


def place(endpoint: Endpoint) -> str:
    """A cluster and its database as code in mrkdwn: `prod` / `default`."""
    return f"{t.code(endpoint.name, 72)} / {t.code(endpoint.database, 48)}"


def place_plain(endpoint: Endpoint, limit: int = 60) -> str:
    """A cluster and its database as plain text, for headers, dialogs and notifications (escape it for mrkdwn)."""
    room = max(limit - 1 - min(len(endpoint.database), limit // 3), 8)
    name = t.shorten_middle(t.visible(endpoint.name), room)
    return f"{name}/{t.shorten_middle(t.visible(endpoint.database), limit // 3)}"


def route_plain(card: MigrationCard, limit: int = 60) -> str:
    """Source and target as plain text: `prod/default → staging/default`."""
    return f"{place_plain(card.source, limit)} → {place_plain(card.target, limit)}"


def route(card: MigrationCard) -> str:
    """Source and target as mrkdwn, the arrow pointing to where data is written."""
    return f"{place(card.source)} → {place(card.target)}"


def status_line(card: MigrationCard) -> str:
    """The status by word, with its emoji behind it: `*SUCCESSFUL* :white_check_mark:`."""
    return f"{EMOJI[card.word]} *{card.word}*"


def amount(plan: Plan) -> str:
    """What a plan moves: "4 collections, 31,000 entities, about 18 MB"."""
    collections = t.counted(len(plan.collections), "collection")
    return f"{collections}, {t.entities(plan.entities)}, about {t.size(plan.bytes)}"


def on_target(collection: CollectionPlan) -> str:
    """What becomes of what stands on the target under a collection's name, in a few words for a table."""
    return f"DELETED: {_held(collection.replaces)}" if collection.replaces else "new"


def _held(found: Replaced) -> str:
    return t.entities(found.entities) if found.exact else "not counted"


def deleted_amount(plan: Plan) -> str:
    """How much is deleted on the target: "2 collections, 5,902 entities"."""
    found = [each.replaces for each in plan.collections if each.replaces is not None]
    total = t.entities(sum(each.entities for each in found))
    counted = "" if all(each.exact for each in found) else ", not all counted"
    return f"{t.counted(len(found), 'collection')}, {total}{counted}"


def deleted_in_short(plan: Plan, limit: int) -> str:
    """What is deleted on the target, plain text for a dialog: by name and count, or only how much where that does not fit."""
    named = ", ".join(
        f"{t.shorten_middle(t.visible(each.name), 40)} ({_held(each.replaces)})"
        for each in plan.collections
        if each.replaces is not None
    )
    fitting = (said for said in (named, deleted_amount(plan)) if len(said) <= limit)
    return next(fitting, t.counted(len(plan.replaced), "collection"))
