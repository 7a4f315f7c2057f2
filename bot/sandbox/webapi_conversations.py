"""Web API: the conversations.* methods.

Reads channels, threads and members; opens direct messages. Never posts.
"""

from bot.sandbox import payloads
from bot.sandbox.calls import Call, page
from bot.sandbox.errors import Json, SlackError
from bot.sandbox.workspace import Message


def info(call: Call) -> Json:
    """conversations.info."""
    shown = call.conversation()
    return {"channel": payloads.conversation(call.core.workspace, shown, call.app.bot_user)}


def members(call: Call) -> Json:
    """conversations.members."""
    return page(call, call.conversation().members, "members")


def list_all(call: Call) -> Json:
    """conversations.list: public channels, private ones and direct messages the bot is in."""
    kinds = (call.text("types", None) or "public_channel").split(",")
    workspace, bot = call.core.workspace, call.app.bot_user
    shown = []
    for conversation in workspace.conversations.values():
        private = "private_channel" if conversation.is_private else "public_channel"
        kind = "im" if conversation.is_im else private
        visible = kind == "public_channel" or bot in conversation.members
        if kind in kinds and visible:
            shown.append(payloads.conversation(workspace, conversation, bot))
    return page(call, shown, "channels")


def open_direct(call: Call) -> Json:
    """conversations.open with one user."""
    workspace = call.core.workspace
    if "channel" in call:
        shown = call.conversation()
    else:
        people = [u.strip() for u in (call.text("users")).split(",") if u.strip()]
        if len(people) != 1:
            raise SlackError("too_many_users" if people else "users_list_not_supplied")
        person = workspace.user(people[0])
        if person.deleted:
            raise SlackError("user_disabled")
        shown = workspace.direct_message(call.app, person.id)
    full = payloads.conversation(workspace, shown, call.app.bot_user)
    return {"channel": full if call.flag("return_im") else {"id": shown.id}}


def _readable(call: Call) -> list[Message]:
    shown = call.conversation()
    if call.app.bot_user not in shown.members:
        raise SlackError("not_in_channel")
    return [m for m in shown.messages if not m.deleted and m.ephemeral_to is None]


def _between(call: Call, messages: list[Message]) -> list[Message]:
    oldest, latest = call.text("oldest", None) or "0", call.text("latest", None) or "9" * 20
    if call.flag("inclusive"):
        return [m for m in messages if float(oldest) <= float(m.ts) <= float(latest)]
    return [m for m in messages if float(oldest) < float(m.ts) < float(latest)]


def history(call: Call) -> Json:
    """conversations.history: what stands in the channel itself, newest first."""
    shown = [m for m in _readable(call) if not m.is_reply or m.broadcast]
    newest = [payloads.message(call.core.workspace, m) for m in reversed(_between(call, shown))]
    body = page(call, newest, "messages")
    return body | {"has_more": bool(body["response_metadata"]["next_cursor"])}


def replies(call: Call) -> Json:
    """conversations.replies: a thread, root first, then oldest first."""
    ts, messages = call.text("ts"), _readable(call)
    root = next((m for m in messages if m.ts == ts), None)
    if root is None:
        raise SlackError("thread_not_found")
    thread_ts = root.thread_ts or root.ts
    inside = [m for m in messages if thread_ts in {m.ts, m.thread_ts}]
    kept = [m for m in inside if m.ts == thread_ts or m in _between(call, inside)]
    body = page(call, [payloads.message(call.core.workspace, m) for m in kept], "messages", 1000)
    return body | {"has_more": bool(body["response_metadata"]["next_cursor"])}
