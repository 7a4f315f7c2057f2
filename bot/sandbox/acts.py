"""What the page can let a person do: one table from the act's type to what happens.

The JSON contract of POST /sandbox/act. Never raises for a refused act, it answers with the reason.
"""

from collections.abc import Awaitable, Callable

from bot.sandbox import interactions, modals
from bot.sandbox.core import Core
from bot.sandbox.errors import ActRefusedError, Json
from bot.sandbox.surfaces import Surface, on_home, on_message, on_modal


async def act(core: Core, given: Json) -> Json:
    """Do what the page asks for: {"user", "type", …} -> {"ok": true, …} or {"ok": false, "error"}."""
    handler = ACTS.get(str(given.get("type")))
    if handler is None:
        return {"ok": False, "error": f"There is no act {given.get('type')}."}
    try:
        interactions.check_acts(core, str(given.get("user")))
        return {"ok": True, **await handler(core, given)}
    except ActRefusedError as refused:
        return {"ok": False, "error": str(refused)}
    except KeyError as missing:
        return {"ok": False, "error": f"The field {missing} is missing."}


def _surface(core: Core, given: Json) -> Surface:
    user, container = given["user"], given["container"]
    if container == "message":
        return on_message(core, user, given["channel"], given["ts"])
    return on_home(core, user) if container == "home" else on_modal(core, user)


async def _command(core: Core, given: Json) -> Json:
    text = str(given.get("text") or "")
    acked = await interactions.command(
        core, given["user"], given["channel"], given["command"], text
    )
    return {"acked": acked}


async def _message(core: Core, given: Json) -> Json:
    written = await interactions.message(
        core, given["user"], given["channel"], given["text"], given.get("thread_ts")
    )
    return {"ts": written.ts}


async def _action(core: Core, given: Json) -> Json:
    surface, value = _surface(core, given), given.get("value")
    acked = await interactions.act(core, surface, given.get("block_id"), given["action_id"], value)
    return {"acked": acked}


async def _input(core: Core, given: Json) -> Json:
    await modals.fill(
        core,
        given["user"],
        given.get("block_id"),
        given["action_id"],
        given.get("value"),
        enter=given.get("enter", True),
    )
    return {}


async def _submit(core: Core, given: Json) -> Json:
    return await modals.submit(core, given["user"])


async def _close(core: Core, given: Json) -> Json:
    await modals.close(core, given["user"])
    return {}


async def _suggest(core: Core, given: Json) -> Json:
    query = str(given.get("query") or "")
    surface = _surface(core, given)
    return await interactions.suggest(
        core, surface, given.get("block_id"), given["action_id"], query
    )


async def _home(core: Core, given: Json) -> Json:
    await interactions.open_home(core, given["user"], given["app_id"])
    return {}


async def _dismiss(core: Core, given: Json) -> Json:
    workspace = core.workspace
    workspace.notices = [n for n in workspace.notices if n.id != given["notice_id"]]
    workspace.changed()
    return {}


async def _read(core: Core, given: Json) -> Json:
    channel = given["channel"]
    if channel in core.workspace.conversations:
        core.workspace.last_read[given["user"], channel] = core.workspace.next_ts()
        core.workspace.changed()
    return {}


ACTS: dict[str, Callable[[Core, Json], Awaitable[Json]]] = {
    "command": _command,
    "message": _message,
    "action": _action,
    "input": _input,
    "submit": _submit,
    "close": _close,
    "suggest": _suggest,
    "home": _home,
    "dismiss": _dismiss,
    "read": _read,
}
