"""The JSON that Slack sends to apps and answers them with: messages, views, users, envelopes.

Pure builders over the workspace's state; nothing here changes anything.
Source: Slack's reference of interaction payloads, and what slack-bolt reads from them.
"""

import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bot.sandbox.config import AppConfig, UserConfig
from bot.sandbox.elements import Values
from bot.sandbox.errors import Json
from bot.sandbox.modalstack import View
from bot.sandbox.workspace import Conversation, Message, StoredFile, Workspace

VERIFICATION_TOKEN = "sandbox-verification-token"  # noqa: S105  # Slack's deprecated field; a secret to nobody


def message(workspace: Workspace, shown: Message) -> Json:
    """A message as conversations.history and interaction payloads show it."""
    author: Json = {"bot_id": shown.bot_id, "app_id": shown.app_id} if shown.bot_id else {}
    if shown.username:
        author |= {"username": shown.username, "subtype": "bot_message"}
    optional = {
        "blocks": shown.blocks,
        "attachments": shown.attachments,
        "thread_ts": shown.thread_ts,
        "edited": shown.edited,
        "metadata": shown.metadata,
        "reactions": reactions(shown),
        "files": [file(workspace, workspace.files[file_id]) for file_id in shown.files],
    }
    return {
        "type": "message",
        "ts": shown.ts,
        "user": shown.user,
        "text": shown.text,
        "team": workspace.config.team_id,
        **author,
        **{name: value for name, value in optional.items() if value},
        **_thread_fields(workspace, shown),
    }


def _thread_fields(workspace: Workspace, shown: Message) -> Json:
    if shown.is_reply:
        root = workspace.find(shown.channel, shown.thread_ts or "")
        return {"parent_user_id": root.user} if root else {}
    replies = workspace.replies(shown)
    if not replies:
        return {}
    people = list(dict.fromkeys(reply.user for reply in replies))
    return {
        "reply_count": len(replies),
        "reply_users": people,
        "reply_users_count": len(people),
        "latest_reply": replies[-1].ts,
    }


def reactions(shown: Message) -> list[Json]:
    """The reactions in the order in which they came."""
    return [
        {"name": name, "users": users, "count": len(users)}
        for name, users in shown.reactions.items()
    ]


def file(workspace: Workspace, stored: StoredFile) -> Json:
    """A file object."""
    url = f"{workspace.origin}/files/{stored.id}/{stored.name}"
    return {
        "id": stored.id,
        "name": stored.name,
        "title": stored.title,
        "mimetype": stored.mimetype,
        "filetype": stored.name.rpartition(".")[2],
        "user": stored.user,
        "size": len(stored.content or b""),
        "url_private": url,
        "url_private_download": url,
        "permalink": url,
        "channels": stored.shared_in,
    }


def conversation(workspace: Workspace, shown: Conversation, for_user: str) -> Json:
    """A conversation object as conversations.info answers it to `for_user`."""
    body: Json = {
        "id": shown.id,
        "is_im": shown.is_im,
        "is_archived": False,
        "context_team_id": workspace.config.team_id,
    }
    if shown.is_im:
        return body | {"user": next(m for m in shown.members if m != for_user), "is_open": True}
    return body | {
        "name": shown.name,
        "name_normalized": shown.name,
        "is_channel": not shown.is_private,
        "is_group": shown.is_private,
        "is_private": shown.is_private,
        "is_member": for_user in shown.members,
        "is_mpim": False,
        "is_general": False,
        "num_members": len(shown.members),
        "topic": {"value": "", "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }


def user(workspace: Workspace, shown: UserConfig, *, with_email: bool = True) -> Json:
    """A user object of a person."""
    name = shown.real_name or shown.name
    offset = datetime.now(ZoneInfo(shown.tz)).utcoffset()
    profile: Json = {
        "real_name": name,
        "display_name": shown.name,
        "team": workspace.config.team_id,
    }
    if shown.email and with_email:
        profile["email"] = shown.email
    return {
        "id": shown.id,
        "team_id": workspace.config.team_id,
        "name": shown.name,
        "real_name": name,
        "deleted": shown.deleted,
        "tz": shown.tz,
        "tz_label": shown.tz,
        "tz_offset": int(offset.total_seconds()) if offset else 0,
        "is_bot": False,
        "is_app_user": False,
        "profile": profile,
    }


def bot_user(workspace: Workspace, app: AppConfig) -> Json:
    """A user object of an app's bot."""
    return {
        "id": app.bot_user,
        "team_id": workspace.config.team_id,
        "name": app.name.lower(),
        "real_name": app.name,
        "deleted": False,
        "is_bot": True,
        "is_app_user": False,
        "tz": "Etc/UTC",
        "tz_offset": 0,
        "profile": {"real_name": app.name, "bot_id": app.bot_id, "api_app_id": app.id},
    }


def view(workspace: Workspace, shown: View) -> Json:
    """A view object with its state, as apps get it."""
    team = workspace.config.team_id
    return shown.content | {
        "id": shown.id,
        "team_id": team,
        "state": {"values": shown.values},
        "hash": shown.hash,
        "previous_view_id": shown.previous_id,
        "root_view_id": shown.root_id,
        "app_id": shown.app_id,
        "app_installed_team_id": team,
        "bot_id": workspace.apps[shown.app_id].bot_id,
    }


def _common(workspace: Workspace, app: AppConfig, user_id: str, kind: str) -> Json:
    team = {"id": workspace.config.team_id, "domain": workspace.config.domain}
    name = workspace.users[user_id].name
    return {
        "type": kind,
        "team": team,
        "user": {"id": user_id, "username": name, "name": name, "team_id": team["id"]},
        "api_app_id": app.id,
        "token": VERIFICATION_TOKEN,
        "enterprise": None,
        "is_enterprise_install": False,
    }


def slash_command(
    workspace: Workspace, app: AppConfig, user_id: str, channel: Conversation, **fields: Any
) -> Json:
    """The payload of a slash command; `fields` are command, text, response_url, trigger_id."""
    name = "directmessage" if channel.is_im else channel.name
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": workspace.config.team_id,
        "team_domain": workspace.config.domain,
        "channel_id": channel.id,
        "channel_name": "privategroup" if channel.is_private and not channel.is_im else name,
        "user_id": user_id,
        "user_name": workspace.users[user_id].name,
        "api_app_id": app.id,
        "is_enterprise_install": "false",
        **fields,
    }


def in_message(workspace: Workspace, app: AppConfig, shown: Message, user_id: str) -> Json:
    """container, channel, message and state of an interaction with a message."""
    conversation_ = workspace.conversations[shown.channel]
    container: Json = {
        "type": "message",
        "message_ts": shown.ts,
        "channel_id": shown.channel,
        "is_ephemeral": shown.ephemeral_to is not None,
    }
    if shown.thread_ts:
        container["thread_ts"] = shown.thread_ts
    name = "directmessage" if conversation_.is_im else conversation_.name
    body: Json = {
        "container": container,
        "channel": {"id": shown.channel, "name": name},
        "state": {"values": message_values(shown, user_id)},
    }
    # Slack leaves the message out for ephemeral messages.
    if shown.ephemeral_to is None:
        body["message"] = message(workspace, shown)
    return body | {"api_app_id": app.id}


def message_values(shown: Message, user_id: str) -> Values:
    """What this user chose in the message's elements."""
    return shown.values.get(user_id, {})


def in_view(workspace: Workspace, shown: View) -> Json:
    """Container and view of an interaction with a modal or a Home tab."""
    return {
        "container": {"type": "view", "view_id": shown.id},
        "view": view(workspace, shown),
    }


def block_actions(
    workspace: Workspace, app: AppConfig, user_id: str, where: Json, **fields: Any
) -> Json:
    """A block_actions payload; `fields` are trigger_id, actions and, in messages, response_url."""
    return _common(workspace, app, user_id, "block_actions") | where | fields


def block_suggestion(
    workspace: Workspace, app: AppConfig, user_id: str, where: Json, **fields: Any
) -> Json:
    """A block_suggestion payload; `fields` are block_id, action_id and value (the query)."""
    return _common(workspace, app, user_id, "block_suggestion") | where | fields


def view_submission(workspace: Workspace, app: AppConfig, shown: View, trigger_id: str) -> Json:
    """A view_submission payload."""
    return _common(workspace, app, shown.user, "view_submission") | {
        "trigger_id": trigger_id,
        "view": view(workspace, shown),
        "response_urls": [],
    }


def view_closed(workspace: Workspace, app: AppConfig, shown: View, *, is_cleared: bool) -> Json:
    """A view_closed payload; is_cleared when the whole stack was closed."""
    return _common(workspace, app, shown.user, "view_closed") | {
        "view": view(workspace, shown),
        "is_cleared": is_cleared,
    }


def event(workspace: Workspace, app: AppConfig, inner: Json) -> Json:
    """An event_callback payload around an event."""
    team = workspace.config.team_id
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": team,
        "api_app_id": app.id,
        "event": {"event_ts": workspace.next_ts(), **inner},
        "type": "event_callback",
        "event_id": workspace.next_id("Ev"),
        "event_time": int(time.time()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": team,
                "user_id": app.bot_user,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": workspace.next_id("4-"),
    }
