"""How the request form reshapes itself: after a choice, when it is opened filled in, and when a cluster answers late.

Slack keeps what was typed as long as a field keeps its ids. A drawing that is overtaken by another choice is left out, because that
choice draws all of it. Nothing is requested here, and no cluster is waited for longer than `Sources` does.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from slack_bolt import Ack
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot import intake
from bot.listeners.desk import Desk, at_leisure
from bot.listeners.latest import Latest
from bot.views import request_modal
from bot.views.request_modal import Field, RequestForm
from engine.errors import FerryError, InputRejected, ServiceUnavailable
from engine.model import ErrorText

_OVERTAKEN: Final = frozenset({"hash_conflict", "not_found"})
"""Another choice has reshaped the form; a closed form needs no shape."""

_log = structlog.get_logger(__name__)


def form_view(desk: Desk, form: RequestForm, problem: FerryError | None = None) -> dict[str, Any]:
    """The form as it is drawn for what is chosen so far."""
    return request_modal.build(
        form,
        clusters=desk.sources.clusters(),
        known=intake.known(form, desk.settings),
        problem=ErrorText(**problem.parts) if problem else "",
    )


def open_form(desk: Desk, client: WebClient, trigger_id: str, form: RequestForm) -> None:
    """Open the form, for which Slack takes the trigger for three seconds; what the clusters say of it is drawn afterwards."""
    waiting = form.model_copy(update={"unanswered": bool(form.source)})
    opened = client.views_open(trigger_id=trigger_id, view=form_view(desk, waiting))
    if form.source:
        desk.soon(lambda: _draw_again(desk, client, dict(opened["view"]), waiting))


def listener(desk: Desk, field: Field, latest: Latest) -> Callable[..., None]:
    """A listener for a choice that changes the form's shape."""

    def reshape(ack: Ack, action: dict[str, Any], body: dict[str, Any], client: WebClient) -> None:
        ack()
        view, at = body["view"], float(action["action_ts"])
        latest.happened(view["id"], at)
        form = _without_old(request_modal.parse(view), field)
        form, problem = _informed(
            desk, _timed(desk, body["user"]["id"], form), ask=field is Field.SOURCE
        )
        new = form_view(desk, form, problem)

        def draw() -> None:
            shown = _put(client, view, new)
            if shown is None and latest.is_last(view["id"], at):
                # The choice before was drawn after this one was made, which holds that one too.
                shown = _put(client, {**view, "hash": None}, new)
            if shown:
                _follow(desk, client, shown, form, problem)

        at_leisure(desk, draw)

    return reshape


def _put(client: WebClient, view: dict[str, Any], new: dict[str, Any]) -> dict[str, Any] | None:
    """Show the form as it is now; None when it is closed, or was drawn anew since `view` with its hash."""
    try:
        answer = client.views_update(view_id=view["id"], hash=view["hash"], view=new)
    except SlackApiError as error:
        if error.response.get("error") not in _OVERTAKEN:
            raise
        _log.debug("reshape_overtaken", error=error.response.get("error"))
        return None
    return dict(answer["view"])


def _follow(
    desk: Desk,
    client: WebClient,
    shown: dict[str, Any],
    form: RequestForm,
    problem: FerryError | None,
) -> None:
    """Have it drawn once more when a cluster has said what is not known yet."""

    def then() -> None:
        desk.soon(lambda: _draw_again(desk, client, shown, form))

    if isinstance(problem, ServiceUnavailable):
        desk.sources.when_databases_known(form.source, then)
    chosen = intake.places_chosen(form, desk.settings)
    if chosen is None:
        return
    questioned = desk.sources.keys_in_question(chosen)
    if questioned is None:
        desk.sources.when_keys_known(chosen, then)
    elif intake.has_keys_in_question(form, questioned) is not form.keys:
        then()  # it was answered while this was drawn


def _draw_again(desk: Desk, client: WebClient, shown: dict[str, Any], form: RequestForm) -> None:
    """Draw what a cluster said meanwhile, unless the person has gone on or nothing is different."""
    now, problem = _informed(desk, form, ask=form.unanswered)
    redrawn = shown
    if now != form or problem is not None:
        put = _put(client, shown, form_view(desk, now, problem))
        if put is None:
            return
        redrawn = put
    _follow(desk, client, redrawn, now, problem)


def _without_old(form: RequestForm, field: Field) -> RequestForm:
    """The form without what belonged to the choice before."""
    if field is Field.SOURCE:
        return form.model_copy(update={"source_database": "", "collections": ()})
    if field is Field.SOURCE_DATABASE:
        return form.model_copy(update={"collections": ()})
    return form


def _timed(desk: Desk, user_id: str, form: RequestForm) -> RequestForm:
    """With a time to begin with, and the person's time zone, where it is to start at a time."""
    if form.start != "at":
        return form
    at = form.start_at or intake.proposed_start(form, desk.settings, datetime.now(UTC))
    zone = form.zone or desk.sources.within(lambda: desk.service.zone_of(user_id)) or ""
    return form.model_copy(update={"start_at": at, "zone": zone})


def _informed(desk: Desk, form: RequestForm, *, ask: bool) -> tuple[RequestForm, FerryError | None]:
    """The form with what the clusters say of it.

    Args:
        desk: For the clusters.
        form: What is chosen.
        ask: Whether the source is asked for its databases; why it does not answer comes back with the form.
    """
    problem: FerryError | None = None
    if ask:
        form, problem = _with_database(desk, form)
    chosen = intake.places_chosen(form, desk.settings)
    questioned = desk.sources.keys_in_question(chosen) if chosen else None
    keys = intake.has_keys_in_question(form, questioned or ())
    return form.model_copy(update={"keys": keys}), problem


def _with_database(desk: Desk, form: RequestForm) -> tuple[RequestForm, FerryError | None]:
    """With its database filled in when the source has one only; and why it does not answer, or that it has no such database."""
    try:
        databases = desk.sources.databases(form.source)
    except FerryError as error:
        return form.model_copy(update={"unanswered": True}), error
    chosen = form.source_database or (databases[0] if len(databases) == 1 else "")
    known = form.model_copy(update={"unanswered": False, "source_database": chosen})
    if not chosen or chosen in databases:
        return known, None
    missing = InputRejected(
        f"There is no database “{chosen}” on {form.source}.",
        state="Nothing was requested.",
        next_step=f"Choose one of those that are there: {', '.join(databases)}.",
    )
    return known.model_copy(update={"source_database": ""}), missing
