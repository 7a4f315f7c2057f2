"""What an approval needs and when nothing starts: the policy for all targets, and what a single target changes of it.

A cluster's `policy` names only what differs there. Nothing here reads a clock: the time comes in as an argument.
"""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, field_validator, model_validator

from bot.settings.base import Section

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKLY: Final = re.compile(rf"(?:({'|'.join(_DAYS)}) )?([01]\d|2[0-3]):([0-5]\d)")
_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(weeks=1)

CHANNEL: Final = re.compile(r"[CG][A-Z0-9]{2,20}")


def _as_text(given: Any) -> str:
    # YAML reads a bare 18:00 as 1080, and a whole date with seconds as a date.
    if isinstance(given, int):
        raise ValueError('put it into quotes: "18:00"')  # noqa: TRY004  # pydantic shows ValueError as it is
    return given.isoformat() if isinstance(given, datetime) else str(given)


Moment = Annotated[str, BeforeValidator(_as_text)]


class FreezeWindow(Section):
    """A time in which nothing starts: once, every week, or every day.

    Attributes:
        start: `2026-12-20T18:00` (once), `fri 18:00` (every week) or `18:00` (every day).
        end: The same form; an end before the start is in the next week, or on the next day.
        timezone: Of both, e.g. `Europe/Berlin`.
        reason: Told to whoever waits.
    """

    start: Moment
    end: Moment
    timezone: str = "UTC"
    reason: str = ""

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"there is no time zone {name!r}") from None
        return name

    @model_validator(mode="after")
    def _ends_fit(self) -> "FreezeWindow":
        kinds = {_kind(self.start), _kind(self.end)}
        if len(kinds) != 1:
            raise ValueError("start and end must have the same form")
        if kinds == {"once"} and _once(self.end) <= _once(self.start):
            raise ValueError("it ends before it starts")
        if self.start == self.end:
            raise ValueError("start and end are the same")
        return self

    def until(self, now: datetime) -> datetime | None:
        """The end (aware, UTC) of the window that `now` (aware) lies in, or None when it lies in none."""
        zone = ZoneInfo(self.timezone)
        local = now.astimezone(zone).replace(tzinfo=None)
        if _kind(self.start) == "once":
            start, end = _once(self.start), _once(self.end)
        else:
            every = _WEEK if _kind(self.start) == "weekly" else _DAY
            begin = _offset(self.start)
            length = (_offset(self.end) - begin) % every
            midnight = datetime.combine(local.date(), time())
            base = midnight - timedelta(days=local.weekday()) if every is _WEEK else midnight
            start = local - (local - (base + begin)) % every
            end = start + length
        return end.replace(tzinfo=zone).astimezone(UTC) if start <= local < end else None


class Policy(Section):
    """What an approval needs, and when nothing starts.

    Attributes:
        approvals: How many different people must approve.
        requester_may_approve: Whether the person who asked may be one of them.
        request_expires_hours: How long a request waits for a decision.
        reminders_hours: So many hours before it expires, those who may approve are reminded.
        ticket_pattern: A regular expression; a request must name a ticket that it matches.
        break_glass_channel: The channel (C… or G…) that is told when someone starts a migration without the approvals; nobody can
            when it is left out.
        freeze_windows: When nothing starts.
    """

    approvals: int = Field(default=1, ge=1, le=9)
    requester_may_approve: bool = False
    request_expires_hours: float = Field(default=24.0, gt=0)
    reminders_hours: tuple[Annotated[float, Field(gt=0)], ...] = (4.0, 1.0)
    ticket_pattern: str = ""
    break_glass_channel: str = ""
    freeze_windows: tuple[FreezeWindow, ...] = ()

    @field_validator("ticket_pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"it is not a regular expression: {error}") from None
        return pattern

    @field_validator("break_glass_channel")
    @classmethod
    def _is_an_id(cls, channel: str) -> str:
        return channel_id(channel)

    def changed_by(self, own: "Policy | None") -> "Policy":
        """This policy with what another one names."""
        if own is None:
            return self
        return self.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})

    def ticket_in(self, text: str) -> str:
        """The ticket that a text names, or "" when it names none; "" also when none is asked for."""
        found = re.search(self.ticket_pattern, text) if self.ticket_pattern else None
        return found[0] if found else ""

    def window_at(self, now: datetime) -> tuple[FreezeWindow, datetime] | None:
        """The freeze window that `now` (aware) lies in, with its end; the one that ends last when several do."""
        open_windows = [
            (window, end) for window in self.freeze_windows if (end := window.until(now))
        ]
        return max(open_windows, key=lambda each: each[1], default=None)


def channel_id(channel: str) -> str:
    """A channel's id or nothing; raises ValueError for a name."""
    if channel and not CHANNEL.fullmatch(channel):
        raise ValueError("it must be a channel id (C…), not a name: see the channel's About tab")
    return channel


def _kind(moment: str) -> str:
    matched = _WEEKLY.fullmatch(moment)
    if matched:
        return "weekly" if matched[1] else "daily"
    _once(moment)
    return "once"


def _once(moment: str) -> datetime:
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        raise ValueError(
            f'{moment!r} is neither "2026-12-20T18:00" nor "fri 18:00" nor "18:00"'
        ) from None
    if at.tzinfo is not None:
        raise ValueError(f"{moment!r} has a time zone of its own; name it as timezone")
    return at


def _offset(moment: str) -> timedelta:
    """From the beginning of the week, or of the day."""
    matched = _WEEKLY.fullmatch(moment)
    assert matched is not None  # noqa: S101  # validated
    day, hours, minutes = matched.groups()
    days = _DAYS.index(day) if day else 0
    return timedelta(days=days, hours=int(hours), minutes=int(minutes))
