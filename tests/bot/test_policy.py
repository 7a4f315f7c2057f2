"""The policy per target, and when a freeze window is open."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from bot.settings import FreezeWindow, Policy, Settings
from engine.model import Endpoint

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "zone", "now", "until"),
    [
        ("fri 18:00", "mon 06:00", "UTC", "2026-11-20T17:59", None),
        ("fri 18:00", "mon 06:00", "UTC", "2026-11-20T18:00", "2026-11-23T06:00"),
        ("fri 18:00", "mon 06:00", "UTC", "2026-11-23T05:59", "2026-11-23T06:00"),
        ("fri 18:00", "mon 06:00", "UTC", "2026-11-23T06:00", None),
        ("fri 18:00", "mon 06:00", BERLIN, "2026-11-20T17:00", "2026-11-23T05:00"),
        ("sat 00:00", "sun 23:59", "UTC", "2026-11-21T12:00", "2026-11-22T23:59"),
        ("18:00", "08:00", "UTC", "2026-11-18T23:00", "2026-11-19T08:00"),
        ("18:00", "08:00", "UTC", "2026-11-19T07:00", "2026-11-19T08:00"),
        ("18:00", "08:00", "UTC", "2026-11-19T09:00", None),
        ("08:00", "18:00", "UTC", "2026-11-19T09:00", "2026-11-19T18:00"),
        ("2026-12-20T18:00", "2027-01-04T08:00", BERLIN, "2026-12-20T17:00", "2027-01-04T07:00"),
        ("2026-12-20T18:00", "2027-01-04T08:00", BERLIN, "2026-12-20T16:59", None),
    ],
)
def test_a_window_is_open_between_its_ends(
    start: str, end: str, zone: str, now: str, until: str | None
) -> None:
    """Once, weekly over the weekend, daily over midnight, in its own time zone: open from its start until before its end."""
    window = FreezeWindow(start=start, end=end, timezone=zone)
    assert window.until(at(now)) == (at(until) if until else None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"start": 1080, "end": "20:00"}, "quotes"),
        ({"start": "fri 18:00", "end": "20:00"}, "the same form"),
        ({"start": "someday", "end": "20:00"}, "is neither"),
        ({"start": "18:00", "end": "18:00"}, "are the same"),
        ({"start": "2026-12-20T18:00", "end": "2026-12-20T17:00"}, "ends before it starts"),
        ({"start": "2026-12-20T18:00+01:00", "end": "2026-12-21"}, "a time zone of its own"),
        ({"start": "18:00", "end": "20:00", "timezone": "Europe/Bertlin"}, "no time zone"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(given: dict[str, Any], said: str) -> None:
    """A window is checked when Ferry starts, not when it should be open."""
    with pytest.raises(ValidationError, match=said):
        FreezeWindow.model_validate(given)


def test_the_window_that_ends_last_is_named() -> None:
    """Of two open windows the one that is told is the one that has to be waited for."""
    short = FreezeWindow(start="08:00", end="18:00", reason="office hours")
    long = FreezeWindow(start="thu 08:00", end="fri 08:00", reason="inventory")
    policy = Policy(freeze_windows=(short, long))
    found = policy.window_at(at("2026-11-19T09:00"))
    assert found is not None
    assert (found[0].reason, found[1]) == ("inventory", at("2026-11-20T08:00"))
    assert policy.window_at(at("2026-11-17T19:00")) is None


def test_a_target_changes_only_what_it_names() -> None:
    """A cluster's own policy overrides the general one key by key; a cluster that is unknown has the general one."""
    settings = Settings.model_validate(
        {
            "policy": {"approvals": 2, "request_expires_hours": 8},
            "clusters": {
                "shop": {"uri": "http://shop:1", "policy": {"ticket_pattern": r"OPS-\d+"}},
                "lab": {"uri": "http://lab:1", "policy": {"approvals": 1}},
            },
        }
    )
    shop = settings.policy_of(settings.endpoint("shop"))
    assert (shop.approvals, shop.ticket_pattern, shop.request_expires_hours) == (2, r"OPS-\d+", 8)
    lab = settings.policy_of(settings.endpoint("lab"))
    assert (lab.approvals, lab.ticket_pattern) == (1, "")
    assert settings.policy_of(Endpoint(name="gone", uri="http://gone:1")).approvals == 2


def test_a_ticket_is_found_where_it_is_named() -> None:
    """The ticket is what matches the pattern; without a pattern nothing is asked for."""
    policy = Policy(ticket_pattern=r"\bOPS-\d+\b")
    assert policy.ticket_in("Move the shop (OPS-1312).") == "OPS-1312"
    assert policy.ticket_in("Move the shop.") == ""
    assert Policy().ticket_in("OPS-1") == ""


def test_a_broken_pattern_and_a_channels_name_are_refused() -> None:
    """What cannot work is refused when Ferry starts."""
    with pytest.raises(ValidationError, match="not a regular expression"):
        Policy(ticket_pattern="OPS-(")
    with pytest.raises(ValidationError, match="must be a channel id"):
        Policy(break_glass_channel="#alarm")
