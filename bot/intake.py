"""What the request form says, as a request, or what is wrong with it field by field; pure, at once, without asking any cluster."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot import throttles
from bot.settings import Place, Policy, Settings
from bot.views.request_modal import Field, Known, RequestForm
from engine.errors import ConfigurationInvalid, InputRejected
from engine.model import AutoId, Endpoint, Request, Throttle

UNANSWERED: Final = "!unanswered"
"""The value of an option that only says that a cluster does not answer; no database or collection is called so."""

DEFAULT_DATABASE: Final = "default"

_SOON: Final = timedelta(minutes=30)
"""A start that is proposed leaves others at least this long to approve it."""
_HOUR: Final = timedelta(hours=1)


class Asked(NamedTuple):
    """A form as a request.

    Attributes:
        request: What is asked for.
        new_target: The target cluster does not exist yet.
        due_at: When it is to start (aware, UTC); None for at once.
        throttle: What its copy is limited to from the beginning.
    """

    request: Request
    new_target: bool
    due_at: datetime | None = None
    throttle: Throttle | None = None


def problems(form: RequestForm, settings: Settings, now: datetime) -> dict[Field, str]:
    """What has to be corrected before the form is a request, plain text by field; empty when nothing has."""
    found: dict[Field, str] = {}
    if form.source not in settings.clusters:
        found[Field.SOURCE] = "Choose the cluster to read from."
    if not form.source_database or form.source_database == UNANSWERED:
        found[Field.SOURCE_DATABASE] = "Choose the database to migrate."
    if UNANSWERED in form.collections:
        found[Field.COLLECTIONS] = "Choose collections, or none for all of them."
    found |= _of_target(form, settings)
    found |= _of_start(form, policy(form, settings), now)
    found |= _of_throttle(form)
    found |= _of_ticket(form, policy(form, settings))
    if not found:
        found = _of_places(form, settings)
    return found


def asked(form: RequestForm, settings: Settings) -> Asked:
    """The request that a form without problems makes; raises ConfigurationInvalid where it has some."""
    source = settings.endpoint(form.source, form.source_database)
    request = Request(
        source=source,
        target=_target(form, settings),
        collections=tuple(sorted(form.collections)),
        on_conflict=form.on_conflict,
        auto_id=form.auto_id if form.keys else AutoId.KEEP,
        check_source=form.check_source,
    )
    return Asked(
        request,
        form.destination == "new",
        datetime.fromtimestamp(form.start_at or 0, UTC) if form.start == "at" else None,
        throttles.parsed(form.throttle) if form.throttle.strip() else None,
    )


def places_chosen(form: RequestForm, settings: Settings) -> Request | None:
    """Source and target as far as they decide what becomes of keys; None while one of them is not chosen."""
    if form.source not in settings.clusters or form.source_database in {"", UNANSWERED}:
        return None
    source = settings.endpoint(form.source, form.source_database)
    if form.destination == "existing":
        if form.target not in settings.clusters:
            return None
        return Request(source=source, target=settings.endpoint(form.target))
    if settings.new_clusters is None:
        return None
    # Any name does: all new clusters are of one kind.
    path = settings.new_clusters.folder.absolute() / "new.db"
    return Request(source=source, target=Endpoint(name="new", uri=str(path)))


def has_keys_in_question(form: RequestForm, questioned: Sequence[str]) -> bool:
    """Whether one of the chosen collections is among those for which `auto_id` makes a difference."""
    return bool(questioned) and (
        not form.collections or not set(form.collections).isdisjoint(questioned)
    )


def proposed_start(form: RequestForm, settings: Settings, now: datetime) -> int:
    """A time to begin with: the next full hour that is not too soon, or the end of the freeze that it falls into."""
    at = (now + _SOON + _HOUR).replace(minute=0, second=0, microsecond=0)
    window = policy(form, settings).window_at(at)
    return int((window[1] if window else at).timestamp())


def policy(form: RequestForm, settings: Settings) -> Policy:
    """The policy of the target that is chosen so far."""
    if form.destination == "new":
        own = settings.new_clusters.policy if settings.new_clusters else None
    else:
        known = settings.clusters.get(form.target)
        own = known.policy if known else None
    return settings.policy.changed_by(own)


def known(form: RequestForm, settings: Settings) -> Known:
    """What configuration says of the choices so far, for the form."""
    source, target = settings.clusters.get(form.source), settings.clusters.get(form.target)
    made = settings.new_clusters
    there = made if form.destination == "new" else target
    return Known(
        warning=there.warning if there else "",
        new_clusters=made is not None,
        source_place=_place(source.place) if source else "",
        target_place=_place(there.place) if there else "",
        ticket_pattern=policy(form, settings).ticket_pattern,
    )


def _place(place: Place) -> str:
    return f"Organization {place.organization}, project {place.project}."


def _of_target(form: RequestForm, settings: Settings) -> dict[Field, str]:
    if form.destination == "existing":
        if form.target in settings.clusters:
            return {}
        return {Field.TARGET: "Choose the cluster to write to."}
    try:
        settings.new_endpoint(form.new_cluster_name)
    except ConfigurationInvalid as error:
        return {Field.NEW_CLUSTER_NAME: f"{error.message} {error.next_step}"}
    return {}


def _of_start(form: RequestForm, policy: Policy, now: datetime) -> dict[Field, str]:
    if form.start != "at":
        return {}
    if form.start_at is None:
        return {Field.START_AT: "Choose the day and the time at which it is to start."}
    wrong = _wrong_start(datetime.fromtimestamp(form.start_at, UTC), policy, now, _zone(form))
    return {Field.START_AT: wrong} if wrong else {}


def _wrong_start(at: datetime, policy: Policy, now: datetime, zone: ZoneInfo) -> str:
    """Why it cannot start then, in the person's own time; "" when it can."""

    def told(moment: datetime) -> str:
        return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M} ({zone.key})"

    if at <= now:
        return f"That is in the past: it is {told(now)}. Choose a later time."
    window = policy.window_at(at)
    if window is None:
        return ""
    because = f": {window[0].reason}" if window[0].reason else ""
    return (
        f"Nothing starts on this target then: it is frozen until {told(window[1])}{because}. "
        "Choose a time after that."
    )


def _zone(form: RequestForm) -> ZoneInfo:
    """The person's time zone, as Slack told it when the field was drawn; UTC where it is not known."""
    try:
        return ZoneInfo(form.zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _of_throttle(form: RequestForm) -> dict[Field, str]:
    if not form.throttle.strip():
        return {}
    try:
        throttles.parsed(form.throttle)
    except InputRejected as error:
        return {Field.THROTTLE: f"{error.message} {error.next_step}"}
    return {}


def _of_ticket(form: RequestForm, policy: Policy) -> dict[Field, str]:
    if not policy.ticket_pattern or policy.ticket_in(form.ticket):
        return {}
    return {Field.TICKET: f"This target needs a ticket that matches {policy.ticket_pattern}"}


def _of_places(form: RequestForm, settings: Settings) -> dict[Field, str]:
    request = asked(form, settings).request
    same = (request.source.uri, request.source.database) == (
        request.target.uri,
        request.target.database,
    )
    if not same:
        return {}
    text = "Source and target are the same database. Choose another cluster or another target database."
    return {Field.TARGET: text}


def _target(form: RequestForm, settings: Settings) -> Endpoint:
    database = form.target_database.strip() or form.source_database or DEFAULT_DATABASE
    if form.destination == "existing":
        return settings.endpoint(form.target, database)
    return settings.new_endpoint(form.new_cluster_name).model_copy(update={"database": database})
