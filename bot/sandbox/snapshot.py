"""What one user sees of the workspace, as JSON for the page and for actors.

Reads only. The shape is a contract with the page's scripts.
"""

from typing import Any

from bot.sandbox import payloads
from bot.sandbox.core import Core
from bot.sandbox.errors import Json
from bot.sandbox.modalstack import View
from bot.sandbox.workspace import SLACKBOT, Conversation, Message

COLOURS = (
    "#1264a3",
    "#2bac76",
    "#b4530a",
    "#7c3aed",
    "#c01343",
    "#0f766e",
    "#a16207",
    "#475569",
)


def snapshot(core: Core, user: str) -> Json:
    """The workspace as that user sees it; KeyError for an unknown user."""
    workspace = core.workspace
    person = workspace.users[user]
    mine = workspace.conversations_of(user)
    return {
        "revision": workspace.revision,
        "team": {"name": core.config.team_name},
        "me": {
            "id": user,
            "name": person.name,
            "real_name": workspace.real_name(user),
            "email": person.email,
            "tz": person.tz,
        },
        "users": _everybody(core),
        "usergroups": [{"id": g.id, "handle": g.handle} for g in core.config.usergroups],
        "channels": [_channel(core, conversation, user) for conversation in mine],
        "apps": [_app(core, app_id) for app_id in workspace.apps],
        "messages": {c.id: messages(core, c, user) for c in mine},
        "modal": _modal(core, user),
        "home": _home(core, user),
        "notices": [
            {"id": notice.id, "text": notice.text, "level": notice.level}
            for notice in workspace.notices
            if notice.user == user
        ],
    }


def _everybody(core: Core) -> list[Json]:
    workspace = core.workspace
    people = [*workspace.users, *workspace.bots, SLACKBOT]
    return [
        {
            "id": user,
            "name": workspace.users[user].name if user in workspace.users else name,
            "real_name": name,
            "is_bot": user not in workspace.users,
            "color": COLOURS[index % len(COLOURS)],
            "deleted": user in workspace.users and workspace.users[user].deleted,
        }
        for index, user in enumerate(people)
        for name in (workspace.real_name(user),)
    ]


def _channel(core: Core, conversation: Conversation, user: str) -> Json:
    others = [core.workspace.real_name(m) for m in conversation.members if m != user]
    return {
        "id": conversation.id,
        "name": others[0] if conversation.is_im else conversation.name,
        "is_private": conversation.is_private,
        "is_im": conversation.is_im,
        "members": conversation.members,
        "unread": core.workspace.unread(conversation, user),
    }


def _app(core: Core, app_id: str) -> Json:
    app = core.workspace.apps[app_id]
    return {
        "id": app.id,
        "name": app.name,
        "bot_user": app.bot_user,
        "home_tab": app.home_tab,
        "connected": core.hub.connected(app.id),
        "commands": [
            command.model_dump(include={"command", "description", "usage_hint"})
            for command in app.commands
        ],
    }


def messages(core: Core, conversation: Conversation, user: str | None) -> list[Json]:
    """The messages of a conversation that the user sees, oldest first.

    A deleted message stays as a tombstone only while it has replies.

    Args:
        core: the sandbox.
        conversation: whose messages.
        user: None leaves all ephemeral messages out.
    """
    seen = (m for m in conversation.messages if m.ephemeral_to in {None, user})
    return [
        message(core, shown, user)
        for shown in seen
        if not shown.deleted or core.workspace.replies(shown)
    ]


def message(core: Core, shown: Message, user: str | None = None) -> Json:
    """One message for the page."""
    replies = [] if shown.is_reply else core.workspace.replies(shown)
    files = [payloads.file(core.workspace, core.workspace.files[f]) for f in shown.files]
    return {
        "channel": shown.channel,
        "ts": shown.ts,
        "thread_ts": shown.thread_ts,
        "user": shown.user,
        "bot_id": shown.bot_id,
        "username": shown.username or core.workspace.real_name(shown.user),
        "text": "" if shown.deleted else shown.text,
        "blocks": [] if shown.deleted else shown.blocks,
        "attachments": [] if shown.deleted else shown.attachments,
        "values": payloads.message_values(shown, user or ""),
        "edited": shown.edited,
        "deleted": shown.deleted,
        "ephemeral": shown.ephemeral_to is not None,
        "broadcast": shown.broadcast,
        "metadata": shown.metadata,
        "reply_count": len(replies),
        "latest_reply": replies[-1].ts if replies else None,
        "reactions": payloads.reactions(shown),
        "files": [file | {"url": file["url_private"]} for file in files],
    }


def _modal(core: Core, user: str) -> Json | None:
    view = core.workspace.views.top(user)
    return modal(core, view) if view else None


def modal(core: Core, view: View) -> Json:
    """An open modal for the page and for actors."""
    return {
        "view_id": view.id,
        "app_id": view.app_id,
        "hash": view.hash,
        "title": _plain(view.content["title"]),
        "blocks": view.blocks,
        "submit": _plain(view.content["submit"]),
        "close": _plain(view.content["close"]),
        "callback_id": view.callback_id,
        "private_metadata": view.content["private_metadata"],
        "values": view.values,
        "errors": view.errors,
        "busy": view.busy,
        "error": view.error,
        "depth": core.workspace.views.depth(view.user),
    }


def _home(core: Core, user: str) -> Json | None:
    app_id = core.workspace.views.looking_at.get(user)
    if app_id is None:
        return None
    view = core.workspace.views.homes.get((app_id, user))
    if view is None:
        return {"app_id": app_id, "view_id": None, "blocks": [], "values": {}}
    return {"app_id": app_id, "view_id": view.id, "blocks": view.blocks, "values": view.values}


def words_of(shown: Any) -> str:
    """All texts of a message, a view or blocks, one after the other, to search in."""
    if isinstance(shown, str):
        return shown
    if isinstance(shown, list):
        return "\n".join(filter(None, map(words_of, shown)))
    if isinstance(shown, dict):
        told = ("text", "blocks", "attachments", "title", "fields", "elements", "accessory")
        more = ("label", "hint", "rows", "child_blocks", "tasks", "caption", "error", "element")
        return "\n".join(filter(None, (words_of(shown.get(name)) for name in told + more)))
    return ""


def _plain(text: Any) -> str | None:
    return text["text"] if isinstance(text, dict) else None
