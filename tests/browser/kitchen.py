"""A Bolt app with every interactive element, for the page's tests: it records what reaches it.

`/kitchen` opens a modal, `/post` posts messages with buttons, `/quiet` answers only the person who asked.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from slack_bolt import Ack, App, Respond
from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler
from slack_sdk import WebClient

from bot.sandbox import Sandbox

Json = dict[str, Any]
GATE_SECONDS = 25
"""A test that holds the gate looks at the page meanwhile; less than the workspace waits for an acknowledgement."""
TOWNS = ("Amsterdam", "Antwerp", "Athens", "Bergen", "Berlin")
DISHES = ("Soup", "Salad", "Stew")


def words(text: str) -> Json:
    """A plain_text object."""
    return {"type": "plain_text", "text": text}


def option(text: str) -> Json:
    """An option whose value is its text in small letters."""
    return {"text": words(text), "value": text.lower()}


def field(name: str, label: str, kind: str, **more: Any) -> Json:
    """An optional input block; block_id and action_id are both `name`."""
    element = {"type": kind, "action_id": name, **more}
    return {
        "type": "input",
        "block_id": name,
        "label": words(label),
        "element": element,
        "optional": name != "name",
    }


def modal(note: str = "First version", suffix: str = "") -> Json:
    """The modal with every kind of element; another `suffix` gives the name field a new block_id."""
    dishes = [option(dish) for dish in DISHES]
    name = field("name", "Name", "plain_text_input", placeholder=words("Your name"), max_length=40)
    name |= {"block_id": f"name{suffix}", "hint": words("As on the door")}
    reload_button = {"type": "button", "action_id": "reload", "text": words("Reload")}
    reset = {"type": "button", "action_id": "reset", "text": words("Reset name")}
    note_text = {"type": "mrkdwn", "text": f"*{note}*"}
    blocks = [
        {"type": "section", "block_id": "note", "text": note_text, "accessory": reload_button},
        name,
        field("town", "Town", "external_select", min_query_length=2),
        field("dish", "Dish", "static_select", options=dishes),
        field("sides", "Sides", "multi_static_select", options=dishes),
        field("guest", "Guest", "users_select"),
        field("seat", "Seat", "radio_buttons", options=[option("Window"), option("Door")]),
        field("extras", "Extras", "checkboxes", options=[option("Bread"), option("Wine")]),
        field("day", "Day", "datepicker"),
        field("hour", "Hour", "timepicker"),
        field("moment", "Moment", "datetimepicker"),
        field("people", "People", "number_input", is_decimal_allowed=False, max_value="12"),
        field("story", "Story", "plain_text_input", multiline=True),
        {"type": "actions", "block_id": "more", "elements": [reset]},
    ]
    return {
        "type": "modal",
        "callback_id": "kitchen",
        "title": words("Book a table"),
        "submit": words("Book"),
        "blocks": blocks,
    }


def offer(state: str = "Waiting for you") -> list[Json]:
    """A message with a button for each way of asking."""
    confirm = {
        "title": words("Cancel the booking?"),
        "text": {"type": "mrkdwn", "text": "The table is *given away*."},
        "confirm": words("Give away"),
        "deny": words("Keep it"),
        "style": "danger",
    }
    elements = [
        {"type": "button", "action_id": "take", "text": words("Take"), "style": "primary"},
        {
            "type": "button",
            "action_id": "cancel",
            "text": words("Cancel booking"),
            "style": "danger",
            "value": "table 7",
            "confirm": confirm,
        },
    ]
    return [
        {"type": "section", "block_id": "state", "text": {"type": "mrkdwn", "text": state}},
        {"type": "actions", "block_id": "ask", "elements": elements},
    ]


class Kitchen:
    """What reached the app.

    Attributes:
        submitted: `state.values` of each submission, flattened to action_id -> element state.
        clicked: the action payloads of elements in messages.
        gate: a click on Take and a submission are acknowledged only while it is set.
    """

    def __init__(self, client: WebClient) -> None:
        self.client = client
        self.submitted: list[Json] = []
        self.clicked: list[Json] = []
        self.gate = threading.Event()
        self.gate.set()

    def register(self, app: App) -> None:
        """Tell Bolt the listeners."""
        app.command("/kitchen")(self._open)
        app.command("/post")(self._post)
        app.command("/quiet")(self._quiet)
        app.options("town")(self._towns)
        app.action("reload")(self._reload)
        app.action("reset")(self._reset)
        app.action("take")(self._take)
        app.action("cancel")(self._click)
        app.action("menu")(self._click)
        app.action("pick")(self._click)
        app.view("kitchen")(self._submit)
        app.event("app_home_opened")(self._home)

    def _open(self, ack: Ack, body: Json) -> None:
        ack()
        self.client.views_open(trigger_id=body["trigger_id"], view=modal())

    def _post(self, ack: Ack, body: Json) -> None:
        ack()
        channel, text = body["channel_id"], body.get("text", "")
        root = self.client.chat_postMessage(channel=channel, text="A table", blocks=offer())
        for line in filter(None, text.split(",")):
            self.client.chat_postMessage(channel=channel, text=line, thread_ts=root["ts"])

    def _quiet(self, ack: Ack, respond: Respond) -> None:
        ack()
        respond("Only you hear this.", response_type="ephemeral")

    def _towns(self, ack: Ack, payload: Json) -> None:
        wanted = payload["value"].lower()
        ack(options=[option(town) for town in TOWNS if wanted in town.lower()])

    def _reload(self, ack: Ack, body: Json) -> None:
        ack()
        self.client.views_update(view_id=body["view"]["id"], view=modal("Second version"))

    def _reset(self, ack: Ack, body: Json) -> None:
        ack()
        self.client.views_update(view_id=body["view"]["id"], view=modal("Reset", suffix="2"))

    def _take(self, ack: Ack, body: Json, payload: Json) -> None:
        self.gate.wait(GATE_SECONDS)
        ack()
        self.clicked.append(payload)
        channel, ts = body["channel"]["id"], body["message"]["ts"]
        self.client.chat_update(channel=channel, ts=ts, text="Taken", blocks=offer("Taken")[:1])

    def _click(self, ack: Ack, payload: Json) -> None:
        ack()
        self.clicked.append(payload)

    def _submit(self, ack: Ack, view: Json) -> None:
        self.gate.wait(GATE_SECONDS)
        values = view["state"]["values"]
        flat = {action: state for block in values.values() for action, state in block.items()}
        if flat["name"]["value"] == "Nobody":
            block = next(block for block in values if block.startswith("name"))
            ack(response_action="errors", errors={block: "We do not know Nobody."})
            return
        self.submitted.append(flat)
        ack()

    def _home(self, event: Json) -> None:
        blocks = [
            {"type": "header", "text": words("Tables today")},
            *offer("Three tables are free"),
        ]
        self.client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})


@contextmanager
def serving(sandbox: Sandbox) -> Iterator[Kitchen]:
    """The app, connected to the sandbox over Socket Mode until the block ends."""
    described = sandbox.config.apps[0]
    client = WebClient(token=described.bot_token, base_url=sandbox.api_url)
    app = App(name="Kitchen", client=client, token_verification_enabled=False)
    kitchen = Kitchen(client)
    kitchen.register(app)
    web = WebClient(base_url=sandbox.api_url)
    # The client's threads end only after one ping interval.
    handler = SocketModeHandler(app, described.app_token, web_client=web, ping_interval=0.5)
    handler.connect()
    try:
        sandbox.wait_for_app()
        yield kitchen
    finally:
        handler.client.auto_reconnect_enabled = False
        # The client sees its own close only when its read times out, one of the other side at once.
        sandbox.outage()
        sandbox.wait_for(lambda: not handler.client.is_connected(), what="the end of the socket")
        handler.client.closed = True
        handler.client.message_queue.put(None)  # its reader looks up only once a second
        handler.close()
