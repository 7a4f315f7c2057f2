"""The request modal: it reshapes itself, offers what there is, and is checked when it is sent.

What can be known at once is an error at its field. Whether the clusters answer is found out afterwards, behind a view that says
so, and nothing here waits for them before it has acknowledged. How the form reshapes itself is in `reshaping.py`.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from slack_bolt import Ack, App, BoltContext
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot import answers, intake
from bot.intake import UNANSWERED
from bot.listeners import reshaping
from bot.listeners.desk import Desk, direct
from bot.listeners.latest import Latest
from bot.views import request_modal
from bot.views import text as t
from bot.views.request_modal import Field, RequestForm
from engine.errors import FerryError
from engine.model import ErrorText

AFTER_ACK_SECONDS: Final = 0.4
"""A result may not overtake the acknowledgement that shows "Checking": Slack applies both in the order in which they arrive."""

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
        problems = problems or _refused(desk, body["user"]["id"], form)
        if problems:
            errors = request_modal.error_blocks(body["view"], problems)
            ack(response_action="errors", errors=errors)
            return
        ack(response_action="update", view=request_modal.working(form))
        user_id, view_id, delivery = body["user"]["id"], body["view"]["id"], context["delivery"]

        def finish() -> None:
            view, said = _checked(desk, user_id, form, delivery)
            _show(client, user_id, view_id, view, said)

        desk.soon(finish, after_seconds=AFTER_ACK_SECONDS)


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


def _refused(desk: Desk, user_id: str, form: RequestForm) -> dict[Field, str]:
    """What policy and roles say against it, at its field; nothing of roles while Slack does not tell them in time."""
    request = intake.asked(form, desk.settings).request
    answer = desk.sources.within(lambda: desk.service.may_request(user_id, request))
    if answer is None or answer.done:
        return {}
    desk.service.note_refused_request(user_id, request, answer)
    return {Field.SOURCE: answers.at_field(answer)}


def _checked(
    desk: Desk, user_id: str, form: RequestForm, delivery: str
) -> tuple[dict[str, Any], str]:
    """Ask the clusters, then record the request; the view that says how it went, and the same as text."""
    try:
        named = form.model_copy(update={"collections": _real_collections(desk, form)})
        asked = intake.asked(named, desk.settings)
        desk.service.check(asked.request, new_target=asked.new_target)
        answer = desk.service.request(
            user_id,
            asked.request,
            reason=form.reason.strip(),
            ticket=form.ticket.strip(),
            due_at=asked.due_at,
            throttle=asked.throttle,
            delivery=delivery,
        )
    except FerryError as error:
        return _failed(ErrorText(**error.parts), form)
    if answer.done and answer.migration is not None:
        channel = desk.settings.approvals_channel
        said = f"Requested as {t.code(answer.migration.id)}; the plan comes to <#{channel}>."
        return request_modal.sent(answer.migration.id, channel), said
    return _failed(answers.in_modal(answer), form)


def _failed(why: ErrorText, form: RequestForm) -> tuple[dict[str, Any], str]:
    said = t.joined((why.message, why.state, why.next_step))
    return request_modal.failed(why, form), f"Your request was not made. {t.escape(said)}"


def _real_collections(desk: Desk, form: RequestForm) -> tuple[str, ...]:
    """The chosen names; those too long for Slack are looked up in the source."""
    short = all(
        request_modal.option_value(name) == name and "…#" not in name for name in form.collections
    )
    if short:
        return form.collections
    known = desk.sources.collections(form.source, form.source_database)
    return request_modal.real_names(form.collections, known)


def _show(client: WebClient, user_id: str, view_id: str, view: dict[str, Any], said: str) -> None:
    """Put the result into the modal, or into a direct message when the modal was closed meanwhile."""
    try:
        client.views_update(view_id=view_id, view=view)
    except SlackApiError as error:
        _log.info("modal_gone", user=user_id, error=error.response.get("error"))
        direct(client, user_id, said)
