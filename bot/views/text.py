"""Text for Slack: escaping, clipping, numbers, sizes, durations, bars and dates; pure functions on strings.

Nothing here knows a migration or a block. Slack's rules: only `&`, `<` and `>` are escaped in mrkdwn, and nothing in plain_text
(docs.slack.dev, "Formatting message text").
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

ELLIPSIS = "…"
BAR_WIDTH = 20
"""Cells of a bar: with label and percentage it fits one line on a telephone."""

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SLACK_USER = re.compile(r"[UW][A-Z0-9]{2,20}")
_MENTION = re.compile(
    r"<@[UW][A-Z0-9]{2,20}>|<!subteam\^S[A-Z0-9]{2,20}>|\b\d{4}-\d\d-\d\d \d\d:\d\d UTC\b"
)
_UTC = "%Y-%m-%d %H:%M UTC"
_SIZE_UNITS = ("kB", "MB", "GB", "TB", "PB")
_UNIT = 1000
_WHOLE_FROM = 100
_MINUTE = 60
_HOUR = 3600
_DAY = 86400


def visible(text: str) -> str:
    r"""`text` with everything invisible written out (`\n`, `\u202e`), so that two different names never look the same."""
    if text.isprintable():
        return text
    return "".join(_shown(char) for char in text)


def _shown(char: str) -> str:
    if unicodedata.category(char) not in _HIDDEN_CATEGORIES:
        return char
    if char in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[char]
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"  # noqa: PLR2004  # the BMP


def prose(text: str) -> str:
    """What a person wrote, for display: line breaks and joiners stay, other invisible characters go."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in lines if _is_prose(char)).strip()


def _is_prose(char: str) -> bool:
    return char == "\n" or char in _JOINERS or unicodedata.category(char) not in _HIDDEN_CATEGORIES


def escape(text: str) -> str:
    """`text` for mrkdwn: nothing in it can become a mention, a link or a date."""
    return "".join(_ENTITIES.get(char, char) for char in text)


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters of `text`; what is cut off is shown by an ellipsis. No escaping: for plain_text."""
    if len(text) <= limit:
        return text
    return text[: max(limit - 1, 0)] + ELLIPSIS if limit > 0 else ""


def shorten_middle(text: str, limit: int) -> str:
    """As `shorten`, but keeps both ends: long names often differ only in their last characters."""
    if len(text) <= limit or limit < 3:  # noqa: PLR2004  # one character each side of the ellipsis
        return shorten(text, limit)
    tail = (limit - 1) // 2
    return text[: limit - 1 - tail] + ELLIPSIS + text[-tail:]


def clip(text: str, limit: int) -> str:
    """`text` escaped, at most `limit` characters long after escaping, never cut inside an escape."""
    if len(text) <= limit and len(escaped := escape(text)) <= limit:
        return escaped
    kept, room = [], limit - 1
    for char in text:
        piece = _ENTITIES.get(char, char)
        if len(piece) > room:
            break
        kept.append(piece)
        room -= len(piece)
    return "".join(kept) + ELLIPSIS if limit > 0 else ""


def code(text: str, limit: int = 60) -> str:
    """A name or key as inline code, escaped, every character visible, cut in the middle after `limit` characters."""
    cut = shorten_middle(text, limit)  # first, because keys can be 65,535 characters long
    shown = shorten_middle(visible(cut), limit).replace("`", "\u02cb")
    return f"`{clip(shown, 2 * limit)}`" if shown.strip() else "`(empty)`"


def quote(text: str, limit: int = 600) -> str:
    """What a person wrote, escaped, as a quotation of at most about `limit` characters."""
    said = clip(prose(text), limit)
    return "\n".join(f">{line}" for line in said.split("\n")[:12]) if said else ""


def keep_mentions(text: str, limit: int = 600) -> str:
    """`text` escaped except for well-formed mentions of users (`<@U…>`) and user groups (`<!subteam^S…>`).

    Moments as `utc` writes them ("2026-11-03 02:14 UTC") are shown in the reader's own time zone. What is longer than `limit` ends
    at a blank before it, so that no mention is cut.
    """
    if len(text) > limit:
        text = text[:limit].rpartition(" ")[0].rstrip(", ") + " and others"
    parts: list[str] = []
    start = 0
    for match in _MENTION.finditer(text):
        parts += [escape(text[start : match.start()]), _local(match.group())]
        start = match.end()
    return "".join((*parts, escape(text[start:])))


def person(user: str) -> str:
    """A Slack user id as a mention; anything else (`user@host`, a worker's name) as code."""
    return f"<@{user}>" if _SLACK_USER.fullmatch(user) else code(user)


def number(value: int) -> str:
    """12345678 as "12,345,678"."""
    return f"{value:,}"


def counted(value: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 entity", "2 entities"."""
    return f"{number(value)} {noun if value == 1 else plural or noun + 's'}"


def entities(value: int) -> str:
    """A number of entities: "31,000 entities"."""
    return counted(value, "entity", "entities")


def size(count: float) -> str:
    """Bytes in decimal units: 1234567890 as "1.2 GB"; not finite or negative as "0 B"."""
    amount = count if math.isfinite(count) and count > 0 else 0.0
    if amount < _UNIT:
        return f"{int(amount)} B"
    for unit in _SIZE_UNITS:
        amount /= _UNIT
        if round(amount) < _UNIT or unit == _SIZE_UNITS[-1]:
            break
    return f"{amount:,.0f} {unit}" if round(amount, 1) >= _WHOLE_FROM else f"{amount:.1f} {unit}"


def per_second(value: float) -> str:
    """A rate without its unit: one digit after the point below 10, thousands separators above."""
    if not math.isfinite(value) or value <= 0:
        return "0"
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"  # noqa: PLR2004  # where a tenth stops mattering


def duration(seconds: float) -> str:
    """Seconds for people: "0.4 s", "12 s", "3 min 05 s", "1 h 02 min", "2 d 03 h"; negative or not finite as "0 s"."""
    if not math.isfinite(seconds) or seconds <= 0:
        return "0 s"
    if seconds < 9.95:  # noqa: PLR2004  # below this a tenth is worth showing
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR:02d} h"


def roughly(seconds: float) -> str:
    """An estimate, as exact as one is: "less than a minute", "about 7 min", "about 2 h 30 min", "about 3 days"."""
    if not math.isfinite(seconds) or seconds < _MINUTE:
        return "less than a minute"
    minutes = math.ceil(seconds / _MINUTE)
    if minutes <= 10:  # noqa: PLR2004  # from here on by fives
        return f"about {minutes} min"
    step = 5 if minutes < 60 else 10  # noqa: PLR2004  # an hour
    minutes = math.ceil(minutes / step) * step
    if minutes < 60:  # noqa: PLR2004
        return f"about {minutes} min"
    if seconds < 2 * _DAY:
        hours, rest = divmod(minutes, 60)
        return f"about {hours} h {rest:02d} min" if rest else f"about {hours} h"
    return f"about {counted(math.ceil(seconds / _DAY), 'day')}"


def fraction(done: float, total: float) -> float:
    """The part that is done, from 0.0 to 1.0; nothing to do counts as done, never above 1."""
    if not (math.isfinite(done) and math.isfinite(total)) or total <= 0:
        return 1.0 if total == 0 else 0.0
    return min(max(done / total, 0.0), 1.0)


def percent(part: float) -> str:
    """A fraction as "42 %": rounded down, so that 100 % means all of it."""
    return f"{math.floor(min(max(part, 0.0), 1.0) * 100 + 1e-9) if part < 1 else 100} %"


def bar(part: float, width: int = BAR_WIDTH) -> str:
    """A bar of always `width` characters; full only when all is done, not empty once something is."""
    bounded = min(max(part, 0.0), 1.0) if math.isfinite(part) else 0.0
    filled = width if bounded == 1 else min(math.floor(bounded * width), width - 1)
    if bounded > 0 and width > 1:
        filled = max(filled, 1)
    return "█" * filled + "░" * (width - filled)


def when(moment: datetime, *, only_time: bool = False) -> str:
    """A moment as Slack's date markup, which each reader sees in their own time zone; in UTC where markup is not shown."""
    layout = "{time_secs}" if only_time else "{date_short_pretty} {time}"
    return f"<!date^{int(moment.timestamp())}^{layout}|{utc(moment)}>"


def utc(moment: datetime) -> str:
    """A moment in UTC as plain text: "2026-11-03 02:14 UTC"."""
    return datetime.fromtimestamp(moment.timestamp(), tz=UTC).strftime(_UTC)


def _local(found: str) -> str:
    """A mention as it is; a moment in UTC as Slack's date markup, where the calendar has it."""
    if found.startswith("<"):
        return found
    try:
        return when(datetime.strptime(found, _UTC).replace(tzinfo=UTC))
    except ValueError:
        return found


def listing(
    items: Sequence[str], *, first: int, limit: int, rest: str = "", total: int | None = None
) -> str:
    """`items` as lines with bullets: the first ones that fit, then "and 37 more" with `rest` behind it.

    Args:
        items: Finished mrkdwn, one line each.
        first: The most items to show.
        limit: The most characters of the answer.
        rest: What follows the number, e.g. ", see the file".
        total: How many there are in all, when `items` are only the first of them.
    """
    lines: list[str] = []
    room = limit - 60 - len(rest)
    for item in items[:first]:
        line = f"• {item}"
        if len(line) + 1 > room:
            break
        lines.append(line)
        room -= len(line) + 1
    left = max(total or 0, len(items)) - len(lines)
    if left > 0:
        lines.append(f"• and {number(left)} more{rest}" if lines else f"• {number(left)}{rest}")
    return "\n".join(lines)


def sentence(text: str) -> str:
    """`text` with a full stop at its end when it has none."""
    stripped = text.strip()
    return stripped if not stripped or stripped[-1] in ".?:" else f"{stripped}."


def joined(parts: Iterable[str], separator: str = " ") -> str:
    """The parts that are not empty, with the separator between them."""
    return separator.join(part for part in parts if part)
