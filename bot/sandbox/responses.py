"""What an app answers a person with outside the Web API: acknowledgements and response_url posts.

Turns such an answer into a message, a replacement or a deletion. Limits hold here as everywhere.
"""

import json

from bot.sandbox.blocks import check_message
from bot.sandbox.config import AppConfig
from bot.sandbox.core import Core
from bot.sandbox.elements import identified
from bot.sandbox.errors import Json, SlackError
from bot.sandbox.tickets import ResponseUrl
from bot.sandbox.webapi_chat import refuse
from bot.sandbox.workspace import Message


def _flag(answer: Json, name: str) -> bool:
    return answer.get(name) in {True, "true"}


def show(core: Core, app: AppConfig, to: ResponseUrl, answer: Json) -> None:
    """Show an app's answer to whoever acted.

    Args:
        core: the sandbox.
        app: who answers.
        to: where the person acted; `to.ts` is the clicked message.
        answer: text, blocks, response_type, replace_original, delete_original, thread_ts.

    Raises:
        SlackError: no_text, invalid_blocks …
    """
    workspace = core.workspace
    original = workspace.find(to.channel, to.ts) if to.ts else None
    if _flag(answer, "delete_original"):
        if original:
            original.deleted = True
        workspace.changed()
        return
    blocks, attachments = answer.get("blocks") or [], answer.get("attachments") or []
    if isinstance(blocks, str):
        blocks = json.loads(blocks)
    text = answer.get("text") or ""
    if not (text or blocks or attachments):
        raise SlackError("no_text")
    refuse(check_message(blocks, attachments))
    if original and _flag(answer, "replace_original"):
        original.text, original.attachments = text, attachments
        original.blocks = identified(blocks)
        workspace.changed()
        return
    private = answer.get("response_type", "ephemeral") != "in_channel"
    workspace.add(
        Message(
            to.channel,
            workspace.next_ts(),
            app.bot_user,
            text,
            thread_ts=answer.get("thread_ts"),
            blocks=blocks,
            attachments=attachments,
            app_id=app.id,
            bot_id=app.bot_id,
            ephemeral_to=to.user if private else None,
        )
    )


def post(core: Core, key: str, answer: Json) -> Json:
    """A post to a response_url.

    Raises:
        SlackError: expired_url, used_url, no_such_url, or what `show` raises.
    """
    to = core.tickets.use_url(key)
    show(core, core.workspace.apps[to.app_id], to, answer)
    return {"ok": True}


def show_acknowledged(core: Core, app: AppConfig, to: ResponseUrl, answer: Json) -> None:
    """Show what came with an acknowledgement; what Slack does not accept goes to the journal."""
    if not any(answer.get(name) for name in ("text", "blocks", "attachments", "delete_original")):
        return
    try:
        show(core, app, to, answer)
    except SlackError as error:
        core.journal.add("refused", "acknowledgement", answer, result=error.body())
