"""What one person sees on their Home tab: a page of the jobs, the freeze, and the acts that their role allows.

It only reads. The roles here decide what is offered, not what may be done: at the click they are asked again, by the service.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType
from typing import Final

import structlog

from bot import approvals
from bot.approvals import Standing, Verdict
from bot.cards import Cards
from bot.directory import Directory
from bot.ledger import BotLedger
from bot.settings import Place, Settings
from bot.views import buttons, freeze, home
from bot.views import text as t
from bot.views.home import Frozen, HomePage, HomeState, Job, Notice
from engine.errors import ConfigurationInvalid, ServiceUnavailable
from engine.ledger import JobFilter, Ledger, utc_now
from engine.model import Migration

_Right = Callable[[Standing, tuple[Place, ...], Migration], Verdict]


def _any_may(right: Callable[[Standing, tuple[Place, ...], str], Verdict]) -> _Right:
    return lambda person, places, migration: right(person, places, migration.requester)


RIGHTS: Final[Mapping[str, _Right]] = MappingProxyType(
    {
        buttons.CANCEL: _any_may(approvals.may_cancel),
        buttons.PAUSE: _any_may(approvals.may_pause),
        buttons.RESUME: lambda person, places, _: approvals.may_resume(person, places),
        buttons.REPAIR: lambda person, places, _: approvals.may_resume(person, places),
        buttons.VERIFY: lambda person, places, _: approvals.may_resume(person, places),
        buttons.REMIGRATE: lambda person, places, _: approvals.may_request(person, places),
        buttons.UNDO: lambda person, places, _: approvals.may_undo(person, places),
    }
)
"""Who is offered what in the list. A request is decided where its plan stands, so approvals are not here."""
STOPS: Final = frozenset({buttons.CANCEL, buttons.PAUSE})
"""What only stops a migration: possible also where a cluster of it is configured no longer."""

_log = structlog.get_logger(__name__)


class Jobs:
    """Reads pages.

    Args:
        settings: Projects, and what configuration freezes.
        ledger: The jobs.
        records: The freeze.
        directory: The reader's roles.
        cards: Makes a job's card.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        records: BotLedger,
        directory: Directory,
        cards: Cards,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._records = records
        self._directory = directory
        self._cards = cards

    def page(self, user_id: str, state: HomeState, notice: Notice | None = None) -> HomePage:
        """The page that a person looks at, with what they may do; a page that is empty by now is the first one."""
        wanted = _wanted(user_id, state)
        found = self._ledger.jobs(wanted, limit=home.JOBS, before=state.before)
        if not found.migrations and state.before:
            state = state.model_copy(update={"before": ""})
            found = self._ledger.jobs(wanted, limit=home.JOBS)
        person = self._standing(user_id)
        frozen = self._records.open_freeze()
        return HomePage(
            at=utc_now(),
            jobs=tuple(self._job(each, person) for each in found.migrations),
            state=state,
            newer=found.newer,
            total=found.total,
            freeze=Frozen(frozen.by, frozen.role, frozen.at, frozen.reason) if frozen else None,
            windows=self._windows(utc_now()),
            offered=_offered(person, frozen.by if frozen else None),
            role=self._role(person),
            notice=notice,
        )

    def above(self, user_id: str, state: HomeState) -> HomeState:
        """The state of the page above."""
        wanted = _wanted(user_id, state)
        before = self._ledger.page_above(wanted, limit=home.JOBS, before=state.before)
        return state.model_copy(update={"before": before})

    def targets(self, typed: str) -> tuple[str, ...]:
        """The clusters that jobs write to and whose names contain what was typed, at most 99."""
        return self._ledger.targets(typed, limit=99)

    def _job(self, migration: Migration, person: Standing | None) -> Job:
        card = self._cards.listed(migration)
        if person is None:
            return Job(card)
        offered = _allowed(STOPS, person, self._cards.places_left(migration), migration)
        with suppress(ConfigurationInvalid):  # nobody has a role for a cluster that is not there
            offered |= _allowed(RIGHTS.keys(), person, self._cards.places(migration), migration)
        return Job(card, offered)

    def _standing(self, user_id: str) -> Standing | None:
        """The reader's roles, or None while Slack does not tell them."""
        try:
            return self._directory.standing(user_id, self._settings.places)
        except ServiceUnavailable as error:
            _log.warning("roles_unknown", user=user_id, error=str(error))
            return None

    def _role(self, person: Standing | None) -> str:
        if person is None:
            return ":warning: Slack does not say at the moment which roles you have, so nothing is offered. Refresh in a minute."
        if person.roles:
            return f"You are {t.escape(approvals.describe(person, person.roles))}."
        contact = t.keep_mentions(self._settings.contact)
        return f"You may look. To request or change something takes Organization Owner or Project Admin: ask {contact}."

    def _windows(self, now: datetime) -> tuple[str, ...]:
        """The clusters on which configuration lets nothing start now."""
        found = {
            name: self._settings.policy_of(self._settings.endpoint(name)).window_at(now)
            for name in sorted(self._settings.clusters)
        }
        return tuple(
            f":snowflake: {t.code(name)} is frozen by configuration until {t.when(window[1])}"
            + (f": {t.clip(t.prose(window[0].reason), 200)}" if window[0].reason else "")
            for name, window in found.items()
            if window
        )


def _allowed(
    acts: Collection[str], person: Standing, places: tuple[Place, ...], migration: Migration
) -> frozenset[str]:
    return frozenset(act for act in acts if RIGHTS[act](person, places, migration).allowed)


def _wanted(user_id: str, state: HomeState) -> JobFilter:
    return JobFilter(state.statuses, user_id if state.mine else "", state.target)


def _offered(person: Standing | None, frozen_by: str | None) -> Collection[str]:
    """What of the head of the tab the reader is offered."""
    if person is None or not person.roles:
        return ()
    if frozen_by is None:
        return (home.NEW_REQUEST, freeze.FREEZE)
    may_end = approvals.may_thaw(person, frozen_by).allowed
    return (home.NEW_REQUEST, freeze.THAW) if may_end else (home.NEW_REQUEST,)
