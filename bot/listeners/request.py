"""The request modal: it reshapes itself, offers what there is, and is recorded when it is sent.

What can be known within the time that Slack gives is an error at its field. The rest is found out by the planning of the request,
which is in the ledger before the form says so: whatever dies then, the requester is told how it went. How the form reshapes
itself is in `reshaping.py`.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from slack_bolt import Ack, App, BoltContext
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError

from bot import answers, intake
from bot.approvals import Reason
from bot.intake import UNANSWERED
from bot.listeners import reshaping
from bot.listeners.desk import Desk
from bot.listeners.latest import Latest
from bot.service import Answer
from bot.views import request_modal
from bot.views import text as t
from bot.views.request_modal import Field, RequestForm
from engine.errors import FerryError
from engine.lifecycle import Status
from engine.model import Migration

AFTER_ACK_SECONDS: Final = 0.4
"""A failure may not overtake the acknowledgement that shows "Requested": Slack applies both in the order in which they arrive."""
_ROLES_UNKNOWN: Final = "Slack has not said yet who has which role. Nothing was requested. Press the button again in a moment."

_log = structlog.get_logger(__name__)


def register(app: App, desk: Desk) -> None:
    """Listen for everything that the modal sends."""
    lists: dict[Field, Callable[[RequestForm], Sequence[str]]] = {
        Field.SOURCE_DATABASE: lambda form: desk.sources.databases(form.source),
        Field.COLLECTIONS: lambda form: desk.sources.collections(form.source, form.source_database),
    }

    latest = Latest()
    for field, names in lists.items():
        app.options(field.value)(_offering(names))
    for field in (Field.SOURCE, Field.TARGET):
        app.options(field.value)(_offering_clusters(desk))
    for field in request_modal.RESHAPES:
        app.action(field.value)(reshaping.listener(desk, field, latest))

    @app.action(request_modal.BACK)
    def back(ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        ack()
        form = request_modal.parse(body["view"])
        client.views_update(view_id=body["view"]["id"], view=reshaping.form_view(desk, form))

    @app.view(request_modal.CALLBACK_ID)
    def sent(ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        latest.happened(body["view"]["id"], time.time())
        form = request_modal.parse(body["view"])
        problems = intake.problems(form, desk.settings, datetime.now(UTC))
        made = problems or _recorded(desk, body["user"]["id"], form, context["delivery"])
        if not isinstance(made, Migration):
            ack(response_action="errors", errors=request_modal.error_blocks(body["view"], made))
            return
        channel = desk.settings.approvals_channel
        ack(response_action="update", view=request_modal.sent(made.id, channel))
        _follow(desk, client, body["view"]["id"], form, made.id)


def _offering(names: Callable[[RequestForm], Sequence[str]]) -> Callable[..., None]:
    """A listener for the options of one select."""

    def offer(ack: Ack, payload: dict[str, Any], body: dict[str, Any]) -> None:
        form = request_modal.parse(body.get("view") or {})
        try:
            found = names(form)
        except FerryError as error:
            ack(options=[_unanswered(error)])
            return
        ack(options=request_modal.options(found, str(payload.get("value") or "")))

    return offer


def _offering_clusters(desk: Desk) -> Callable[..., None]:
    """A listener for the options of a cluster's select: under organization and project, where there are several of them."""

    def offer(ack: Ack, payload: dict[str, Any]) -> None:
        places, typed = desk.sources.places(), str(payload.get("value") or "")
        groups = request_modal.option_groups(places, typed)
        if len(places) > 1 and groups:
            ack(option_groups=groups)
            return
        ack(options=request_modal.options(desk.sources.clusters(), typed))

    return offer


def _unanswered(error: FerryError) -> dict[str, Any]:
    """An option that only says why there is nothing to choose; sent, it is an error at its field."""
    text = {"type": "plain_text", "text": t.shorten(error.message, 75), "emoji": False}
    return {"text": text, "value": UNANSWERED}


def _recorded(
    desk: Desk, user_id: str, form: RequestForm, delivery: str
) -> Migration | dict[Field, str]:
    """The request in the ledger, also when this delivery of the form is not the first; or what is wrong, at its field."""

    def ask() -> tuple[intake.Asked, Answer]:
        named = form.model_copy(update={"collections": _real_collections(desk, form)})
        asked = intake.asked(named, desk.settings)
        return asked, desk.service.may_request(user_id, asked.request)

    try:
        known = desk.sources.within(ask)
        if known is None:
            return {Field.SOURCE: _ROLES_UNKNOWN}
        asked, allowed = known
        answer = desk.service.request(
            user_id,
            asked.request,
            reason=form.reason.strip(),
            ticket=form.ticket.strip(),
            due_at=asked.due_at,
            throttle=asked.throttle,
            delivery=delivery,
            allowed=allowed,
        )
    except FerryError as error:
        return {Field.SOURCE: t.shorten(str(error), 300)}
    if answer.migration and (answer.done or answer.reason is Reason.DUPLICATE):
        return answer.migration
    return {Field.SOURCE: answers.at_field(answer)}


def _follow(
    desk: Desk, client: WebClient, view_id: str, form: RequestForm, migration_id: str
) -> None:
    """Show in the open modal, with a way back to the form, that there is no plan; the narrator tells it in any case."""

    def then() -> None:
        migration = desk.cards.card(migration_id).migration
        if migration.status is not Status.FAILED or migration.error is None:
            return
        try:
            client.views_update(view_id=view_id, view=request_modal.failed(migration.error, form))
        except (SlackClientError, OSError) as error:
            _log.info("modal_gone", migration=migration_id, error=str(error))

    desk.soon(lambda: desk.when_planned(migration_id, then), after_seconds=AFTER_ACK_SECONDS)


def _real_collections(desk: Desk, form: RequestForm) -> tuple[str, ...]:
    """The chosen names; those too long for Slack are looked up in the source."""
    short = all(
        request_modal.option_value(name) == name and "…#" not in name for name in form.collections
    )
    if short:
        return form.collections
    known = desk.sources.collections(form.source, form.source_database)
    return request_modal.real_names(form.collections, known)
