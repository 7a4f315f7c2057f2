"""What people do in modals: type, submit, close; and what the app's answer does to the modal.

Slack's client-side checks come first: a submission with a bad field never reaches the app.
"""

from typing import Any

from bot.sandbox import payloads, slacktexts
from bot.sandbox.blocks import Problem, check_view
from bot.sandbox.core import Core
from bot.sandbox.elements import place_of, places, value_in
from bot.sandbox.errors import ActRefusedError, Json, SlackError
from bot.sandbox.fieldchecks import field_errors
from bot.sandbox.interactions import act, check_acts, set_value
from bot.sandbox.modalstack import View, replace
from bot.sandbox.surfaces import Surface, on_modal


async def fill(
    core: Core, user: str, block_id: str | None, action_id: str, value: Any, *, enter: bool = True
) -> None:
    """Type or choose in a field of the open modal.

    The app hears of it (block_actions) when the element stands in a section or an actions block,
    or in an input block with dispatch_action.

    Args:
        core: the sandbox.
        user: who types.
        block_id: the block, None when the action_id is enough.
        action_id: the field.
        value: see elements.chosen_value.
        enter: False for a text that is still being typed: a field that dispatches on Enter only
            stays quiet.

    Raises:
        ActRefusedError: no modal, no such field, no such option.
    """
    surface = on_modal(core, user)
    place = place_of(surface.blocks, action_id, block_id)
    if surface.view:
        surface.view.errors.pop(place.block_id, None)
        surface.view.error = None
    if place.block["type"] != "input" or (
        place.block.get("dispatch_action") and _dispatches(place.element, enter=enter)
    ):
        await act(core, surface, place.block_id, place.action_id, value)
        return
    set_value(core, surface, place, value)


def _dispatches(element: Json, *, enter: bool) -> bool:
    on = element.get("dispatch_action_config", {}).get("trigger_actions_on", ["on_enter_pressed"])
    return enter or "on_character_entered" in on or not element["type"].endswith("_input")


def _submittable(core: Core, user: str) -> View:
    check_acts(core, user)
    view = on_modal(core, user).view
    if view is None or not view.content["submit"]:
        raise ActRefusedError("This modal has nothing to submit.")
    if view.busy:
        raise ActRefusedError("This modal is being submitted.")
    return view


async def submit(core: Core, user: str) -> Json:
    """Press the modal's submit button.

    Returns:
        {"errors": {block_id: text}, "error": text for the whole modal or None, "closed": bool}.

    Raises:
        ActRefusedError: no modal is open, it has no submit button, or it is being submitted.
    """
    view = _submittable(core, user)
    view.error = None
    view.errors = field_errors(view.blocks, view.values)
    if not view.errors:
        await _send(core, view)
    core.workspace.changed()
    still_open = view in core.workspace.views.stacks.get(user, ())
    return {"errors": view.errors, "error": view.error, "closed": not still_open}


async def _send(core: Core, view: View) -> None:
    app = core.workspace.apps[view.app_id]
    trigger_id = core.tickets.new_trigger(app.id, view.user)
    payload = payloads.view_submission(core.workspace, app, view, trigger_id)
    payload["response_urls"] = _response_urls(core, view)
    view.busy = True
    core.workspace.changed()
    try:
        ack = await core.hub.deliver(app.id, "interactive", payload)
    finally:
        view.busy = False
    if not ack.acked:
        view.error = slacktexts.MODAL_FAILED
        return
    try:
        _apply(core, view, ack.payload)
    except SlackError as error:
        core.journal.add("refused", "view_submission", ack.payload, result=error.body())
        view.error = slacktexts.MODAL_FAILED


def _response_urls(core: Core, view: View) -> list[Json]:
    """A response_url for each chosen channel of a select with response_url_enabled."""
    app = core.workspace.apps[view.app_id]
    urls = []
    for place in places(view.blocks):
        state = view.values.get(place.block_id, {}).get(place.action_id)
        channel = value_in(state) if state else None
        if place.element.get("response_url_enabled") and channel:
            urls.append(
                {
                    "block_id": place.block_id,
                    "action_id": place.action_id,
                    "channel_id": channel,
                    "response_url": core.response_url(app, view.user, channel),
                }
            )
    return urls


def _apply(core: Core, view: View, answer: Json) -> None:
    views, action = core.workspace.views, answer.get("response_action")
    if action is None:
        views.pop(view)
    elif action == "clear":
        views.clear(view.user)
    elif action == "errors":
        view.errors = _checked_errors(view, answer.get("errors"))
    elif action in {"update", "push"}:
        content = _checked_view(answer.get("view"))
        if action == "push":
            views.push(view.app_id, view.user, content)
        else:
            replace(view, content)
    else:
        raise SlackError("invalid_response_action")


def _checked_errors(view: View, errors: Any) -> dict[str, str]:
    inputs = {block["block_id"] for block in view.blocks if block["type"] == "input"}
    if not isinstance(errors, dict) or not errors or not errors.keys() <= inputs:
        raise SlackError("invalid_errors", [f"must name input blocks only: {errors}"])
    return {block_id: str(text) for block_id, text in errors.items()}


def _checked_view(content: Any) -> Json:
    if isinstance(content, dict) and content.get("type") == "modal":
        problems = check_view(content)
    else:
        problems = [Problem("/view", "", "must be a modal")]
    if problems:
        raise SlackError("invalid_arguments", [line for p in problems for line in p.lines()])
    checked: Json = content
    return checked


async def close(core: Core, user: str) -> None:
    """Close the open modal with its close button or cross; what lies beneath is seen again."""
    surface: Surface = on_modal(core, user)
    view, views = surface.view, core.workspace.views
    if view is None:
        return
    cleared = bool(view.content["clear_on_close"])
    closed = views.clear(user) if cleared else [view]
    views.pop(view)
    core.workspace.changed()
    for gone in closed:
        if gone.content["notify_on_close"]:
            payload = payloads.view_closed(core.workspace, surface.app, gone, is_cleared=cleared)
            core.hub.in_background(_tell_closed(core, gone, payload))


async def _tell_closed(core: Core, view: View, payload: Json) -> None:
    await core.hub.deliver(view.app_id, "interactive", payload)
