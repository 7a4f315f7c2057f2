"""What the listeners work with, in one record, and the ways in which they speak to one person.

It never posts into a channel: that is the narrator's.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, Protocol

import structlog
from slack_bolt import BoltContext
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.cards import Cards
from bot.doctor import Finding
from bot.jobs import Jobs
from bot.service import Service
from bot.settings import Settings
from bot.slack_web import retry_after
from bot.sources import Sources
from bot.views import waiting_modal

OPENED: Final = "opened"
"""In the context: the window that a listener has opened and not filled yet; a failure is told there."""

_log = structlog.get_logger(__name__)


class Soon(Protocol):
    """Does something slow on other threads than Bolt's."""

    def __call__(self, work: Callable[[], None], *, after_seconds: float = 0.0) -> None:
        """Start `work` in so many seconds."""
        ...


class Desk(NamedTuple):
    """What the listeners work with."""

    settings: Settings
    service: Service
    cards: Cards
    sources: Sources
    soon: Soon
    jobs: Jobs
    examine: Callable[[], Iterable[Finding]]
    when_planned: Callable[[str, Callable[[], None]], None]


class Where(NamedTuple):
    """Where a person clicked: the answer belongs there. `thread_ts` is "" outside of threads."""

    user_id: str
    channel: str
    thread_ts: str = ""


def where_of(body: dict[str, Any]) -> Where:
    """Where a click on a message came from; without a channel when it was in a modal or the Home tab."""
    message = body.get("message") or {}
    channel = (body.get("channel") or {}).get("id") or ""
    thread = message.get("thread_ts") or ""
    # Under a root message the thread may be closed, so the answer would not be seen there.
    in_thread = thread if thread != message.get("ts") else ""
    return Where(body["user"]["id"], channel, in_thread)


def open_waiting(
    client: WebClient, context: BoltContext, body: dict[str, Any], title: str, for_what: str
) -> str:
    """Open a window at once, before anything is asked that may take long; returns its id, for `views.update`."""
    view = waiting_modal.waiting(title, for_what)
    opened = client.views_open(trigger_id=body["trigger_id"], view=view)
    context[OPENED] = {"id": opened["view"]["id"], "title": title}
    return str(opened["view"]["id"])


def fill(client: WebClient, view_id: str, view: dict[str, Any]) -> None:
    """Draw what belongs into an open window; who has closed it wants it no more."""
    try:
        client.views_update(view_id=view_id, view=view)
    except SlackApiError as error:
        if error.response.get("error") != "not_found":
            raise
        _log.info("window_closed", view=view_id)


def whisper(client: WebClient, where: Where, text: str) -> None:
    """Say something that only this person sees, where they clicked; as a direct message when they are not in the channel."""
    try:
        if where.channel:
            client.chat_postEphemeral(
                channel=where.channel,
                user=where.user_id,
                text=text,
                thread_ts=where.thread_ts or None,
            )
            return
    except SlackApiError as error:
        _log.info("not_whispered", user=where.user_id, error=error.response.get("error"))
    direct(client, where.user_id, text)


def direct(client: WebClient, user_id: str, text: str) -> None:
    """Say something to a person in their direct messages; it is only logged when Slack does not take it."""
    try:
        client.chat_postMessage(channel=user_id, text=text)
    except (SlackClientError, OSError) as error:
        _log.error("person_not_told", user=user_id, text=text, error=str(error))


def at_leisure(desk: Desk, draw: Callable[[], None]) -> None:
    """Draw now; if Slack has had too much, once more after as long as it asks for, on threads that nobody waits for."""
    try:
        draw()
    except SlackApiError as error:
        seconds = retry_after(error)
        if seconds is None:
            raise
        desk.soon(draw, after_seconds=seconds)
