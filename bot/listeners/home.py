"""The Home tab: the jobs as they are when it is opened, and a button for a new request."""

from typing import Any

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.listeners.command import open_form
from bot.listeners.desk import Desk
from bot.views import home

EVENT = "app_home_opened"


def register(app: App, desk: Desk) -> None:
    """Listen for the tab and its button."""

    @app.event(EVENT)
    def opened(event: dict[str, Any], client: WebClient) -> None:
        if event.get("tab", "home") != "home":
            return
        view = home.home_view(desk.cards.listed(home.JOBS + 1))
        client.views_publish(user_id=event["user"], view=view)

    @app.action(home.NEW_REQUEST)
    def new_request(ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        ack()
        open_form(desk, client, body["trigger_id"])
