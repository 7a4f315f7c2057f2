"""Web API: auth.test, api.test, apps.connections.open, users.* and usergroups.*.

Only reads the workspace; apps.connections.open hands out a Socket Mode ticket.
"""

from bot.sandbox import payloads
from bot.sandbox.calls import Call, page
from bot.sandbox.errors import Json, SlackError


def auth_test(call: Call) -> Json:
    """auth.test."""
    config = call.core.config
    return {
        "url": f"{call.core.origin}/",
        "team": config.team_name,
        "user": call.app.name.lower(),
        "team_id": config.team_id,
        "user_id": call.app.bot_user,
        "bot_id": call.app.bot_id,
        "app_id": call.app.id,
        "is_enterprise_install": False,
    }


def open_connection(call: Call) -> Json:
    """apps.connections.open: an address for one Socket Mode connection."""
    ticket = call.core.hub.new_ticket(call.app.id)
    address = call.core.origin.replace("http", "ws", 1)
    return {"url": f"{address}/socket?ticket={ticket}&app_id={call.app.id}"}


def _user(call: Call, user: str) -> Json:
    workspace = call.core.workspace
    if user in workspace.bots:
        return payloads.bot_user(workspace, workspace.bots[user])
    may_see_email = call.has_scope("users:read.email")
    return payloads.user(workspace, workspace.user(user), with_email=may_see_email)


def user_info(call: Call) -> Json:
    """users.info."""
    return {"user": _user(call, call.text("user"))}


def lookup_by_email(call: Call) -> Json:
    """users.lookupByEmail; deactivated people are not found, as in Slack."""
    email = call.text("email").lower()
    for user in call.core.workspace.users.values():
        if (user.email or "").lower() == email and not user.deleted:
            return {"user": _user(call, user.id)}
    raise SlackError("users_not_found")


def list_users(call: Call) -> Json:
    """users.list: people and bots."""
    workspace = call.core.workspace
    return page(call, [_user(call, u) for u in (*workspace.users, *workspace.bots)], "members")


def list_usergroups(call: Call) -> Json:
    """usergroups.list."""
    groups = []
    for group in call.core.config.usergroups:
        body: Json = {
            "id": group.id,
            "team_id": call.core.config.team_id,
            "is_usergroup": True,
            "handle": group.handle,
            "name": group.name or group.handle,
            "user_count": len(group.users),
            "date_delete": 0,
        }
        if call.flag("include_users"):
            body["users"] = list(call.core.workspace.usergroup_users[group.id])
        groups.append(body)
    return {"usergroups": groups}


def usergroup_users(call: Call) -> Json:
    """usergroups.users.list."""
    group = call.text("usergroup")
    if group not in call.core.workspace.usergroup_users:
        raise SlackError("no_such_subteam")
    return {"users": list(call.core.workspace.usergroup_users[group])}
