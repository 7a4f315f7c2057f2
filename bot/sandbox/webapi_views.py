"""Web API: views.open, views.push, views.update and views.publish.

A view that Slack would refuse changes nothing; a trigger_id is used up only by success.
"""

from bot.sandbox import payloads
from bot.sandbox.blocks import check_view
from bot.sandbox.calls import Call
from bot.sandbox.errors import Json, SlackError
from bot.sandbox.modalstack import View, replace
from bot.sandbox.webapi_chat import refuse


def _view(call: Call, kind: str) -> Json:
    given = call.json("view")
    if not isinstance(given, dict):
        raise SlackError("invalid_arguments", ["missing required field: view"])
    problems = check_view(given)
    if not problems and given["type"] != kind:
        raise SlackError("invalid_arguments", [f"must be of type {kind} [json-pointer:/view/type]"])
    refuse(problems, "invalid_arguments")
    external_id = given.get("external_id")
    views = call.core.workspace.views
    taken = views.by_id(call.app.id, None, external_id) if external_id else None
    if taken and taken.id != call.text("view_id", None) and "trigger_id" in call:
        raise SlackError("duplicate_external_id")
    return given


def _answer(call: Call, view: View) -> Json:
    call.core.workspace.changed()
    return {"view": payloads.view(call.core.workspace, view)}


def open_modal(call: Call) -> Json:
    """views.open."""
    trigger = call.core.tickets.check_trigger(call.app.id, call.text("trigger_id"))
    content = _view(call, "modal")
    trigger.used = True
    return _answer(call, call.core.workspace.views.open(call.app.id, trigger.user, content))


def push(call: Call) -> Json:
    """views.push: lays a view over the open modal of the person who caused the trigger."""
    trigger = call.core.tickets.check_trigger(call.app.id, call.text("trigger_id"))
    content = _view(call, "modal")
    views = call.core.workspace.views
    top = views.top(trigger.user)
    if top is None or top.app_id != call.app.id:
        raise SlackError("not_found")
    view = views.push(call.app.id, trigger.user, content)
    trigger.used = True
    return _answer(call, view)


def _check_hash(call: Call, view: View | None) -> None:
    given = call.text("hash", None)
    if given is not None and view is not None and given != view.hash:
        raise SlackError("hash_conflict")


def update(call: Call) -> Json:
    """views.update by view_id or external_id; not_found when it is closed."""
    view_id, external_id = call.text("view_id", None), call.text("external_id", None)
    if view_id is None and external_id is None:
        raise SlackError("invalid_arguments", ["missing required field: view_id"])
    view = call.core.workspace.views.by_id(call.app.id, view_id, external_id)
    if view is None:
        raise SlackError("not_found")
    content = _view(call, "modal")
    _check_hash(call, view)
    replace(view, content)
    return _answer(call, view)


def publish(call: Call) -> Json:
    """views.publish: the Home tab of one user."""
    user = call.core.workspace.user(call.text("user_id"))
    if not call.app.home_tab:
        raise SlackError("not_enabled")
    content = _view(call, "home")
    views = call.core.workspace.views
    _check_hash(call, views.homes.get((call.app.id, user.id)))
    return _answer(call, views.publish(call.app.id, user.id, content))
