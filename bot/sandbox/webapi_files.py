"""Web API: files in Slack's three steps: an upload URL, the bytes, sharing.

A file is seen by nobody before files.completeUploadExternal names it.
"""

import mimetypes

from bot.sandbox import payloads
from bot.sandbox.calls import Call
from bot.sandbox.core import Core
from bot.sandbox.errors import Json, SlackError
from bot.sandbox.workspace import Message, StoredFile


def get_upload_url(call: Call) -> Json:
    """files.getUploadURLExternal."""
    name, length = call.text("filename"), call.number("length", 0)
    if length <= 0:
        raise SlackError("invalid_arguments", ["must be greater than 0 [json-pointer:/length]"])
    workspace = call.core.workspace
    mimetype = mimetypes.guess_type(name)[0] or "text/plain"
    stored = StoredFile(workspace.next_id("F"), name, name, length, mimetype, call.app.bot_user)
    workspace.files[stored.id] = stored
    return {"upload_url": f"{call.core.origin}/upload/{stored.id}", "file_id": stored.id}


def receive(core: Core, file_id: str, content: bytes) -> bool:
    """Take the bytes of an upload; False when the file or its length is not the announced one."""
    stored = core.workspace.files.get(file_id)
    if stored is None or stored.content is not None or len(content) != stored.length:
        return False
    stored.content = content
    return True


def _named(call: Call) -> list[StoredFile]:
    given = call.json("files")
    if not isinstance(given, list) or not given:
        raise SlackError("invalid_arguments", ["missing required field: files"])
    named = []
    for item in given:
        stored = call.core.workspace.files.get(item.get("id", ""))
        if stored is None or stored.content is None:
            raise SlackError("file_not_found")
        stored.title = item.get("title") or stored.name
        named.append(stored)
    return named


def complete_upload(call: Call) -> Json:
    """files.completeUploadExternal: share the files in a channel or a thread."""
    files = _named(call)
    channels = (call.text("channels", None) or call.text("channel_id", None) or "").split(",")
    for channel in filter(None, channels):
        where = call.core.workspace.conversations.get(channel)
        if where is None or call.app.bot_user not in where.members:
            raise SlackError("channel_not_found" if where is None else "not_in_channel")
        _share(call, files, channel)
    call.core.workspace.changed()
    return {"files": [payloads.file(call.core.workspace, stored) for stored in files]}


def _share(call: Call, files: list[StoredFile], channel: str) -> None:
    posted = Message(
        channel,
        call.core.workspace.next_ts(),
        call.app.bot_user,
        call.text("initial_comment", "") or "",
        thread_ts=call.text("thread_ts", None),
        app_id=call.app.id,
        bot_id=call.app.bot_id,
        files=[stored.id for stored in files],
    )
    for stored in files:
        stored.shared_in.append(channel)
    call.core.workspace.add(posted)
