"""View Details: what happened to a migration, for whoever asks; everyone in the workspace may look.

The ledger alone is read before the window is open: Slack takes the click's trigger for three seconds.
"""

from typing import Any

import structlog
from slack_bolt import Ack, App
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError

from bot.listeners.desk import Desk, fill
from bot.views import buttons, details
from bot.views.card import parse_action_value

_log = structlog.get_logger(__name__)


def register(app: App, desk: Desk) -> None:
    """Listen for the button, under messages and on the Home tab."""

    @app.action(buttons.DETAILS)
    def clicked(ack: Ack, action: dict[str, Any], body: dict[str, Any], client: WebClient) -> None:
        ack()
        card = desk.cards.known(parse_action_value(str(action.get("value") or "")).migration_id)
        events = desk.cards.log(card.migration)
        view = details.details_view(card, events)
        opened = client.views_open(trigger_id=body["trigger_id"], view=view)
        link = _link(desk, client, card.migration.id)
        if link:
            fill(client, opened["view"]["id"], details.details_view(card, events, link))


def _link(desk: Desk, client: WebClient, migration_id: str) -> str:
    """The address of the migration's message; "" when it has none, or Slack does not tell it: the rest is worth more."""
    root = desk.cards.root(migration_id)
    if root is None:
        return ""
    try:
        found = client.chat_getPermalink(channel=root.channel, message_ts=root.ts)
    except (SlackClientError, OSError) as error:
        _log.info("no_permalink", migration=migration_id, error=str(error))
        return ""
    return str(found["permalink"])
