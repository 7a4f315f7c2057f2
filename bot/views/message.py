"""Slack's blocks as plain dicts: small constructors that keep within Slack's limits, with margin, whatever they are given.

Limits: docs.slack.dev Block Kit reference. A message of more than about 13,200 characters in all is refused although no block
exceeds its own limit (bolt-js #2509), so `MESSAGE_CHARS` is what the builders stay below. Nothing here knows a migration.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from bot.views import text as t

Block: TypeAlias = dict[str, Any]

MESSAGE_CHARS = 12_000
SECTION_CHARS = 2_900
FIELD_CHARS = 1_900
FIELDS_MAX = 10
CONTEXT_CHARS = 1_900
HEADER_CHARS = 145
TEXT_CHARS = 1_200
CONFIRM_CHARS = 290
CELL_CHARS = 48
WRAP_FROM = 28


class Message(NamedTuple):
    """What `chat.postMessage` and `chat.update` take: `text` is a whole sentence, it is what notifications and readers say."""

    text: str
    blocks: list[Block]


class Column(NamedTuple):
    """A table's column: its heading and whether it holds numbers (aligned right)."""

    heading: str
    numeric: bool = False


def message(sentence: str, *blocks: Block | None) -> Message:
    """A message of the blocks that are there; `sentence` is finished mrkdwn, of which notifications show no code marks."""
    spoken = " ".join(sentence.replace("`", "").split())
    return Message(_cut(spoken, TEXT_CHARS), [block for block in blocks if block])


def mrkdwn(text: str, limit: int = SECTION_CHARS) -> Block:
    """A mrkdwn text object; `text` is finished mrkdwn. Bare addresses and @names in it stay plain text (`verbatim`)."""
    return {"type": "mrkdwn", "text": _cut(text, limit), "verbatim": True}


def plain(text: str, limit: int) -> Block:
    """A plain_text text object: shown as it is, no markup, no emoji codes."""
    return {"type": "plain_text", "text": t.shorten(text, limit) or "–", "emoji": False}


def header(text: str) -> Block:
    """A header of one line."""
    return {"type": "header", "text": plain(text, HEADER_CHARS)}


def section(text: str) -> Block | None:
    """A paragraph of finished mrkdwn, or nothing when there is none."""
    return {"type": "section", "text": mrkdwn(text)} if text.strip() else None


def fields(*pairs: tuple[str, str]) -> Block | None:
    """Two columns of labelled values (finished mrkdwn); pairs without a value are left out."""
    shown = [mrkdwn(f"*{label}*\n{value}", FIELD_CHARS) for label, value in pairs if value]
    return {"type": "section", "fields": shown[:FIELDS_MAX]} if shown else None


def context(*parts: str) -> Block | None:
    """Small grey text: the parts that are not empty, one element each."""
    shown = [mrkdwn(part, CONTEXT_CHARS) for part in parts if part.strip()]
    return {"type": "context", "elements": shown[:10]} if shown else None


def divider() -> Block:
    """A line across."""
    return {"type": "divider"}


def actions(row: str, *elements: Block | None) -> Block | None:
    """A row of buttons, or nothing when there is none.

    Args:
        row: Its name, once in a message and the same in each rendering: what Slack would make up for it changes with
            every update, and a click whose question was answered after an update would find its row gone.
        elements: The buttons and menus that there are now.
    """
    shown = [element for element in elements if element]
    return {"type": "actions", "block_id": row, "elements": shown[:25]} if shown else None


def button(
    label: str,
    action_id: str,
    value: str,
    *,
    style: str = "",
    confirm: Block | None = None,
    says: str = "",
) -> Block:
    """A button.

    Args:
        label: What stands on it.
        action_id: What the listener hears.
        value: What comes with the click, at most 2,000 characters.
        style: "primary", "danger" or nothing.
        confirm: The dialog before it acts.
        says: What a screen reader says instead of the label.
    """
    element: Block = {
        "type": "button",
        "text": plain(label, 70),
        "action_id": action_id,
        "value": value,
    }
    optional = {"style": style, "confirm": confirm, "accessibility_label": t.shorten(says, 75)}
    return element | {name: given for name, given in optional.items() if given}


def confirm(title: str, text: str, yes: str, no: str, *, danger: bool = False) -> Block:
    """A dialog that asks before a button acts. Slack takes plain text only here."""
    dialog: Block = {
        "title": plain(title, 95),
        "text": plain(text, CONFIRM_CHARS),
        "confirm": plain(yes, 30),
        "deny": plain(no, 30),
    }
    return dialog | {"style": "danger"} if danger else dialog


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Block | None:
    """A table (messages only, one a message, at most 100 rows with the headings); nothing when there are no rows.

    Cells are shown as they are (`raw_text`): no markup, so nothing is escaped.
    """
    if not rows:
        return None
    headings = [_cell(column.heading) for column in columns]
    body = [[_cell(text) for text in row] for row in rows[:99]]
    settings = [
        {"align": "right" if column.numeric else "left", "is_wrapped": _is_wide(cells)}
        for column, cells in zip(columns, zip(*body, strict=True), strict=True)
    ]
    return {"type": "table", "column_settings": settings, "rows": [headings, *body]}


def _cell(text: str) -> Block:
    return {"type": "raw_text", "text": t.shorten_middle(t.visible(text), CELL_CHARS) or "–"}


def _is_wide(cells: Sequence[Block]) -> bool:
    """Whether a column needs several lines; clients give one that wraps more room than short names need."""
    return any(len(cell["text"]) > WRAP_FROM for cell in cells)


def _cut(text: str, limit: int) -> str:
    """The last line of defence: builders fit their text beforehand. It never cuts inside a mention, a date or an escape."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    if kept.rfind("&") > kept.rfind(";"):
        kept = kept[: kept.rfind("&")]
    opened = kept.find("<", kept.rfind(">") + 1)
    if opened >= 0:
        kept = kept[:opened]
    return kept + t.ELLIPSIS


def characters(message: Message) -> int:
    """All characters that a reader could see in a message: what counts against `MESSAGE_CHARS`."""
    return len(message.text) + sum(len(text) for block in message.blocks for text in _texts(block))


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "text" and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
