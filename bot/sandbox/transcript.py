"""A thread as plain text that reads well in a terminal, and a dump of a whole workspace.

Renders what stands there now (an edited message once, as it is). Never changes anything.
"""

import re
import textwrap
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from bot.sandbox.core import Core
from bot.sandbox.errors import Json
from bot.sandbox.snapshot import message as seen
from bot.sandbox.workspace import Message

WIDTH = 96
INDENT = "    "
EMOJI = {
    "white_check_mark": "✅",
    "heavy_check_mark": "✔",
    "x": "❌",
    "warning": "⚠️",
    "hourglass_flowing_sand": "⏳",
    "hourglass": "⌛",
    "arrows_counterclockwise": "🔄",
    "no_entry": "⛔",
    "no_entry_sign": "🚫",
    "octagonal_sign": "🛑",
    "rocket": "🚀",
    "mag": "🔍",
    "lock": "🔒",
    "eyes": "👀",
    "large_green_circle": "🟢",
    "large_blue_circle": "🔵",
    "large_yellow_circle": "🟡",
    "red_circle": "🔴",
    "white_circle": "⚪",
    "double_vertical_bar": "⏸",
    "arrow_forward": "▶",
}


def conversation_text(core: Core, channel: str, thread_ts: str | None = None) -> str:
    """A channel's messages (each with its thread), or one thread.

    Args:
        core: the sandbox.
        channel: whose messages.
        thread_ts: only this thread.
    """
    shown = [m for m in core.workspace.conversations[channel].messages if not m.deleted]
    if thread_ts is not None:
        shown = [m for m in shown if thread_ts in {m.ts, m.thread_ts}]
    roots = [m for m in shown if not m.is_reply]
    lines: list[str] = []
    for root in roots:
        lines += [*_message_lines(core, root), ""]
        for reply in (m for m in shown if m.is_reply and m.thread_ts == root.ts):
            lines += [*textwrap.indent("\n".join(_message_lines(core, reply)), "  | ").split("\n")]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _message_lines(core: Core, shown: Message) -> list[str]:
    body = seen(core, shown)
    at = datetime.fromtimestamp(float(shown.ts)).astimezone().strftime("%H:%M:%S")
    head = f"{body['username']}  {at}"
    if shown.ephemeral_to:
        head += f"  (only visible to {core.workspace.real_name(shown.ephemeral_to)})"
    if shown.edited:
        head += "  (edited)"
    lines = [head]
    if body["blocks"]:
        lines += _indented(line for b in body["blocks"] for line in block_lines(core, b))
    elif body["text"]:
        lines += _indented(_wrapped(plain(core, body["text"])))
    for attachment in body["attachments"]:
        inner = [line for b in attachment.get("blocks", ()) for line in block_lines(core, b)]
        fallback = attachment.get("text") or attachment.get("fallback") or ""
        lines += _indented(inner or _wrapped(plain(core, fallback)))
    lines += _indented(f"[file] {f['title']} ({f['size']:,} bytes)" for f in body["files"])
    lines += _indented(f":{r['name']}: {r['count']}" for r in body["reactions"])
    return lines


def _indented(lines: Iterator[str] | list[str]) -> list[str]:
    return [f"{INDENT}{line}".rstrip() for line in lines]


def plain(core: Core, text: str) -> str:
    """Mrkdwn as plain text: names for mentions, labels for links, no markers of bold or italic."""
    people = core.workspace.real_name
    rooms = {c.id: c.name for c in core.workspace.conversations.values()}
    groups = {g.id: g.handle for g in core.config.usergroups}
    text = re.sub(r"<@(\w+)(?:\|[^>]*)?>", lambda m: f"@{people(m[1])}", text)
    text = re.sub(r"<#(\w+)(?:\|[^>]*)?>", lambda m: f"#{rooms.get(m[1], m[1])}", text)
    text = re.sub(r"<!subteam\^(\w+)[^>]*>", lambda m: f"@{groups.get(m[1], m[1])}", text)
    text = re.sub(r"<!date\^[^|>]*\|([^>]*)>", r"\1", text)
    text = re.sub(r"<!(\w+)[^>]*>", r"@\1", text)
    text = re.sub(r"<[^|<>\s]+\|([^>]+)>", r"\1", text)
    text = re.sub(r"<((?:https?|mailto):[^>]+)>", r"\1", text)
    text = re.sub(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])", r"\1", text)
    text = re.sub(r"(?<![\w_])_(?=\S)([^_\n]+?)(?<=\S)_(?![\w_])", r"\1", text)
    text = re.sub(r":(\w+):", lambda m: EMOJI.get(m[1], m[0]), text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _wrapped(text: str) -> list[str]:
    return [
        part
        for line in text.split("\n")
        for part in (textwrap.wrap(line, WIDTH, subsequent_indent=_hang(line)) or [""])
    ]


def _hang(line: str) -> str:
    bullet = re.match(r"\s*(?:[•◦-]|\d+\.)\s+", line)
    return " " * len(bullet[0]) if bullet else ""


def block_lines(core: Core, block: Json) -> list[str]:
    """One block as lines; a block without a rendering of its own shows its type."""
    return RENDERERS.get(block["type"], _other)(core, block)


def _text(core: Core, text: Json | None) -> str:
    return plain(core, text["text"]) if text else ""


def _header(core: Core, block: Json) -> list[str]:
    title = _text(core, block["text"])
    return [title, "=" * len(title)]


def _section(core: Core, block: Json) -> list[str]:
    lines = _wrapped(_text(core, block.get("text"))) if block.get("text") else []
    fields = [_text(core, field).split("\n") for field in block.get("fields", ())]
    if fields and all(len(field) == 2 for field in fields):  # noqa: PLR2004  # a name above its value
        width = max(len(field[0]) for field in fields)
        lines += [f"{name.ljust(width)}  {value}" for name, value in fields]
    else:
        lines += [line for field in fields for line in field]
    if accessory := block.get("accessory"):
        lines.append(_element(core, accessory))
    return lines


def _element(core: Core, element: Json) -> str:
    kind = element["type"]
    if kind == "button":
        return f"[ {_text(core, element['text'])} ]"
    if kind in {"plain_text", "mrkdwn"}:
        return _text(core, element)
    if kind == "image":
        return f"({element['alt_text']})"
    if kind == "overflow":
        return "[ ... ]"
    options = element.get("options") or ()
    shown = _text(core, element.get("placeholder")) or " / ".join(
        _text(core, option["text"]) for option in options
    )
    return f"[ {shown or kind} v ]"


def _actions(core: Core, block: Json) -> list[str]:
    return ["  ".join(_element(core, element) for element in block["elements"])]


def _context(core: Core, block: Json) -> list[str]:
    return _wrapped("  ".join(_element(core, element) for element in block["elements"]))


def _input(core: Core, block: Json) -> list[str]:
    return [f"{_text(core, block['label'])}: {_element(core, block['element'])}"]


def _markdown(core: Core, block: Json) -> list[str]:
    return _wrapped(plain(core, block["text"].replace("**", "*")))


def _cell(core: Core, cell: Json) -> str:
    if cell["type"] == "raw_number":
        return str(cell.get("text") or cell["value"])
    if cell["type"] == "raw_text":
        return str(cell["text"])
    return " ".join(_rich_text(core, cell))


def _table(core: Core, block: Json) -> list[str]:
    rows = [[_cell(core, cell) for cell in row] for row in block["rows"]]
    columns = max(len(row) for row in rows)
    rows = [row + [""] * (columns - len(row)) for row in rows]
    widths = [max(len(row[at]) for row in rows) for at in range(columns)]
    settings = block.get("column_settings") or []
    right = {at for at, s in enumerate(settings) if s and s.get("align") == "right"}
    lines = [
        "  ".join(
            cell.rjust(widths[at]) if at in right else cell.ljust(widths[at])
            for at, cell in enumerate(row)
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return ([block["caption"]] if block.get("caption") else []) + lines


def _rich_text(core: Core, block: Json) -> list[str]:
    lines: list[str] = []
    for part in block.get("elements", ()):
        kind = part["type"]
        if kind == "rich_text_list":
            items = ["".join(_rich_part(core, p) for p in i["elements"]) for i in part["elements"]]
            ordered = part.get("style") == "ordered"
            lines += [f"{n}. {t}" if ordered else f"• {t}" for n, t in enumerate(items, 1)]
        else:
            text = "".join(_rich_part(core, p) for p in part.get("elements", ()))
            mark = "> " if kind == "rich_text_quote" else ""
            lines += [f"{mark}{line}" for line in text.rstrip("\n").split("\n")]
    return lines


def _rich_part(core: Core, part: Json) -> str:
    kind = part["type"]
    if kind == "user":
        return f"@{core.workspace.real_name(part['user_id'])}"
    if kind == "emoji":
        return EMOJI.get(part["name"], f":{part['name']}:")
    return str(part.get("text") or part.get("url") or part.get("fallback") or "")


def _task(core: Core, block: Json) -> list[str]:
    details = _rich_text(core, block["details"]) if block.get("details") else []
    return [f"[{block.get('status', 'pending')}] {block['title']}", *details]


def _plan(core: Core, block: Json) -> list[str]:
    return [
        block["title"],
        *(line for task in block.get("tasks", ()) for line in _task(core, task)),
    ]


def _container(core: Core, block: Json) -> list[str]:
    title = [_text(core, block["title"])] if block.get("title") else []
    return title + [line for child in block["child_blocks"] for line in block_lines(core, child)]


def _card(core: Core, block: Json) -> list[str]:
    lines = [_text(core, block[name]) for name in ("title", "subtitle", "body") if block.get(name)]
    return lines + _actions(core, {"elements": block["actions"]}) if block.get("actions") else lines


def _other(_core: Core, block: Json) -> list[str]:
    return [f"({block.get('alt_text') or block['type']})"]


RENDERERS: dict[str, Callable[[Core, Json], list[str]]] = {
    "header": _header,
    "section": _section,
    "actions": _actions,
    "context": _context,
    "input": _input,
    "markdown": _markdown,
    "table": _table,
    "data_table": _table,
    "rich_text": _rich_text,
    "task_card": _task,
    "plan": _plan,
    "container": _container,
    "card": _card,
    "alert": lambda core, block: _wrapped(_text(core, block["text"])),
    "divider": lambda _core, _block: ["-" * 48],
}


def dump(core: Core, calls: int = 25) -> str:
    """Everything that stands in the workspace, for the message of a test that waited in vain."""
    lines: list[str] = []
    for conversation in core.workspace.conversations.values():
        if conversation.messages:
            lines += [f"--- {conversation.id} {conversation.name or 'direct message'}"]
            lines.append(conversation_text(core, conversation.id))
    for user, stack in core.workspace.views.stacks.items():
        for view in stack:
            title = _text(core, view.content["title"])
            state = f"values {view.values} errors {view.errors} {view.error or ''}"
            lines.append(f"--- modal of {user}: {title!r} ({view.callback_id}) {state}")
    for notice in core.workspace.notices:
        lines.append(f"--- notice to {notice.user}: {notice.text}")
    lines.append("--- the last calls and envelopes")
    lines += [_entry_line(entry) for entry in list(core.journal)[-calls:]]
    return "\n".join(lines)


def _entry_line(entry: Any) -> str:
    took = "no answer" if entry.seconds is None else f"{entry.seconds * 1000:.0f} ms"
    state = entry.error or ("not acknowledged" if entry.acked is False else "ok")
    at = datetime.fromtimestamp(entry.at).astimezone().strftime("%H:%M:%S.%f")[:-3]
    what = entry.args.get("type") or entry.args.get("command") or entry.args.get("channel") or ""
    return f"{at} {entry.kind} {entry.method} {what} {state} {took}"
