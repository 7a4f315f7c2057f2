"""The Bolt app: the listeners, and what holds for all of them: each delivery counts once, and every failure is answered.

It opens no connection; `runtime.py` does.
"""

from collections.abc import Callable
from logging import getLogger
from typing import Any

import structlog
from slack_bolt import App, BoltContext, BoltResponse
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient

from bot.lanes import Lanes, is_answered
from bot.ledger import BotLedger
from bot.listeners import buttons, command, details, failures, glass, home, request
from bot.listeners.desk import Desk
from bot.meter import OUTCOME, Completed, Meter
from engine.errors import FerryError

_log = structlog.get_logger(__name__)


def build(
    client: WebClient,
    bot_token: str,
    records: BotLedger,
    desk: Desk,
    lanes: Lanes,
    meter: Meter | None = None,
) -> App:
    """The app with all listeners, which run on `lanes`; asks Slack nothing yet.

    Args:
        client: How Slack is reached, without a token: Bolt makes a client of its own for each payload.
        bot_token: What those clients act with.
        records: Which deliveries took effect.
        desk: What the listeners work with.
        lanes: Where they run.
        meter: Counts what comes in.
    """
    meter = meter or Meter()

    def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        # Left to itself Bolt asks auth.test at the first payload, and loses that one when Slack fails: it is acknowledged already.
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=bot_token)

    app = App(
        name="Ferry",  # Bolt looks through all of the stack for one otherwise
        client=client,
        authorize=authorize,
        logger=getLogger("slack_bolt"),
        raise_error_for_unhandled_request=False,
        ssl_check_enabled=False,
        request_verification_enabled=False,  # `web.py` does it, before anything is read
        listener_executor=lanes,
    )

    @app.middleware
    def once(
        body: dict[str, Any], context: BoltContext, next_: Callable[[], BoltResponse]
    ) -> BoltResponse:
        lanes.choose(body)
        if not is_answered(body):
            context.ack()  # or Bolt would wait until a thread is free for the listener
        context["delivery"] = key = delivery_of(body)
        # Of what Slack waits for, the listener's own transaction finds the repetition: it is to be answered like the first.
        if key and not is_answered(body) and records.received(key):
            _log.info("delivered_again", key=key)
            meter.interaction(body, "repeated")
            return BoltResponse(status=200)
        return next_()

    @app.error
    def failed(
        error: Exception, body: dict[str, Any], context: BoltContext, client: WebClient
    ) -> BoltResponse:
        context[OUTCOME] = outcome = "refused" if isinstance(error, FerryError) else "failed"
        meter.interaction(body, outcome)
        failures.answer(error, body, context, client)
        return BoltResponse(status=200)

    app.listener_runner.listener_completion_handler = Completed(meter)
    for surface in (command, request, buttons, details, glass, home):
        surface.register(app, desk)
    return app


def delivery_of(body: dict[str, Any]) -> str:
    """What makes a delivery the same one when Slack sends it again: never the attempt, never the envelope.

    Events have an id; a command has a trigger of its own; a click is a person's, on a message, at an instant (`action_ts`); a view
    is sent once with success as it stands (`hash`). The rest (options) has no effect in the ledger and no key.
    """
    user = (body.get("user") or {}).get("id", "")
    kind = body.get("type")
    if body.get("command"):
        return f"command:{body.get('trigger_id', '')}"
    if kind == "event_callback":
        return f"event:{body.get('event_id', '')}"
    if kind == "view_submission":
        return f"view:{body['view']['id']}:{body['view'].get('hash', '')}"
    if kind == "block_actions" and body.get("actions"):
        action, message = body["actions"][0], body.get("message") or {}
        parts = (user, message.get("ts", ""), action.get("action_id"), action.get("action_ts"))
        return ":".join(("click", *(str(part) for part in parts)))
    return ""
