"""A listener that failed: what the person is told of it, and where; logged with a number that they are told too.

It tells it where they wait: in the modal that they look at, under the message, where they typed the command. Where Slack does not
take it there, it comes as a direct message: nobody who did something is left without an answer.
"""

import uuid
from typing import Any, Final

import structlog
from slack_bolt import BoltContext
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.listeners.desk import OPENED, direct, where_of, whisper
from bot.views import request_modal, waiting_modal
from bot.views import text as t
from engine.errors import FerryError
from engine.model import ErrorText

_TOO_LATE: Final = "expired_trigger_id"
_USED: Final = "exchanged_trigger_id"
"""The same click came a second time, and what it opens is open."""
_WELL: Final = 200

_log = structlog.get_logger(__name__)


def answer(error: Exception, body: dict[str, Any], context: BoltContext, client: WebClient) -> None:
    """Tell a failure of a listener to the person who waits for an answer, then log it."""
    number = uuid.uuid4().hex[:8]
    if _word(error) == _USED:
        _log.info("opened_already", number=number)
        return
    why = why_of(error, number)
    said = t.escape(t.joined((why.message, why.state, why.next_step)))
    try:
        told = _tell(why, said, body, context, client)
    except (SlackClientError, OSError) as again:
        _log.info("not_told_there", number=number, error=str(again))
        told = False
    if not told:
        direct(client, _user(body), said)
    if isinstance(error, FerryError | SlackClientError | OSError):
        _log.warning("listener_refused", number=number, code=why.code, error=str(error))
    else:
        _log.error("listener_failed", number=number, exc_info=error)


def why_of(error: Exception, number: str) -> ErrorText:
    """A failure for people: what happened, in what state things are, what to do now."""
    if isinstance(error, FerryError):
        return ErrorText(**error.parts)
    if _word(error) == _TOO_LATE:
        return ErrorText(
            code="E-TOO-LATE",
            message="Slack lets Ferry open a window for three seconds after a click, and Ferry was too late.",
            state="Nothing was changed.",
            next_step="Do it again.",
        )
    if isinstance(error, SlackClientError | OSError):
        return ErrorText(
            code="E-SLACK",
            message=f"Slack did not take Ferry's answer to what you did (number {number}).",
            state="What was recorded before stays: the migration's message and `/migrate status` show it.",
            next_step="Look there whether it took effect; if it did not, do it again.",
        )
    return ErrorText(
        code="E-UNEXPECTED",
        message=f"Ferry itself failed over this (number {number}).",
        state="What is recorded stays as it is.",
        next_step="Try again; if it fails again, show an administrator the number: it stands in Ferry's log.",
    )


def _tell(
    why: ErrorText, said: str, body: dict[str, Any], context: BoltContext, client: WebClient
) -> bool:
    """Whether it was told where the person waits; raises what the SDK does when Slack does not take it."""
    view, kind = body.get("view") or {}, body.get("type")
    if OPENED in context:
        shown = waiting_modal.said(context[OPENED]["title"], said)
        client.views_update(view_id=context[OPENED]["id"], view=shown)
    elif body.get("command"):
        return bool(context.respond(text=said).status_code == _WELL) if context.respond else False
    elif view.get("callback_id") == request_modal.CALLBACK_ID and kind != "block_suggestion":
        failed = request_modal.failed(why, request_modal.parse(view))
        client.views_update(view_id=view["id"], view=failed)
    elif kind == "block_actions" and body.get("message"):
        whisper(client, where_of(body), said)
    else:
        # Slack itself says it in a list; an event, like opening the Home tab, waits for nothing.
        return kind not in {"block_actions", "view_submission"}
    return True


def _user(body: dict[str, Any]) -> str:
    return str(body.get("user_id") or (body.get("user") or {}).get("id") or "")


def _word(error: Exception) -> str:
    return str(error.response.get("error")) if isinstance(error, SlackApiError) else ""
