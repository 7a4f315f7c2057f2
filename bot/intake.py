"""What the request form says, as a request, or what is wrong with it field by field; pure, at once, without asking any cluster."""

from typing import Final, NamedTuple

from bot.settings import Settings
from bot.views.request_modal import Field, RequestForm
from engine.errors import ConfigurationInvalid
from engine.model import Endpoint, Request

UNANSWERED: Final = "!unanswered"
"""The value of an option that only says that a cluster does not answer; no database or collection is called so."""

DEFAULT_DATABASE: Final = "default"


class Asked(NamedTuple):
    """A form as a request; `new_target` says that the target cluster does not exist yet."""

    request: Request
    new_target: bool


def problems(form: RequestForm, settings: Settings) -> dict[Field, str]:
    """What has to be corrected before the form is a request, plain text by field; empty when nothing has."""
    found: dict[Field, str] = {}
    if form.source not in settings.clusters:
        found[Field.SOURCE] = "Choose the cluster to read from."
    if not form.source_database or form.source_database == UNANSWERED:
        found[Field.SOURCE_DATABASE] = "Choose the database to migrate."
    if UNANSWERED in form.collections:
        found[Field.COLLECTIONS] = "Choose collections, or none for all of them."
    found |= _of_target(form, settings)
    if not found:
        found = _of_places(form, settings)
    return found


def asked(form: RequestForm, settings: Settings) -> Asked:
    """The request that a form without problems makes; raises ConfigurationInvalid where it has some."""
    source = settings.endpoint(form.source, form.source_database)
    return Asked(
        Request(
            source=source,
            target=_target(form, settings),
            collections=tuple(sorted(form.collections)),
            on_conflict=form.on_conflict,
        ),
        form.destination == "new",
    )


def warning(form: RequestForm, settings: Settings) -> str:
    """The warning of the target that is chosen so far, or nothing."""
    if form.destination == "new":
        return settings.new_clusters.warning if settings.new_clusters else ""
    known = settings.clusters.get(form.target)
    return known.warning if known else ""


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
