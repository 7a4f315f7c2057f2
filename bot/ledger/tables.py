"""The bot's own tables, beside the engine's in the same database: decisions, freezes, messages, inbox, the narrator's place.

Rows never leave `bot/ledger/`. Nothing here decides anything. Whoever changes a table writes a revision in `versions/`; a test
compares both.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Index, MetaData, Text, UniqueConstraint
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from engine.ledger.tables import BIG_KEY, GROWING, NAMING, stored_enum


class Verdict(StrEnum):
    """What someone decided about a request; `forced` is an approval that stands for all that were needed (break-glass)."""

    APPROVED = "approved"
    REJECTED = "rejected"
    FORCED = "forced"


class Kind(StrEnum):
    """What a message is: `root`, `progress` and `checklist` are one message each that is edited, the others are posted once.

    `freeze` and `thaw` belong to no migration: their `event_id` is the freeze's id.
    """

    ROOT = "root"
    PROGRESS = "progress"
    REPLY = "reply"
    REPORT = "report"
    FINDINGS = "findings"
    DIRECT = "direct"
    BROADCAST = "broadcast"
    FREEZE = "freeze"
    THAW = "thaw"
    PLAN = "plan"
    CHECKLIST = "checklist"


class Delivery(StrEnum):
    """Where an outbox row stands; `superseded` was left out because a later one says it all, `dropped` was refused by Slack."""

    PENDING = "pending"
    SENT = "sent"
    SUPERSEDED = "superseded"
    DROPPED = "dropped"


class BotTable(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    """The base of the bot's tables: its own registry and MetaData."""


class DecisionRow(BotTable, table=True):
    """An approval or a rejection, bound to the plan that was shown (`plan_hash`); appended, never changed."""

    __tablename__ = "bot_decision"
    __table_args__ = (Index(None, "migration_id"), GROWING)

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_KEY)
    migration_id: str = Field(max_length=32)
    user_id: str = Field(max_length=32)
    role: str = Field(sa_type=Text)
    verdict: Verdict = Field(sa_type=stored_enum(Verdict, "verdict"))
    plan_hash: str = Field(max_length=64)
    comment: str = Field(default="", sa_type=Text)
    at: datetime


class FreezeRow(BotTable, table=True):
    """A time in which nothing starts, from a person's word to another's; at most one is open."""

    __tablename__ = "bot_freeze"
    __table_args__ = (GROWING,)

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_KEY)
    by: str = Field(max_length=32)
    role: str = Field(sa_type=Text)
    reason: str = Field(default="", sa_type=Text)
    at: datetime
    thawed_by: str | None = Field(default=None, max_length=32)
    thawed_role: str | None = Field(default=None, sa_type=Text)
    thawed_at: datetime | None = None


class TickRow(BotTable, table=True):
    """A step of a cut-over checklist that somebody ticked, or whose tick they took back; appended, never changed."""

    __tablename__ = "bot_tick"
    __table_args__ = (Index(None, "migration_id"), GROWING)

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_KEY)
    migration_id: str = Field(max_length=32)
    step: str = Field(max_length=32)
    done: bool
    user_id: str = Field(max_length=32)
    role: str = Field(sa_type=Text)
    at: datetime


class PostedRow(BotTable, table=True):
    """Where a message of a migration stands in Slack, so that it can be edited and its thread be found; a report's words too."""

    __tablename__ = "bot_posted"
    __table_args__ = (UniqueConstraint("migration_id", "kind"), GROWING)

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_KEY)
    migration_id: str = Field(max_length=32)
    kind: Kind = Field(sa_type=stored_enum(Kind, "kind"))
    channel: str = Field(max_length=32)
    ts: str = Field(max_length=32)
    content: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})


class OutboxRow(BotTable, table=True):
    """A message that is owed to Slack: at most one of each kind per event and recipient; its text is made when it is sent.

    Only a direct message has a recipient. `said_at` is when its thread was told that it is not delivered.
    """

    __tablename__ = "bot_outbox"
    __table_args__ = (
        UniqueConstraint("migration_id", "event_id", "kind", "recipient"),
        Index(None, "delivery"),
        GROWING,
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_KEY)
    migration_id: str = Field(max_length=32)
    event_id: int = Field(sa_type=BigInteger)
    kind: Kind = Field(sa_type=stored_enum(Kind, "kind"))
    delivery: Delivery = Field(default=Delivery.PENDING, sa_type=stored_enum(Delivery, "delivery"))
    attempts: int = 0
    not_before: datetime | None = None
    created_at: datetime
    done_at: datetime | None = None
    error: str = Field(default="", sa_type=Text)
    recipient: str = Field(default="", max_length=32, sa_column_kwargs={"server_default": ""})
    said_at: datetime | None = None


class InboxRow(BotTable, table=True):
    """A delivery from Slack whose effect is in the ledger; kept far longer than Slack repeats one (5 minutes)."""

    __tablename__ = "bot_inbox"
    __table_args__ = (Index(None, "at"),)

    key: str = Field(primary_key=True, max_length=255)
    migration_id: str = Field(default="", max_length=32)
    at: datetime


class PlaceRow(BotTable, table=True):
    """Up to which event the narrator has put messages into the outbox, and which bot's narrator that is (`bot/floor.py`)."""

    __tablename__ = "bot_place"

    reader: str = Field(primary_key=True, max_length=32)
    event_id: int = Field(default=0, sa_type=BigInteger)
    speaker: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})
    beat: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
