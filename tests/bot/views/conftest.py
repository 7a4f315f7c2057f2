"""Sample migrations in every state, checks of what Slack would accept, and the golden files; for the view tests only."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from bot.sandbox.blocks import check_message, check_view
from bot.views import message as m
from bot.views.card import Decision, MigrationCard
from engine.forecast import Forecast
from engine.lifecycle import Status, is_terminal
from engine.milvus.survey import Held
from engine.model import (
    CollectionPlan,
    CollectionProgress,
    CollectionReport,
    Endpoint,
    ErrorText,
    Event,
    Migration,
    Mismatch,
    MismatchKind,
    OnConflict,
    Outcome,
    PartitionPlan,
    Plan,
    Progress,
    Report,
    Request,
)
from engine.planner import Standing, against

GOLDEN = Path(__file__).parent.parent / "golden"
UPDATE = "FERRY_UPDATE_GOLDEN"
ASKED = datetime(2026, 11, 3, 2, 14, tzinfo=UTC)
STARTED = ASKED + timedelta(minutes=6)
ENDED = STARTED + timedelta(minutes=2, seconds=41)
ERROR = ErrorText(
    code="E-UNAVAILABLE",
    message="The target staging did not answer for 10 min.",
    state="12,000 of 31,000 entities are copied and recorded; the source was only read.",
    next_step="Check that staging runs, then press Resume.",
)


class Samples:
    """Builders of example records; every argument replaces what the example would hold."""

    now = STARTED + timedelta(minutes=1, seconds=2)
    error = ERROR

    @staticmethod
    def collection(name: str, entities: int = 10_000, **given: Any) -> CollectionPlan:
        """A surveyed collection of 128-d vectors."""
        values: dict[str, Any] = {
            "name": name,
            "definition": "",
            "fields": ("id: Int64", "vector: FloatVector(128)"),
            "primary_field": "id",
            "primary_type": "INT64",
            "auto_id": False,
            "entities": entities,
            "bytes": entities * 560,
            "partitions": (PartitionPlan(name="_default", entities=entities),),
            "partition_key": False,
            "num_partitions": 1,
            "shards": 1,
            "consistency_level": "Bounded",
            "properties": {},
            "indexes": (),
            "aliases": (),
            "loaded": True,
        }
        return CollectionPlan(**(values | given))

    def request(self, **given: Any) -> Request:
        """All of prod-eu's database shop to staging."""
        source = Endpoint(name="prod-eu", uri="http://source:19530", database="shop")
        target = Endpoint(name="staging", uri="http://target:19530", database="shop")
        return Request(**({"source": source, "target": target} | given))

    def plan(self, *collections: CollectionPlan, **given: Any) -> Plan:
        """Four collections that differ, one of them with something that is not carried."""
        loss = "the index parameter `mmap.enabled` is not known to the target"
        chosen = collections or (
            self.collection("articles"),
            self.collection("catalogue_de", 12_000, partition_key=True),
            self.collection("notes_bm25", 6_000, losses=(loss,)),
            self.collection("sessions", 3_000),
        )
        values = {
            "request": self.request(),
            "source_version": "v2.5.4",
            "target_version": "v2.6.1",
            "collections": chosen,
        }
        return Plan(**(values | given))

    def migration(self, status: Status = Status.AWAITING_APPROVAL, **given: Any) -> Migration:
        """A migration in a state, with the times that belong to it."""
        before_start = {
            Status.PLANNING,
            Status.AWAITING_APPROVAL,
            Status.QUEUED,
            Status.REJECTED,
            Status.EXPIRED,
        }
        never_cleared = before_start - {Status.QUEUED}
        plan = None if status is Status.PLANNING else self.plan()
        values: dict[str, Any] = {
            "id": "M-4K7QX2F",
            "request": plan.request if plan else self.request(),
            "status": status,
            "requester": "U01ALICE",
            "reason": "Move the shop to the new region before the sale (OPS-1312).",
            "plan": plan,
            "created_at": ASKED,
            "started_at": None if status in before_start else STARTED,
            "ended_at": ENDED if is_terminal(status) else None,
            "error": ERROR if status is Status.FAILED else None,
            "cleared_at": None if status in never_cleared else ASKED + timedelta(minutes=5),
        }
        if status is Status.CANCELED:
            values |= {"cancel_requested_at": ENDED, "cancel_requested_by": "U02BOB"}
        return Migration(**(values | given))

    def card(self, status: Status = Status.AWAITING_APPROVAL, **given: Any) -> MigrationCard:
        """A card in a state; what is not the card's own goes to its migration."""
        own = {name: given.pop(name) for name in MigrationCard.model_fields if name in given}
        migration = own.pop("migration", None) or self.migration(status, **given)
        values: dict[str, Any] = {
            "migration": migration,
            "decisions": self.decisions(status),
            "canceled_by": migration.cancel_requested_by,
            "approvers": "<@U02BOB>, <!subteam^S77OWNERS>",
            "progress": self.progress() if migration.started_at else None,
            "forecast": FORECAST if status in _BEFORE else None,
            "report": self.report(status) if status in _OUTCOMES else None,
        }
        return MigrationCard(**(values | own))

    @staticmethod
    def decisions(status: Status) -> tuple[Decision, ...]:
        """The decision that led to a state."""
        if status in {Status.PLANNING, Status.AWAITING_APPROVAL, Status.EXPIRED}:
            return ()
        verdict = "rejected" if status is Status.REJECTED else "approved"
        role = "Project Admin of acme/search"
        at = ASKED + timedelta(minutes=5)
        return (Decision(user_id="U02BOB", role=role, verdict=verdict, at=at),)

    @staticmethod
    def progress(copied: int = 12_000, verified: int = 0, **given: Any) -> Progress:
        """The copy of the four collections, so far."""
        left, lines = copied, []
        phase = "copying"
        for name, entities in (
            ("articles", 10_000),
            ("catalogue_de", 12_000),
            ("notes_bm25", 6_000),
            ("sessions", 3_000),
        ):
            done = min(left, entities)
            left -= done
            state = "copied" if done == entities else phase
            phase = "waiting" if done < entities else phase
            lines.append(CollectionProgress(name=name, entities=entities, copied=done, phase=state))
        values: dict[str, Any] = {
            "phase": "copy",
            "entities": 31_000,
            "copied": copied,
            "verified": verified,
            "bytes": copied * 560,
            "seconds": 48.0,
            "recent_entities": copied,
            "recent_seconds": 9.0,
            "collections": tuple(lines),
        }
        return Progress(**(values | given))

    @staticmethod
    def mismatches() -> tuple[Mismatch, ...]:
        """One of each kind."""
        return (
            Mismatch(partition="", pk=4711, kind=MismatchKind.MISSING),
            Mismatch(partition="p_2025", pk="a`b\n<c>", kind=MismatchKind.EXTRA),
            Mismatch(partition="", pk=42, kind=MismatchKind.DIFFERENT, fields=("vector", "title")),
        )

    def report(self, status: Status = Status.SUCCESSFUL, **given: Any) -> Report:
        """The report that belongs to an end."""
        outcome = _OUTCOMES[status]
        lines = [
            CollectionReport(name=name, source_entities=count, target_entities=count, verified=True)
            for name, count in (("articles", 10_000), ("catalogue_de", 12_000), ("sessions", 3_000))
        ]
        examples = self.mismatches()
        bad = CollectionReport(
            name="notes_bm25",
            source_entities=6_000,
            target_entities=6_000,
            missing=1,
            extra=1,
            different=14,
            examples=examples,
            notes=("1 entity was expired by the collection's TTL during the copy.",),
        )
        good = CollectionReport(
            name="notes_bm25", source_entities=6_000, target_entities=6_000, verified=True
        )
        unread = CollectionReport(name="notes_bm25", source_entities=6_000)
        last = {Outcome.MISMATCHED: bad, Outcome.SUCCESSFUL: good}.get(outcome, unread)
        values: dict[str, Any] = {
            "migration": "M-4K7QX2F",
            "status": outcome,
            "seconds": 161.0,
            "entities": 31_000,
            "bytes": 17_360_000,
            "entities_per_second": 412.7,
            "collections": (*lines[:2], last, lines[2]),
            "losses": self.plan().all_losses,
            "error": ERROR if outcome is Outcome.FAILED else None,
        }
        return Report(**(values | given))

    @staticmethod
    def event(name: str, actor: str = "U02BOB", **details: Any) -> Event:
        """Something that happened at the start."""
        return Event(
            id=7, migration_id="M-4K7QX2F", at=STARTED, name=name, actor=actor, details=details
        )

    def replacing(self) -> MigrationCard:
        """A request that deletes two collections on the target, as the planner plans it."""
        request = self.request(on_conflict=OnConflict.REPLACE)
        held = {"notes_bm25": Held(5_812), "sessions": Held(90), "unrelated": Held(7)}
        ids = {name: 449_000_000 + number for number, name in enumerate(held)}
        target = Standing(request.target, "v2.6.1", is_lite=False, ids=ids, held=held.__getitem__)
        surveyed = (
            self.collection("articles"),
            self.collection("notes_bm25", 6_000),
            self.collection("sessions", 3_000),
        )
        planned = (against(target, each, request) for each in surveyed)
        plan = self.plan(*planned, request=request)
        warning = "This cluster serves the shop's search. Tell <#search-oncall> first."
        return self.card(plan=plan, request=plan.request, warning=warning)


FORECAST = Forecast(
    412.0,
    "The target sets the pace: staging took 5,000 entities/s, 10.0 MB/s in an earlier migration",
)
_BEFORE = {Status.AWAITING_APPROVAL, Status.QUEUED}
_OUTCOMES = {
    Status.SUCCESSFUL: Outcome.SUCCESSFUL,
    Status.MISMATCHED: Outcome.MISMATCHED,
    Status.FAILED: Outcome.FAILED,
    Status.CANCELED: Outcome.CANCELED,
}


@pytest.fixture(scope="session")
def samples() -> Samples:
    """Builders of example cards, progress and reports."""
    return Samples()


@pytest.fixture(scope="session")
def accepted() -> Callable[[Any], None]:
    """`accepted(message or view)` fails when Slack would refuse it, or when it comes too near to Slack's limits."""
    return _accepted


def _accepted(rendered: Any) -> None:
    json.dumps(rendered, ensure_ascii=False).encode()
    if isinstance(rendered, m.Message):
        _check_message(rendered)
    elif isinstance(rendered, dict):
        _check_view(rendered)


def _check_message(message: m.Message) -> None:
    assert message.text.strip()
    assert message.text.rstrip("…").endswith((".", ")", "?", ">")) or message.text.endswith("…")
    assert len(message.blocks) <= 48
    assert m.characters(message) <= m.MESSAGE_CHARS
    assert check_message(message.blocks, []) == []
    assert sum(block["type"] == "table" for block in message.blocks) <= 1
    for block in message.blocks:
        _check_block(block)


def _check_view(view: dict[str, Any]) -> None:
    View(**view).validate_json()
    assert check_view(view) == []
    assert len(view["blocks"]) <= 95
    assert sum(map(len, _texts(view))) <= 30_000
    for block in view["blocks"]:
        assert block["type"] != "table"
        _check_block(block)
    ids = [block["block_id"] for block in view["blocks"] if "block_id" in block]
    assert len(ids) == len(set(ids))


def _check_block(block: dict[str, Any]) -> None:
    parsed = Block.parse(block)
    assert parsed is not None, block
    parsed.validate_json()
    assert len(block.get("rows", ())) <= 100
    assert all(_texts(block)), f"an empty text in {block}"
    for text in _texts(block):
        assert len(text) <= 2_950


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "text" and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _texts(value)


@pytest.fixture(scope="session")
def texts() -> Callable[[Any], list[str]]:
    """`texts(blocks)`: every text object's text, in order."""
    return lambda node: list(_texts(node))


@pytest.fixture(scope="session")
def golden() -> Callable[[str, Any], None]:
    """`golden(name, rendered)` compares with the kept rendering; FERRY_UPDATE_GOLDEN=1 keeps the new one instead."""
    return _golden


def _golden(name: str, rendered: Any) -> None:
    file = GOLDEN / (f"{name}.txt" if isinstance(rendered, str) else f"{name}.json")
    value = rendered._asdict() if isinstance(rendered, m.Message) else rendered
    written = rendered if isinstance(rendered, str) else None
    text = written or json.dumps(value, ensure_ascii=False, indent=1) + "\n"
    if os.environ.get(UPDATE) == "1":
        assert not _in_ci(), f"{UPDATE} is not for CI: golden files are looked at by a person"
        file.write_text(text, encoding="utf-8")
    assert file.exists(), f"no golden file; make it with {UPDATE}=1 and look at it"
    assert text == file.read_text(encoding="utf-8"), f"{file.name} differs; {UPDATE}=1 renews it"


def _in_ci() -> bool:
    return bool(os.environ.get("CI")) or os.environ.get("FERRY_REQUIRE_ALL") == "1"
