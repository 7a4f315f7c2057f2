"""The form as a request: options that count only where they are shown, a proposed time, names behind the command."""

from datetime import UTC, datetime, timedelta

import pytest

from bot import intake
from bot.listeners import route
from bot.settings import Settings
from bot.views.request_modal import Field, RequestForm
from engine.model import AutoId, Throttle

NOW = datetime(2026, 11, 23, 7, 50, tzinfo=UTC)
FORM = RequestForm(
    source="old", source_database="shop", target="new", reason="Test", auto_id=AutoId.NEW
)


@pytest.fixture(scope="module")
def settings() -> Settings:
    """Two clusters in two projects; `new` is frozen every night and needs a ticket."""
    nightly = {"start": "18:00", "end": "06:00", "reason": "the batch"}
    policy = {"freeze_windows": [nightly], "ticket_pattern": "OPS-[0-9]+"}
    return Settings.model_validate(
        {
            "clusters": {
                "old": {"uri": "http://old:1", "project": "search", "databases": ["shop", "blog"]},
                "new": {"uri": "http://new:1", "project": "till", "policy": policy},
            }
        }
    )


def filled(**given: object) -> RequestForm:
    """The form with a ticket and what else is given."""
    return FORM.model_copy(update={"ticket": "OPS-1"} | given)


def test_a_policy_for_keys_counts_only_where_it_was_shown(settings: Settings) -> None:
    """A choice that the form hides again does not reach the request."""
    assert intake.asked(filled(), settings).request.auto_id is AutoId.KEEP
    assert intake.asked(filled(keys=True), settings).request.auto_id is AutoId.NEW
    assert intake.has_keys_in_question(filled(), ("cargo",))
    assert intake.has_keys_in_question(filled(collections=("a", "cargo")), ("cargo",))
    assert not intake.has_keys_in_question(filled(collections=("a",)), ("cargo",))
    assert not intake.has_keys_in_question(filled(), ())


def test_options_become_a_request(settings: Settings) -> None:
    """Time, throttle and the check of the source arrive as they were chosen; a time that is hidden does not."""
    at = int((NOW + timedelta(hours=2)).timestamp())
    form = filled(start="at", start_at=at, throttle="5000", check_source=True)
    assert intake.problems(form, settings, NOW) == {}
    asked = intake.asked(form, settings)
    assert asked.due_at == NOW + timedelta(hours=2)
    assert asked.throttle == Throttle(entities_per_second=5_000)
    assert asked.request.check_source
    assert intake.asked(filled(start_at=at), settings).due_at is None


def test_a_proposed_time_is_a_whole_hour_outside_of_freezes(settings: Settings) -> None:
    """It leaves half an hour for approval, and what falls into a freeze is moved to its end."""
    for hour, proposed in ((7, "09:00"), (16, "06:00"), (20, "06:00")):
        now = NOW.replace(hour=hour)
        at = datetime.fromtimestamp(intake.proposed_start(filled(), settings, now), UTC)
        assert (
            intake.problems(filled(start="at", start_at=int(at.timestamp())), settings, now) == {}
        )
        assert f"{at:%H:%M}" == proposed


def test_what_is_missing_is_said_at_its_field(settings: Settings) -> None:
    """An empty time, a wrong ticket, a throttle that is none: all at once."""
    form = filled(start="at", throttle="0", ticket="HELP-1", zone="Mars/Base")
    assert set(intake.problems(form, settings, NOW)) == {
        Field.START_AT,
        Field.THROTTLE,
        Field.TICKET,
    }
    past = intake.problems(form.model_copy(update={"start_at": 1}), settings, NOW)
    assert "it is Mon 2026-11-23 07:50 (UTC)" in past[Field.START_AT]


def test_the_form_says_where_a_cluster_belongs(settings: Settings) -> None:
    """Organization and project of both sides, the ticket that the target needs."""
    known = intake.known(FORM, settings)
    assert known.source_place == "Organization default, project search."
    assert known.target_place == "Organization default, project till."
    assert known.ticket_pattern == "OPS-[0-9]+"


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ("old new", ""),
        ("old/shop new/elsewhere", ""),
        ("old/nope new", "`nope` is none of them"),
        ("old nowhere", "There is no cluster `nowhere`"),
        ("nowhere/x new", "There is no cluster `nowhere`"),
        ("old", "It takes a source and a target"),
        ("old new more", "It takes a source and a target"),
        ("some words", ""),
    ],
)
def test_names_behind_the_command(settings: Settings, typed: str, wrong: str) -> None:
    """Two known names fill the form in; what is wrong is said; what names no cluster at all is none of it."""
    said = route.wrong(typed, settings)
    assert wrong in said
    assert bool(said) is bool(wrong)
    form = route.form_of(typed, settings)
    assert (form is None) is (bool(wrong) or typed == "some words")
    if typed == "old/shop new/elsewhere":
        assert form == RequestForm(
            source="old", source_database="shop", target="new", target_database="elsewhere"
        )
