"""What people do outside of modals: commands, messages, clicks, searches in lists, the Home tab.

Each act becomes the payload that Slack would send, waits for the app's acknowledgement and shows
Slack's own text when there is none. Commands and interactions are never repeated, events are.
"""

import re
import time
from typing import Any

from bot.sandbox import payloads, slacktexts
from bot.sandbox.blocks import check_options
from bot.sandbox.config import AppConfig
from bot.sandbox.core import Core
from bot.sandbox.elements import (
    ELEMENTS,
    Place,
    chosen_value,
    label_of,
    options_of,
    place_of,
    state_of,
)
from bot.sandbox.errors import ActRefusedError, Json
from bot.sandbox.responses import show_acknowledged
from bot.sandbox.surfaces import Surface
from bot.sandbox.tickets import ResponseUrl
from bot.sandbox.workspace import Conversation, Message

DEFAULT_MIN_QUERY = 3
ECHOED = ("text", "value", "url", "style", "placeholder", "confirm", "accessibility_label")


def check_acts(core: Core, user: str, channel: str | None = None) -> None:
    """Refuse acts of people who are unknown, have left, or are not in the channel."""
    known = core.workspace.users.get(user)
    if known is None or known.deleted:
        raise ActRefusedError(f"There is no active user {user}.")
    if channel is None:
        return
    where = core.workspace.conversations.get(channel)
    if where is None or user not in where.members:
        raise ActRefusedError(f"{known.name} is not in the channel {channel}.")


async def command(core: Core, user: str, channel: str, name: str, text: str) -> bool:
    """Type a slash command.

    Returns:
        Whether the app acknowledged it. Otherwise the person sees Slack's text for that.
    """
    check_acts(core, user, channel)
    workspace = core.workspace
    app = next((app for app in core.config.apps if app.command_named(name)), None)
    if app is None:
        workspace.slackbot_says(channel, user, slacktexts.UNKNOWN_COMMAND.format(command=name))
        return False
    described = app.command_named(name)
    if described and described.should_escape:
        text = _escaped(core, text)
    payload = payloads.slash_command(
        workspace,
        app,
        user,
        workspace.conversations[channel],
        command=name,
        text=text,
        response_url=core.response_url(app, user, channel),
        trigger_id=core.tickets.new_trigger(app.id, user),
    )
    ack = await core.hub.deliver(app.id, "slash_commands", payload)
    if ack.acked:
        to = ResponseUrl(app.id, user, channel, time.monotonic())
        show_acknowledged(core, app, to, ack.payload)
    else:
        workspace.slackbot_says(channel, user, slacktexts.COMMAND_FAILED.format(command=name))
    return ack.acked


def _escaped(core: Core, text: str) -> str:
    people = {u.name: f"<@{u.id}|{u.name}>" for u in core.config.users}
    rooms = {c.name: f"<#{c.id}|{c.name}>" for c in core.config.channels}
    text = re.sub(r"@([\w.-]+)", lambda found: people.get(found[1], found[0]), text)
    return re.sub(r"#([\w-]+)", lambda found: rooms.get(found[1], found[0]), text)


async def message(
    core: Core, user: str, channel: str, text: str, thread_ts: str | None = None
) -> Message:
    """Write a plain message; apps that subscribed to messages there get the event."""
    check_acts(core, user, channel)
    workspace = core.workspace
    if thread_ts and workspace.find(channel, thread_ts) is None:
        raise ActRefusedError("That thread does not exist any more.")
    # As Slack's client does before it sends a text; mentions typed as <@U…> stay.
    safe = re.sub(r"<(?![@#!][\w|^.-]+>)", "&lt;", text.replace("&", "&amp;"))
    written = Message(channel, workspace.next_ts(), user, safe, thread_ts=thread_ts)
    workspace.add(written)
    workspace.last_read[user, channel] = written.ts
    inner = payloads.message(workspace, written) | {"channel": channel}
    where = workspace.conversations[channel]
    for app in core.config.apps:
        if app.bot_user in where.members:
            for event in _events_of(app, where, inner):
                core.hub.in_background(
                    core.hub.send_event(app.id, payloads.event(workspace, app, event))
                )
    return written


def _events_of(app: AppConfig, where: Conversation, inner: Json) -> list[Json]:
    room = "channel" if not where.is_private else "im" if where.is_im else "group"
    events = []
    if f"message.{room}s".replace("ims", "im") in app.events:
        events.append(inner | {"channel_type": room})
    if "app_mention" in app.events and f"<@{app.bot_user}>" in inner["text"]:
        events.append(inner | {"type": "app_mention"})
    return events


async def act(
    core: Core, surface: Surface, block_id: str | None, action_id: str, value: Any = None
) -> bool:
    """Click a button or choose in a list, a picker, boxes or an overflow menu.

    Args:
        core: the sandbox.
        surface: where.
        block_id: the block, None when the action_id is enough.
        action_id: the element.
        value: what was chosen, see elements.chosen_value; a button needs none.

    Returns:
        Whether the app acknowledged it. Otherwise the person sees Slack's text for that.

    Raises:
        ActRefusedError: there is no such element or option.
    """
    check_acts(core, surface.user)
    place = place_of(surface.blocks, action_id, block_id)
    action = _action(core, surface, place, value)
    payload = payloads.block_actions(
        core.workspace,
        surface.app,
        surface.user,
        surface.payload(core),
        trigger_id=core.tickets.new_trigger(surface.app.id, surface.user),
        actions=[action | {"action_ts": f"{time.time():.6f}"}],
        **surface.response_url(core),
    )
    ack = await core.hub.deliver(surface.app.id, "interactive", payload)
    if not ack.acked:
        _say_action_failed(core, surface)
    return ack.acked


def _action(core: Core, surface: Surface, place: Place, value: Any) -> Json:
    element = place.element
    action = {key: element[key] for key in ECHOED if key in element}
    action |= {"type": element["type"], "action_id": place.action_id, "block_id": place.block_id}
    if element["type"] == "overflow":
        offered = {option["value"]: option for option in options_of(element)}
        labels = {label_of(option): option for option in options_of(element)}
        wanted = str(value.get("value") if isinstance(value, dict) else value)
        if wanted not in offered and wanted not in labels:
            raise ActRefusedError(f"{wanted!r} is not in the menu: {', '.join(offered)}.")
        return action | {"selected_option": offered.get(wanted) or labels[wanted]}
    if element["type"] in ELEMENTS:
        return action | set_value(core, surface, place, value)
    return action


def set_value(core: Core, surface: Surface, place: Place, value: Any) -> Json:
    """Remember what a person chose or typed; returns the element's new state."""
    suggested = core.suggested.get((surface.user, surface.id, place.action_id), [])
    state = state_of(place.element, chosen_value(place.element, value, suggested))
    surface.values.setdefault(place.block_id, {})[place.action_id] = state
    core.workspace.changed()
    return state


def _say_action_failed(core: Core, surface: Surface) -> None:
    if surface.view and surface.view is core.workspace.views.top(surface.user):
        surface.view.error = slacktexts.MODAL_FAILED
        core.workspace.changed()
        return
    text = slacktexts.ACTION_FAILED.format(app=surface.app.name)
    core.workspace.notify(surface.user, text)


async def suggest(
    core: Core, surface: Surface, block_id: str | None, action_id: str, query: str
) -> Json:
    """Ask the app for the options of an external select, as typing into it does.

    Returns:
        {"options": […]} or {"option_groups": […]}; no options and no question to the app while
        the query is shorter than the element's min_query_length (3 unless set).

    Raises:
        ActRefusedError: no such select, no answer in time, or an answer that Slack refuses.
    """
    check_acts(core, surface.user)
    place = place_of(surface.blocks, action_id, block_id)
    if not place.element["type"].endswith("external_select"):
        raise ActRefusedError(f"{action_id} is no external select.")
    if len(query) < place.element.get("min_query_length", DEFAULT_MIN_QUERY):
        return {"options": []}
    payload = payloads.block_suggestion(
        core.workspace,
        surface.app,
        surface.user,
        surface.payload(core),
        block_id=place.block_id,
        action_id=place.action_id,
        value=query,
    )
    ack = await core.hub.deliver(surface.app.id, "interactive", payload)
    problems = check_options(ack.payload) if ack.acked else []
    if problems:
        lines = [line for problem in problems for line in problem.lines()]
        core.journal.add("refused", "block_suggestion", ack.payload, result={"errors": lines})
    if problems or not ack.acked:
        raise ActRefusedError(slacktexts.OPTIONS_FAILED)
    offered: Json = {k: ack.payload[k] for k in ("options", "option_groups") if k in ack.payload}
    seen = core.suggested.setdefault((surface.user, surface.id, place.action_id), [])
    seen[:0] = options_of(offered)
    return offered


async def open_home(core: Core, user: str, app_id: str) -> None:
    """Open an app's Home tab; the app gets app_home_opened."""
    check_acts(core, user)
    workspace = core.workspace
    app = workspace.apps.get(app_id)
    if app is None or not app.home_tab:
        raise ActRefusedError(f"There is no Home tab of {app_id}.")
    workspace.views.looking_at[user] = app_id
    workspace.changed()
    if "app_home_opened" not in app.events:
        return
    inner: Json = {
        "type": "app_home_opened",
        "user": user,
        "channel": workspace.direct_message(app, user).id,
        "tab": "home",
    }
    if home := workspace.views.homes.get((app_id, user)):
        inner["view"] = payloads.view(workspace, home)
    event = payloads.event(workspace, app, inner)
    core.hub.in_background(core.hub.send_event(app.id, event))
