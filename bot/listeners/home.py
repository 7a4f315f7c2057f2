"""The Home tab: the jobs as they are when it is opened or something is clicked on it, and what became of the click.

Filters and page are read from the view that was clicked, so a bot that was started since goes on with them.
"""

import time
from collections.abc import Callable
from typing import Any

import structlog
from slack_bolt import Ack, App, BoltContext
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError

from bot import answers
from bot.approvals import Reason
from bot.listeners.command import open_form
from bot.listeners.desk import Desk, at_leisure, direct
from bot.listeners.latest import Latest
from bot.service import Answer
from bot.views import freeze, home
from bot.views.home import HomeState, Notice

EVENT = "app_home_opened"

_log = structlog.get_logger(__name__)


def register(app: App, desk: Desk) -> None:
    """Listen for the tab and what stands on it."""
    latest = Latest()

    @app.event(EVENT)
    def opened(event: dict[str, Any], client: WebClient) -> None:
        if event.get("tab", "home") == "home":
            at = float(event.get("event_ts") or time.time())
            user, state = event["user"], home.parse(event.get("view"))
            _draw(desk, client, latest, (user, at), lambda: state)

    @app.action(home.NEW_REQUEST)
    def new_request(ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        ack()
        open_form(desk, client, body["trigger_id"])

    for action_id, turned in _TURNS.items():
        app.action(action_id)(_turning(desk, latest, turned))

    @app.options(home.TARGET)
    def targets(ack: Ack, payload: dict[str, Any]) -> None:
        typed = str(payload.get("value") or "")
        every = () if typed else ("",)
        ack(options=[home.target_option(name) for name in (*every, *desk.jobs.targets(typed))])

    _freeze(app, desk)


def show(
    desk: Desk, client: WebClient, user_id: str, state: HomeState, notice: Notice | None = None
) -> None:
    """Draw a person's Home tab anew, with the answer to their last click."""
    view = home.home_view(desk.jobs.page(user_id, state, notice))
    at_leisure(desk, lambda: _publish(client, user_id, view))


def is_home(body: dict[str, Any]) -> bool:
    """Whether a click came from the Home tab."""
    return bool((body.get("view") or {}).get("type") == "home")


def tell(desk: Desk, client: WebClient, body: dict[str, Any], notice: Notice) -> None:
    """Answer a click on the Home tab there, beside what was clicked; in person where Slack does not draw the tab now."""
    user = body["user"]["id"]
    try:
        show(desk, client, user, home.parse(body["view"]), notice)
    except (SlackClientError, OSError) as error:
        _log.warning("home_not_drawn", user=user, error=str(error))
        direct(client, user, notice.text)


_Turn = Callable[[Desk, str, HomeState, str], HomeState]


def _next(_desk: Desk, _user: str, state: HomeState, _chosen: str) -> HomeState:
    return state.model_copy(update={"before": state.last})


def _previous(desk: Desk, user: str, state: HomeState, _chosen: str) -> HomeState:
    return desk.jobs.above(user, state)


def _same(_desk: Desk, _user: str, state: HomeState, _chosen: str) -> HomeState:
    return state


def _filtered(name: str) -> _Turn:
    """Another filter begins with its first page."""

    def turn(_desk: Desk, _user: str, state: HomeState, chosen: str) -> HomeState:
        every = chosen in {"", home.EVERY}
        value: str | bool = chosen == home.MINE if name == "mine" else "" if every else chosen
        return state.model_copy(update={name: value, "before": ""})

    return turn


_TURNS: dict[str, _Turn] = {
    home.NEXT: _next,
    home.PREVIOUS: _previous,
    home.REFRESH: _same,
    home.STATUS: _filtered("status"),
    home.CREATED_BY: _filtered("mine"),
    home.TARGET: _filtered("target"),
}


def _turning(desk: Desk, latest: Latest, turned: _Turn) -> Callable[..., None]:
    """A listener for what only changes what is shown; of two clicks at once the last one is drawn."""

    def turn(ack: Ack, action: dict[str, Any], body: dict[str, Any], client: WebClient) -> None:
        ack()
        user, at = body["user"]["id"], float(action["action_ts"])
        chosen = str((action.get("selected_option") or {}).get("value") or "")
        state = home.parse(body["view"])
        _draw(desk, client, latest, (user, at), lambda: turned(desk, user, state, chosen))

    return turn


def _draw(
    desk: Desk,
    client: WebClient,
    latest: Latest,
    who: tuple[str, float],
    state: Callable[[], HomeState],
) -> None:
    """Draw the tab for somebody who looked at a moment; not when they have gone on since, for that is drawn too."""
    user, at = who
    latest.happened(user, at)
    view = home.home_view(desk.jobs.page(user, state()))

    def draw() -> None:
        if latest.is_last(user, at):
            _publish(client, user, view)

    at_leisure(desk, draw)


def _publish(client: WebClient, user_id: str, view: dict[str, Any]) -> None:
    client.views_publish(user_id=user_id, view=view)


def _freeze(app: App, desk: Desk) -> None:
    """The words freeze and thaw as buttons."""

    @app.action(freeze.FREEZE)
    def asked(ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        ack()
        carried = body["view"]["private_metadata"]
        client.views_open(trigger_id=body["trigger_id"], view=freeze.freeze_form(carried))

    @app.view(freeze.CALLBACK_ID)
    def sent(ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        ack()
        reason = freeze.asked_reason(body["view"])
        answer = desk.service.freeze(body["user"]["id"], reason, context["delivery"])
        said(body, client, answer, "Frozen: nothing starts until the freeze is ended.")

    @app.action(freeze.THAW)
    def thawed(ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        ack()
        answer = desk.service.thaw(body["user"]["id"], context["delivery"])
        over = "The freeze has ended: what is approved and due starts by itself."
        said(body, client, answer, over)

    def said(body: dict[str, Any], client: WebClient, answer: Answer, done: str) -> None:
        if answer.reason is not Reason.DUPLICATE:
            refused = f":no_entry_sign: {answers.ephemeral(answer, None)}"
            tell(desk, client, body, Notice(done if answer.done else refused))
