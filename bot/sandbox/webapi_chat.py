"""Web API: the chat.* methods, reactions.add and blocks.validate.

Limits are checked by blocks.py before anything is stored; refusals leave everything as it was.
"""

from typing import Any

from bot.sandbox import payloads
from bot.sandbox.blocks import Problem, check_blocks, check_message, check_view
from bot.sandbox.calls import Call
from bot.sandbox.elements import identified
from bot.sandbox.errors import Json, SlackError
from bot.sandbox.workspace import Message

MAX_TEXT = 40_000
MAX_ATTACHMENTS = 100


def refuse(problems: list[Problem], error: str = "invalid_blocks") -> None:
    """Raise the first problem's error with all problems as messages; nothing when there is none."""
    if not problems:
        return
    first = next((problem.code for problem in problems if problem.code), error)
    raise SlackError(first, [line for problem in problems for line in problem.lines()])


def _array(call: Call, name: str) -> list[Json]:
    value = call.json(name, "invalid_blocks_format" if name == "blocks" else "invalid_attachments")
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise SlackError("invalid_blocks_format" if name == "blocks" else "invalid_attachments")
    return value


def _given(call: Call) -> Json:
    text, blocks, attachments = call.text("text", ""), _array(call, "blocks"), []
    attachments = _array(call, "attachments")
    if markdown := call.text("markdown_text", None):
        if text or blocks:
            raise SlackError("markdown_text_conflict")
        text = markdown
    if len(attachments) > MAX_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    refuse(check_message(blocks, attachments))
    return {"text": text or "", "blocks": blocks, "attachments": attachments}


def content(call: Call) -> Json:
    """text, blocks and attachments of a call, checked.

    Raises:
        SlackError: no_text, too_many_attachments, invalid_blocks, msg_blocks_too_long …
    """
    given = _given(call)
    if not any(given.values()):
        raise SlackError("no_text")
    return given


def _thread(call: Call, channel: str) -> str | None:
    thread_ts = call.text("thread_ts", None)
    if thread_ts is None:
        return None
    root = call.core.workspace.find(channel, thread_ts)
    if root is None or root.ephemeral_to:
        raise SlackError("cannot_reply_to_message")
    # A reply to a reply goes into the thread that the reply is in.
    return root.thread_ts or root.ts


def _truncated(given: Json) -> Json:
    """Cut an overlong text as Slack does; returns the warning fields of the answer."""
    if len(given["text"]) <= MAX_TEXT:
        return {}
    given["text"] = given["text"][:MAX_TEXT]
    warning = "message_truncated"
    return {"warning": warning, "response_metadata": {"warnings": [warning]}}


def post_message(call: Call) -> Json:
    """chat.postMessage."""
    given, where = content(call), call.destination()
    warning = _truncated(given)
    posted = Message(
        where.id,
        call.core.workspace.next_ts(),
        call.app.bot_user,
        thread_ts=_thread(call, where.id),
        app_id=call.app.id,
        bot_id=call.app.bot_id,
        username=call.text("username", None),
        broadcast=call.flag("reply_broadcast"),
        metadata=call.json("metadata", "invalid_metadata_format"),
        **given,
    )
    call.core.workspace.add(posted)
    shown = payloads.message(call.core.workspace, posted)
    return {"channel": where.id, "ts": posted.ts, "message": shown, **warning}


def update(call: Call) -> Json:
    """chat.update: `text` without `blocks` removes the blocks, neither leaves them."""
    shown = call.own_message("cant_update_message")
    if len(call.text("text", "") or "") > MAX_TEXT:
        raise SlackError("msg_too_long")
    has_text = "text" in call or "markdown_text" in call
    if has_text or "blocks" in call or "attachments" in call:
        given = _given(call)
        if not has_text:
            given["text"] = shown.text
            if "blocks" not in call:
                given["blocks"] = shown.blocks
        if "attachments" not in call:
            given["attachments"] = shown.attachments
        _replace(call, shown, given)
    elif "metadata" not in call:
        raise SlackError("no_text")
    if "metadata" in call:
        shown.metadata = call.json("metadata", "invalid_metadata_format")
    call.core.workspace.changed()
    body = payloads.message(call.core.workspace, shown)
    return {"channel": shown.channel, "ts": shown.ts, "text": shown.text, "message": body}


def _replace(call: Call, shown: Message, given: Json) -> None:
    if not (given["text"] or given["blocks"] or given["attachments"] or shown.files):
        raise SlackError("no_text")
    shown.text, shown.attachments = given["text"], given["attachments"]
    shown.blocks = identified(given["blocks"])
    shown.values.clear()
    # Slack marks an update as edited only when it carries no blocks.
    if not shown.blocks:
        shown.edited = {"user": call.app.bot_user, "ts": call.core.workspace.next_ts()}


def delete(call: Call) -> Json:
    """chat.delete."""
    shown = call.own_message("cant_delete_message")
    shown.deleted = True
    call.core.workspace.changed()
    return {"channel": shown.channel, "ts": shown.ts}


def post_ephemeral(call: Call) -> Json:
    """chat.postEphemeral: the user must be in the channel."""
    given, where = content(call), call.destination()
    warning = _truncated(given)
    user = call.text("user")
    if user not in where.members:
        raise SlackError("user_not_in_channel")
    posted = Message(
        where.id,
        call.core.workspace.next_ts(),
        call.app.bot_user,
        thread_ts=_thread(call, where.id),
        app_id=call.app.id,
        bot_id=call.app.bot_id,
        username=call.text("username", None),
        ephemeral_to=user,
        **given,
    )
    call.core.workspace.add(posted)
    return {"message_ts": posted.ts, **warning}


def get_permalink(call: Call) -> Json:
    """chat.getPermalink: the address of a message, thread replies with their thread."""
    where, ts = call.conversation(), call.text("message_ts")
    shown = call.core.workspace.find(where.id, ts)
    if shown is None or shown.ephemeral_to:
        raise SlackError("message_not_found")
    link = f"{call.core.origin}/archives/{where.id}/p{ts.replace('.', '')}"
    if shown.is_reply:
        link += f"?thread_ts={shown.thread_ts}&cid={where.id}"
    return {"channel": where.id, "permalink": link}


def add_reaction(call: Call) -> Json:
    """reactions.add."""
    where, name = call.conversation(), call.text("name").strip(":")
    shown = call.core.workspace.find(where.id, call.text("timestamp"))
    if shown is None or shown.ephemeral_to:
        raise SlackError("message_not_found")
    users = shown.reactions.setdefault(name, [])
    if call.app.bot_user in users:
        raise SlackError("already_reacted")
    users.append(call.app.bot_user)
    call.core.workspace.changed()
    return {}


def validate(call: Call) -> Json:
    """blocks.validate: exactly one of blocks, message, view; answers `errors` with pointers."""
    given = [name for name in ("blocks", "message", "view") if name in call]
    if len(given) != 1:
        raise SlackError("invalid_arguments", ["provide exactly one of blocks, message, view"])
    value: Any = call.json(given[0])
    if given[0] == "blocks":
        problems = check_blocks(value, "message")
    elif given[0] == "view":
        problems = check_view(value)
    else:
        if not isinstance(value, dict):
            raise SlackError(
                "invalid_arguments", ["must provide an object [json-pointer:/message]"]
            )
        problems = check_message(value.get("blocks") or [], value.get("attachments") or [])
    return {"errors": [problem.as_json() for problem in problems], "valid": not problems}
