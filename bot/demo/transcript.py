"""Slack messages as text for a terminal: who said what, blocks drawn as lines, tables with columns.

Pure: it takes messages as the Web API returns them and knows nothing of migrations.
"""

import html
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

Json: TypeAlias = Mapping[str, Any]
Names: TypeAlias = Mapping[str, str]

WIDTH: Final = 100
INDENT: Final = "    "

_EMOJI: Final[Mapping[str, str]] = {
    "white_check_mark": "✔",
    "no_entry_sign": "✘",
    "warning": "!",
    "x": "✘",
}
_MARKUP = re.compile(r"<([@#!]?)([^>|]*)(?:\|([^>]*))?>")
_SHORTCODE = re.compile(r":([a-z0-9_+-]+):")
_BOLD = re.compile(r"(?<![\w*])\*(?! )([^*\n]+)(?<! )\*(?![\w*])")
_CODE = re.compile(r"`{1,3}([^`]*)`{1,3}")


def transcript(messages: Iterable[Json], names: Names) -> str:
    """The messages one under the other; replies are indented under their root.

    Args:
        messages: Slack message objects (`ts`, `user`, `text`, `blocks`, `thread_ts`), in order.
        names: What to call the users, user groups and channels, by id.
    """
    return "\n\n".join(_message(message, names) for message in messages)


def plain(mrkdwn: str, names: Names) -> str:
    """Finished mrkdwn as people read it: names for ids, dates in UTC, no marks for bold, code or emoji."""
    text = _MARKUP.sub(lambda found: _named(found, names), mrkdwn)
    text = _SHORTCODE.sub(lambda found: _EMOJI.get(found[1], ""), text)
    text = _BOLD.sub(r"\1", _CODE.sub(r"\1", text))
    lines = (line.strip() if not line.startswith("  ") else line for line in text.splitlines())
    return html.unescape("\n".join(lines))


def _message(message: Json, names: Names) -> str:
    at = datetime.fromtimestamp(float(message["ts"]), tz=UTC)
    who = names.get(str(message.get("user", "")), str(message.get("user", "")))
    is_reply = message.get("thread_ts") not in {None, message["ts"]}
    margin = INDENT if is_reply else ""
    drawn = [line for block in message.get("blocks") or () for line in _block(block, names)]
    body = drawn or plain(str(message.get("text", "")), names).splitlines()
    lines = [f"{who} · {at:%H:%M:%S}", *(f"{INDENT}{line}" for line in body)]
    return "\n".join(f"{margin}{line}".rstrip() for line in lines)


def _block(block: Json, names: Names) -> Iterator[str]:
    drawer = _DRAWERS.get(str(block.get("type")))
    if drawer is not None:
        yield from drawer(block, names)


def _header(block: Json, _names: Names) -> Iterator[str]:
    yield f"== {block['text']['text']} =="


def _section(block: Json, names: Names) -> Iterator[str]:
    if "text" in block:
        yield from _wrapped(plain(block["text"]["text"], names))
    for field in block.get("fields", ()):
        label, _, value = plain(field["text"], names).partition("\n")
        yield f"{label}: {value}"


def _context(block: Json, names: Names) -> Iterator[str]:
    texts = (plain(str(each.get("text", "")), names) for each in block["elements"])
    yield from _wrapped(" · ".join(text for text in texts if text))


def _actions(block: Json, _names: Names) -> Iterator[str]:
    yield " ".join(f"[{each['text']['text']}]" for each in block["elements"] if "text" in each)


def _table(block: Json, _names: Names) -> Iterator[str]:
    rows = [[str(cell.get("text", "")) for cell in row] for row in block["rows"]]
    settings = block.get("column_settings") or []
    right = [(each or {}).get("align") == "right" for each in settings]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(_cells(row, widths, right)).rstrip()


def _cells(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    for place, (text, width) in enumerate(zip(row, widths, strict=True)):
        aligned_right = place < len(right) and right[place]
        yield text.rjust(width) if aligned_right else text.ljust(width)


def _wrapped(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from textwrap.wrap(line, WIDTH, drop_whitespace=False) or [""]


def _named(found: re.Match[str], names: Names) -> str:
    sign, body, label = found.groups()
    if sign == "!" and not body.startswith("subteam^"):
        return label or body
    known = names.get(body.removeprefix("subteam^"))
    if known is not None:
        return f"#{known}" if sign == "#" else f"@{known}"
    return label or f"{sign}{body}"


_DRAWERS: Final[Mapping[str, Callable[[Json, Names], Iterator[str]]]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "table": _table,
}
