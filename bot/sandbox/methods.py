"""The Web API methods that the sandbox has: one table of handler, scopes, tier and token kind.

Data only. Scopes and tiers are those of Slack's method pages; a call needs one of the scopes.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bot.sandbox import (
    webapi_chat,
    webapi_conversations,
    webapi_files,
    webapi_people,
    webapi_views,
)
from bot.sandbox.calls import Call
from bot.sandbox.errors import Json


@dataclass(frozen=True)
class Method:
    """A method of the Web API.

    Attributes:
        scopes: one of them is needed; none are for an empty tuple.
        tier: Slack's rate limit tier 1-4, None for "special".
        token: "bot" or "app" (app-level).
    """

    handler: Callable[[Call], Json]
    scopes: tuple[str, ...] = ()
    tier: int | None = 3
    token: str = "bot"  # noqa: S105  # a kind of token


CONVERSATION_READ = ("channels:read", "groups:read", "im:read", "mpim:read")
CONVERSATION_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")

METHODS = {
    "auth.test": Method(webapi_people.auth_test, tier=None),
    "apps.connections.open": Method(webapi_people.open_connection, (), 1, "app"),
    "chat.postMessage": Method(webapi_chat.post_message, ("chat:write",), None),
    "chat.update": Method(webapi_chat.update, ("chat:write",), 3),
    "chat.delete": Method(webapi_chat.delete, ("chat:write",), 3),
    "chat.postEphemeral": Method(webapi_chat.post_ephemeral, ("chat:write",), 4),
    "chat.getPermalink": Method(webapi_chat.get_permalink, (), None),
    "reactions.add": Method(webapi_chat.add_reaction, ("reactions:write",), 3),
    "blocks.validate": Method(webapi_chat.validate, (), None),
    "conversations.info": Method(webapi_conversations.info, CONVERSATION_READ, 3),
    "conversations.members": Method(webapi_conversations.members, CONVERSATION_READ, 4),
    "conversations.list": Method(webapi_conversations.list_all, CONVERSATION_READ, 2),
    "conversations.open": Method(
        webapi_conversations.open_direct, ("im:write", "mpim:write", "channels:manage"), 3
    ),
    "conversations.history": Method(webapi_conversations.history, CONVERSATION_HISTORY, 3),
    "conversations.replies": Method(webapi_conversations.replies, CONVERSATION_HISTORY, 3),
    "users.info": Method(webapi_people.user_info, ("users:read",), 4),
    "users.list": Method(webapi_people.list_users, ("users:read",), 2),
    "users.lookupByEmail": Method(webapi_people.lookup_by_email, ("users:read.email",), 3),
    "usergroups.list": Method(webapi_people.list_usergroups, ("usergroups:read",), 2),
    "usergroups.users.list": Method(webapi_people.usergroup_users, ("usergroups:read",), 2),
    "views.open": Method(webapi_views.open_modal, (), 4),
    "views.push": Method(webapi_views.push, (), 4),
    "views.update": Method(webapi_views.update, (), 4),
    "views.publish": Method(webapi_views.publish, (), 4),
    "files.getUploadURLExternal": Method(webapi_files.get_upload_url, ("files:write",), 4),
    "files.completeUploadExternal": Method(webapi_files.complete_upload, ("files:write",), 4),
}
