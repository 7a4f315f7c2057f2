"""Examples of the Home tab and of a log, for the golden files."""

from typing import Any

from bot import jobs
from bot.notes import FREED, HELD, WAITING
from bot.views import freeze, home
from bot.views.home import Frozen, HomePage, HomeState, Job, Notice
from engine.lifecycle import EventName, Status

WHY = "<@U02BOB> has frozen all migrations since 2026-11-03 09:00 UTC: audit of <all>"
ACTS = tuple(jobs.RIGHTS)
HEAD = (home.NEW_REQUEST, freeze.FREEZE)
ROLE = "You are Project Admin of acme/search."
LINK = "https://acme.slack.com/archives/C0MIGRATE/p1700000000000100"


def jobs_page(s: Any, statuses: tuple[Status, ...], **given: Any) -> HomePage:
    """A page of jobs in these states, with all that its reader may do."""
    named = zip("FGHJKMNPQRSTVWXYZ", statuses, strict=False)
    listed = tuple(Job(s.card(status, id=f"M-4K7QX2{last}"), ACTS) for last, status in named)
    values: dict[str, Any] = {"total": len(listed), "offered": HEAD, "role": ROLE}
    return HomePage(s.now, listed, **(values | given))


def looking(s: Any) -> HomePage:
    """What somebody without a role sees, with every filter set."""
    return HomePage(
        s.now,
        (Job(s.card(Status.RUNNING)),),
        HomeState(status="IN PROGRESS", mine=True, target="staging"),
        total=1,
        role="You may look. To request or change something takes Organization Owner or Project Admin: ask #data-platform.",
    )


def frozen_home(s: Any) -> HomePage:
    """A freeze of a person and one of the configuration, and the answer to a click."""
    card = s.card(Status.RUNNING)
    return HomePage(
        s.now,
        (Job(card, ACTS),),
        total=1,
        freeze=Frozen("U02BOB", "Organization Owner of acme", s.now, "Audit & <all>"),
        windows=(":snowflake: `staging` is frozen by configuration until 18:00: inventory",),
        offered=(home.NEW_REQUEST, freeze.THAW),
        role="You are Organization Owner of acme.",
        notice=Notice("It cannot be paused: it has already failed.", card.migration.id),
    )


def log(s: Any) -> list[Any]:
    """What happens to a migration, with a wait that was noted again and again."""
    return [
        s.event("requested", "U01ALICE"),
        s.event(EventName.PLANNED, "ferry"),
        s.event(HELD, "ferry", why=WHY),
        s.event(FREED, "ferry"),
        s.event(EventName.APPROVE, "U02BOB", role="Project Admin", comment="Go <now>."),
        s.event(EventName.CLAIM, "host:1:boot:0"),
        s.event("phase", "host:1:boot:0", phase="copy"),
        *[s.event(WAITING, "host:1:boot:0", reason="staging did not answer")] * 3,
        s.event("refused", "U09EVE", act="cancel", reason="no_role"),
        s.event(EventName.FAIL, "host:1:boot:0", error=s.error.model_dump()),
    ]
