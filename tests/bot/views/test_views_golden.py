"""Each view in each state, as it was last looked at by a person; Slack would accept every one of them."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.checklist import OWN, Step
from bot.notes import COUNTED, FELL, FREED, HELD, NOT_STARTED, REMINDED, THROTTLED, WAITING
from bot.views import break_glass, waiting_modal
from bot.views.card import Tick
from bot.views.checklist import checklist_message
from bot.views.details import details_view
from bot.views.doctor import Looked, doctor_message
from bot.views.ending import ending_message
from bot.views.freeze import freeze_form, freeze_message, thaw_message
from bot.views.home import HomePage, HomeState, home_view
from bot.views.jobs import jobs_message
from bot.views.planfile import plan_file
from bot.views.progress import progress_message
from bot.views.refusals import REASONS, refusal
from bot.views.replies import reply
from bot.views.report import content_of, findings_file, report_again, report_message
from bot.views.request_modal import Known, RequestForm, build, failed, sent
from bot.views.root import root_message
from bot.views.status import status_message
from bot.views.undelivered import UNMADE, undelivered
from engine.lifecycle import EventName, Status, is_terminal
from engine.model import AutoId, OnConflict, Throttle
from tests.bot.views.changes import asked_again, changes, event_of
from tests.bot.views.pages import HEAD, LINK, ROLE, WHY, frozen_home, jobs_page, log, looking

GOLDEN = Path(__file__).parent.parent / "golden"
CLUSTERS = ("prod-eu", "staging")
FORM = RequestForm(
    source="prod-eu",
    source_database="shop",
    target="staging",
    collections=("articles", "sessions"),
    on_conflict=OnConflict.REPLACE,
    reason="Move the shop (OPS-1312).",
)
OPTIONS = FORM.model_copy(
    update={
        "keys": True,
        "auto_id": AutoId.NEW,
        "start": "at",
        "start_at": 1_793_739_600,
        "zone": "Europe/Berlin",
        "throttle": "5000 20MB",
        "check_source": True,
        "ticket": "OPS-1312",
    }
)
KNOWN = Known(
    warning="Serves the shop.",
    source_place="Organization acme, project search.",
    target_place="Organization acme, project shop.",
    ticket_pattern=r"OPS-\d+",
)
NEW = FORM.model_copy(update={"destination": "new", "new_cluster_name": "shop-2027"})


def _progress(s: Any, copied: int, status: Status = Status.RUNNING, **given: Any) -> Any:
    return progress_message(s.card(status), s.progress(copied, **given), s.now)


def _event(s: Any, name: str, status: Status, actor: str = "U02BOB", **details: Any) -> Any:
    return reply(s.card(status), s.event(name, actor, **details))


def _again(s: Any, status: Status, *, latest: bool) -> Any:
    before = report_message(s.card(Status.MISMATCHED), s.report(Status.MISMATCHED))
    return report_again(s.card(status), content_of(before), latest=latest)


UNDOING = {Status.UNDO_ASKED, Status.UNDOING}
ENDS = tuple(s for s in Status if is_terminal(s) and s not in UNDOING)
ROOTS = {f"root-{status.value}": status for status in Status}
REPORTS = {
    f"report-{status.value}": status
    for status in (Status.SUCCESSFUL, Status.MISMATCHED, Status.FAILED, Status.CANCELED)
}
REPLIES: dict[str, tuple[str, Status]] = {
    "planned": (EventName.PLANNED, Status.AWAITING_APPROVAL),
    "approve": (EventName.APPROVE, Status.QUEUED),
    "reject": (EventName.REJECT, Status.REJECTED),
    "expire": (EventName.EXPIRE, Status.EXPIRED),
    "claim": (EventName.CLAIM, Status.RUNNING),
    "cancel-running": (EventName.CANCEL, Status.RUNNING),
    "cancel-canceled": (EventName.CANCEL, Status.CANCELED),
    "canceled": (EventName.CANCELED, Status.CANCELED),
    "release": (EventName.RELEASE, Status.QUEUED),
    "rescue": (EventName.RESCUE, Status.QUEUED),
    "resume": (EventName.RESUME, Status.QUEUED),
    "fail": (EventName.FAIL, Status.FAILED),
    "succeed": (EventName.SUCCEED, Status.SUCCESSFUL),
    "mismatch": (EventName.MISMATCH, Status.MISMATCHED),
    "repair": (EventName.REPAIR, Status.QUEUED),
    "pause-queued": (EventName.PAUSE, Status.PAUSED),
    "pause-running": (EventName.PAUSE, Status.RUNNING),
    "paused": (EventName.RELEASE, Status.PAUSED),
    "ask-undo": (EventName.ASK_UNDO, Status.UNDO_ASKED),
    "keep": (EventName.KEEP, Status.SUCCESSFUL),
    "undo": (EventName.UNDO, Status.UNDOING),
    "drop": (EventName.DROP, Status.UNDOING),
    "verify": (EventName.VERIFY, Status.QUEUED),
}
REPLIED = {
    (change.event, change.after): change
    for change in changes()
    if change.event is EventName.REOPEN
    or (
        (change.event, change.after) not in REPLIES.values() and change.after is not Status.PLANNING
    )
}.values()
"""The changes that have no case with a name of their own, one for each event and state after it."""


def _refusals(s: Any) -> str:
    """What a person reads whose click or command was refused, by reason."""
    said = {
        reason: refusal(reason, s.card(), by="U02BOB", at=s.now, sentence="A sentence about it")
        for reason in sorted(REASONS)
    }
    return "".join(f"{reason}\n    {text}\n" for reason, text in said.items())


def _undelivered(kind: str, where: str, word: str, **given: bool) -> Callable[[Any], Any]:
    return lambda s: undelivered(s.card().migration.id, kind, where, word, **given)


UNDELIVERED = {
    "uninvited": _undelivered("broadcast", "C0ALARM", "not_in_channel"),
    "unknown": _undelivered("broadcast", "C0ALARM", "channel_not_found"),
    "archived": _undelivered("broadcast", "C0ALARM", "is_archived"),
    "scope": _undelivered("plan", "U02BOB", "missing_scope"),
    "unreached": _undelivered("findings", "U02BOB", ""),
    "left": _undelivered("direct", "U02BOB", "account_inactive"),
    "unmade": _undelivered("direct", "U02BOB", UNMADE),
    "refused": _undelivered("plan", "U02BOB", "file_uploads_disabled", given_up=True),
}

CASES: dict[str, Callable[[Any], Any]] = {
    **{name: lambda s, at=status: root_message(s.card(at)) for name, status in ROOTS.items()},
    **{
        name: lambda s, at=status: report_message(s.card(at), s.report(at))
        for name, status in REPORTS.items()
    },
    **{f"reply-{name}": lambda s, of=of: _event(s, of[0], of[1]) for name, of in REPLIES.items()},
    "reply-phase-verify": lambda s: _event(s, "phase", Status.RUNNING, "worker", phase="verify"),
    "status-running": lambda s: status_message(s.card(Status.RUNNING)),
    "status-awaiting_approval": lambda s: status_message(s.card()),
    "root-replacing": lambda s: root_message(s.replacing()),
    "root-due": lambda s: root_message(s.card(due_at=s.now + timedelta(hours=3))),
    "root-due-queued": lambda s: root_message(_waiting_for_its_time(s)),
    "reply-approve-due": lambda s: reply(
        _waiting_for_its_time(s), s.event(EventName.APPROVE, role="Project Admin")
    ),
    "reply-claim-late": lambda s: reply(*_late_start(s)),
    "progress-due": lambda s: progress_message(
        _waiting_for_its_time(s), s.progress(0, phase="", seconds=0.0), s.now
    ),
    "status-due": lambda s: status_message(_waiting_for_its_time(s)),
    "root-two-approvals": lambda s: root_message(_counted(s)),
    "root-changed": lambda s: root_message(_changed(s)),
    "root-held": lambda s: root_message(_held(s)),
    "root-forced": lambda s: root_message(_forced(s)),
    "reply-counted": lambda s: reply(
        _counted(s), s.event(COUNTED, role="Project Admin", approvals=1, needed=2)
    ),
    "reply-approval-fell": lambda s: reply(_counted(s), s.event(FELL, "ferry", user="U02CAROL")),
    "root-approval-fell": lambda s: root_message(_fell(s)),
    "reply-reminded": lambda s: reply(_counted(s), s.event(REMINDED, "ferry", hours=1.0)),
    "reply-waiting": lambda s: reply(
        s.card(Status.RUNNING),
        s.event(WAITING, "worker", reason="search-2023 did not answer within 60 s"),
    ),
    "reply-not-started": lambda s: reply(
        s.card(Status.QUEUED), s.event(NOT_STARTED, "ferry", error=s.error.model_dump())
    ),
    "reply-undone": lambda s: _event(
        s,
        EventName.UNDONE,
        Status.UNDONE,
        dropped=["a", "b"],
        left=["c"],
        database=True,
    ),
    "reply-remigrated": lambda s: reply(s.card(Status.MISMATCHED), asked_again(s)),
    "reply-undo-left": lambda s: _event(
        s, EventName.UNDO_LEFT, Status.SUCCESSFUL, error=s.error.model_dump()
    ),
    "root-undo-held": lambda s: root_message(s.card(Status.UNDO_ASKED, hold=WHY)),
    "report-outdated": lambda s: _again(s, Status.QUEUED, latest=True),
    "report-again": lambda s: _again(s, Status.MISMATCHED, latest=True),
    "doctor": lambda _: doctor_message(
        [
            Looked("database", "it answers", well=True),
            Looked("cluster b", "No <!here> answer.", well=False),
        ]
    ),
    "reply-held": lambda s: reply(_held(s), s.event(HELD, "ferry", why=WHY)),
    "reply-throttled": lambda s: reply(
        s.card(Status.RUNNING),
        s.event(
            THROTTLED, role="Project Admin", entities_per_second=5_000, megabytes_per_second=20.0
        ),
    ),
    "reply-unthrottled": lambda s: _event(s, THROTTLED, Status.QUEUED),
    "root-throttled": lambda s: root_message(
        s.card(Status.RUNNING, throttle=Throttle(entities_per_second=5_000))
    ),
    "root-options": lambda s: root_message(
        s.card(
            due_at=s.now + timedelta(hours=3),
            expires_at=s.now + timedelta(hours=4),
            throttle=Throttle(entities_per_second=5_000, megabytes_per_second=20.0),
            request=s.request(check_source=True),
        )
    ),
    "progress-throttled": lambda s: _progress(
        s, 12_000, slowed="Throttled by the operator to 5,000 entities/s."
    ),
    "reply-freed": lambda s: _event(s, FREED, Status.QUEUED, "ferry"),
    "reply-forced": lambda s: reply(
        _forced(s), s.event(EventName.APPROVE, break_glass=True, comment="The disk <fails>.")
    ),
    "freeze": lambda s: freeze_message("U02BOB", "Organization Owner", s.now, "Audit & <all>"),
    "thaw": lambda s: thaw_message("U02BOB", "Organization Owner of acme", s.now),
    "break-glass-form": lambda s: break_glass.form(s.replacing(), "C0MIGRATE", "1.2"),
    "break-glass-waiting": lambda _: waiting_modal.waiting(
        break_glass.TITLE, "Slack is asked which roles you have."
    ),
    "break-glass-broadcast": lambda s: break_glass.broadcast(_forced(s), _forced(s).decisions[-1]),
    **{f"undelivered-{name}": of for name, of in UNDELIVERED.items()},
    "root-canceling": lambda s: root_message(_canceling(s)),
    "root-pausing": lambda s: root_message(s.card(Status.RUNNING, pause_requested_at=s.now)),
    "progress-start": lambda s: _progress(s, 0, phase="create", seconds=0.0),
    "progress-estimating": lambda s: _progress(s, 200, seconds=2.0),
    "progress-copying": lambda s: _progress(s, 12_000),
    "progress-verifying": lambda s: _progress(s, 31_000, phase="verify", verified=9_000),
    "root-putting-back": lambda s: root_message(_putting_back(s)),
    "status-putting-back": lambda s: status_message(_putting_back(s)),
    "progress-putting-back": lambda s: progress_message(_putting_back(s), s.progress(), s.now),
    "reply-claim-canceling": lambda s: reply(*_ends_a_cancel(s)),
    "reply-rescue-canceling": lambda s: reply(_putting_back(s), s.event(EventName.RESCUE, "ferry")),
    "progress-canceling": lambda s: progress_message(_canceling(s), s.progress(), s.now),
    "progress-pausing": lambda s: progress_message(
        s.card(Status.RUNNING, pause_requested_at=s.now), s.progress(), s.now
    ),
    "progress-successful": lambda s: _progress(s, 31_000, Status.SUCCESSFUL, verified=31_000),
    "progress-canceled": lambda s: _progress(s, 12_000, Status.CANCELED),
    "modal-empty": lambda _: build(RequestForm(), clusters=CLUSTERS),
    "modal-existing": lambda _: build(FORM, clusters=CLUSTERS, known=KNOWN),
    "modal-new": lambda _: build(NEW, clusters=CLUSTERS),
    "modal-options": lambda _: build(OPTIONS, clusters=CLUSTERS, known=KNOWN),
    "modal-problem": lambda s: build(FORM, clusters=CLUSTERS, problem=s.error),
    "modal-no-clusters": lambda _: build(RequestForm(), clusters=()),
    "modal-failed": lambda s: failed(s.error, FORM),
    "modal-sent": lambda _: sent("M-4K7QX2F", "C0APPROVALS"),
    "home-empty": lambda s: home_view(HomePage(s.now, offered=HEAD, role=ROLE)),
    "home-jobs": lambda s: home_view(jobs_page(s, tuple(Status)[:7])),
    "home-jobs-older": lambda s: home_view(jobs_page(s, tuple(Status)[7:], newer=15, total=28)),
    "home-looking": lambda s: home_view(looking(s)),
    "home-frozen": lambda s: home_view(frozen_home(s)),
    "home-no-match": lambda s: home_view(HomePage(s.now, state=HomeState(status="FAILED"))),
    **{
        f"checklist-{status.value}": lambda s, at=status: checklist_message(s.card(at))
        for status in Status
    },
    "checklist-paused-writes": lambda s: checklist_message(
        s.card(Status.RUNNING, ticks=_ticks(s, Step.PAUSE_WRITES))
    ),
    "checklist-complete": lambda s: checklist_message(
        s.card(Status.SUCCESSFUL, ticks=_ticks(s, *(set(Step) - OWN)))
    ),
    **{
        f"ending-{status.value}": lambda s, at=status: ending_message(s.card(at), LINK)
        for status in ENDS
    },
    "root-frozen": lambda s: root_message(s.card(hold=WHY)),
    **{
        f"reply-{change.event}-{change.after}": lambda s, of=change: reply(
            s.card(of.after), event_of(s, of)
        )
        for change in REPLIED
    },
    **{
        f"progress-{status.value}": lambda s, at=status: _progress(s, 12_000, at)
        for status in (Status.QUEUED, Status.PAUSED, Status.FAILED)
    },
    "progress-mismatched": lambda s: _progress(s, 31_000, Status.MISMATCHED, verified=30_984),
    "plan": lambda s: plan_file(s.replacing(), s.replacing().plan),
    "findings": lambda s: findings_file(s.report(Status.MISMATCHED)),
    "refusals": _refusals,
    **{
        f"report-{status.value}": lambda s, at=status: _again(s, at, latest=True)
        for status in (Status.QUEUED, Status.UNDO_ASKED, Status.UNDOING)
    },
    "jobs": lambda s: jobs_message([s.card(status) for status in Status], 31),
    "jobs-empty": lambda _: jobs_message((), 0),
    "freeze-form": lambda _: freeze_form('{"mine":true}'),
    **{
        f"details-{status.value}": lambda s, at=status: details_view(s.card(at), log(s), LINK)
        for status in Status
    },
}


def _ticks(s: Any, *steps: Step) -> tuple[Tick, ...]:
    return tuple(
        Tick(step=step, user_id="U02BOB", role="Project Admin of acme/search", at=s.now)
        for step in steps
    )


def _waiting_for_its_time(s: Any) -> Any:
    return s.card(Status.QUEUED, due_at=s.now + timedelta(hours=3))


def _late_start(s: Any) -> Any:
    event = s.event(EventName.CLAIM, "worker")
    due = event.at - timedelta(hours=2)
    cleared = due - timedelta(hours=1)
    return s.card(Status.RUNNING, due_at=due, cleared_at=cleared), event


def _counted(s: Any) -> Any:
    expires = s.now + timedelta(hours=4)
    return s.card(
        decisions=s.decisions(Status.QUEUED),
        approvals_needed=2,
        expires_at=expires,
        breakable=True,
    )


def _fell(s: Any) -> Any:
    (decision,) = s.decisions(Status.QUEUED)
    fallen = decision.model_copy(update={"void": "role", "user_id": "U02CAROL"})
    return s.card(decisions=(fallen, decision), approvals_needed=2)


def _changed(s: Any) -> Any:
    (decision,) = s.decisions(Status.QUEUED)
    changes = ("articles: the field “title” is gone.", "articles: 10,000 → 10,412 entities.")
    return s.card(decisions=(decision.model_copy(update={"void": "plan"}),), changes=changes)


def _held(s: Any) -> Any:
    return s.card(Status.QUEUED, hold=WHY)


def _forced(s: Any) -> Any:
    (decision,) = s.decisions(Status.QUEUED)
    forced = decision.model_copy(update={"verdict": "forced", "comment": "The disk <fails>."})
    return s.card(Status.QUEUED, decisions=(forced,), approvals_needed=2)


def _putting_back(s: Any) -> Any:
    asked = {"cancel_requested_at": s.now - timedelta(hours=1), "cancel_requested_by": "U03CAROL"}
    return s.card(Status.QUEUED, started_at=s.now - timedelta(hours=2), **asked)


def _ends_a_cancel(s: Any) -> Any:
    event = s.event(EventName.CLAIM, "worker")
    return _putting_back(s), event.model_copy(update={"from_status": Status.QUEUED})


def _canceling(s: Any) -> Any:
    asked = {"cancel_requested_at": s.now, "cancel_requested_by": "U03CAROL"}
    return s.card(Status.RUNNING, **asked)


@pytest.mark.parametrize("name", CASES)
def test_a_view_is_drawn_as_it_was_looked_at(
    name: str, samples: Any, golden: Callable[..., None], accepted: Callable[..., None]
) -> None:
    """The rendering equals the kept one, and Slack would accept it."""
    rendered = CASES[name](samples)
    accepted(rendered)
    golden(name, rendered)


def test_no_golden_file_is_left_over() -> None:
    """Every kept rendering belongs to a case, so that none is trusted that nobody compares."""
    assert {file.stem for file in GOLDEN.iterdir()} <= set(CASES)


def test_golden_files_are_not_renewed_in_ci() -> None:
    """CI compares: a run that would write the files it checks is refused."""
    in_ci = os.environ.get("CI") or os.environ.get("FERRY_REQUIRE_ALL") == "1"
    assert not (in_ci and os.environ.get("FERRY_UPDATE_GOLDEN"))
