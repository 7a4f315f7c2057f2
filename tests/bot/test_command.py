"""What is typed behind `/migrate`: the same acts as the buttons, for the same people, answered to the person alone."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bot.app import delivery_of
from bot.doctor import Finding
from bot.jobs import Jobs
from bot.ledger import BotLedger
from bot.listeners.command import Typed, answered
from bot.listeners.desk import Desk
from bot.notes import THROTTLED
from bot.service import Click, Service
from bot.settings import Settings
from bot.sources import Sources
from bot.verbs import EngineVerbs
from engine.ledger import AuditFilter, Ledger, new_owner
from engine.lifecycle import EventName, Status
from engine.model import Migration

Type = Callable[..., str]


@pytest.fixture
def typed(
    service: Service, ledger: Ledger, records: BotLedger, configured: Callable[..., Settings]
) -> Iterator[Type]:
    """`typed("pause M-1", user="U0OTHER", delivery="")`: the answer's text."""
    sources = Sources(configured(), EngineVerbs())
    settings = configured()
    jobs = Jobs(settings, ledger, records, service._directory, service._cards)
    found = (Finding("database", "it answers"), Finding("cluster new", "Nobody answers.", 5))
    desk = Desk(
        *(settings, service, service._cards, sources, lambda work, **_: work(), jobs),
        lambda: found,
        lambda _migration, _then: None,
    )

    def type_(text: str, user: str = "U0OTHER", delivery: str = "") -> str:
        word, _, rest = text.partition(" ")
        later: list[dict[str, Any]] = []
        typed = Typed(user, word, rest, delivery, lambda **said: later.append(said))
        said = [answered(desk, typed), *later]
        return "\n".join(str(each.get("text", "")) for each in said)

    yield type_
    sources.close()


@pytest.fixture
def queued(ledger: Ledger, service: Service, awaiting: Callable[..., Migration]) -> Migration:
    """A migration that was approved."""
    migration = awaiting()
    assert migration.plan is not None
    assert service.approve(Click("U0OTHER", migration.id), migration.plan.hash).done
    return ledger.migration(migration.id)


def test_a_migration_is_paused_resumed_and_canceled_by_typing(
    typed: Type, ledger: Ledger, queued: Migration
) -> None:
    """The id is understood in small letters and without its M-; the answer says how it stands now."""
    bare = queued.id.removeprefix("M-").lower()
    assert typed(f"PAUSE {bare}").endswith("is paused.")
    assert ledger.migration(queued.id).status is Status.PAUSED
    assert "is already" not in typed(f"resume m-{bare}")
    assert ledger.migration(queued.id).status is Status.QUEUED
    assert typed(f"cancel {queued.id}").endswith("was canceled.")
    assert "already canceled by <@U0OTHER>" in typed(f"cancel {queued.id}")


def test_retry_resumes_what_was_canceled_and_repairs_what_mismatched(
    typed: Type, ledger: Ledger, queued: Migration
) -> None:
    """One word for both: which event it is depends on how the migration ended; Repair's own word is always that."""
    typed(f"cancel {queued.id}")
    typed(f"retry {queued.id}")
    assert ledger.events(migration_id=queued.id)[-1].name == EventName.RESUME
    for word in ("retry", "repair"):
        ledger.finish(ledger.claim(queued.id, new_owner()), EventName.MISMATCH)
        typed(f"{word} {queued.id}")
        assert ledger.events(migration_id=queued.id)[-1].name == EventName.REPAIR


@pytest.mark.parametrize("word", ["cancel", "pause", "resume", "retry", "repair"])
def test_who_may_not_click_may_not_type(
    typed: Type, ledger: Ledger, queued: Migration, word: str
) -> None:
    """Somebody without a role is refused as at the button, and everyone may look."""
    if word in {"resume", "retry", "repair"}:
        typed(f"cancel {queued.id}")
    before = ledger.migration(queued.id).status
    assert "You may not do this" in typed(f"{word} {queued.id}", "U0STRANGER")
    assert ledger.migration(queued.id).status is before
    assert queued.id in typed(f"status {queued.id}", "U0STRANGER")


@pytest.mark.parametrize("word", ["status", "cancel", "pause", "resume", "retry", "repair"])
def test_what_is_typed_wrongly_is_answered_with_the_usage_that_fits(typed: Type, word: str) -> None:
    """No id, or more than an id, is answered with the line of that word alone; an unknown id is said to be unknown."""
    for text in (word, f"{word} M-1 M-2"):
        said = typed(text)
        assert said.startswith(f"*/migrate {word} ID*")
        assert "Nothing was done." in said
        assert said.count("*/migrate") == 1
    assert "does not know this migration" in typed(f"{word} 0000000")


def test_a_command_that_slack_sends_again_counts_once(
    typed: Type, ledger: Ledger, queued: Migration
) -> None:
    """The trigger of a command tells its deliveries apart; the second has no effect and no answer."""
    body = {"command": "/migrate", "user_id": "U0OTHER", "trigger_id": "1.2.3"}
    key = delivery_of(body)
    assert key != delivery_of(body | {"trigger_id": "1.2.4"})
    assert typed(f"pause {queued.id}", delivery=key)
    typed(f"resume {queued.id}")
    assert typed(f"pause {queued.id}", delivery=key) == ""
    assert ledger.migration(queued.id).status is Status.QUEUED


def test_a_late_copy_of_a_freeze_or_a_thaw_changes_nothing(typed: Type, records: BotLedger) -> None:
    """Freeze, thaw, and both once more as they were sent: each counts once, and its copy is not answered."""
    freeze, thaw = "command:1", "command:2"
    assert typed("freeze audit", delivery=freeze).startswith("Frozen")
    assert typed("thaw", delivery=thaw).startswith("Thawed")
    assert typed("freeze audit", delivery=freeze) == ""
    assert records.open_freeze() is None
    assert typed("freeze again", delivery="command:3").startswith("Frozen")
    assert typed("thaw", delivery=thaw) == ""
    assert records.open_freeze() is not None


def test_who_may_not_end_a_freeze_is_told_who_may(typed: Type) -> None:
    """A Project Admin is not told to ask for the role that they have; when nothing is frozen, they hear that."""
    assert typed("thaw", "U0OTHER") == "Nothing is frozen by anyone. Nothing was changed."
    assert typed("freeze audit", "U0HALF").startswith("Frozen")
    said = typed("thaw", "U0OTHER")
    assert said.startswith("This freeze was begun by <@U0HALF>")
    assert "only they or an Organization Owner may end it" in said
    assert "Project Admin" not in said
    assert "You may not do this" in typed("thaw", "U0STRANGER")


def test_a_copy_is_limited_by_typing(typed: Type, ledger: Ledger, queued: Migration) -> None:
    """A role in one of the projects may throttle; the limit stands in the ledger, and who set it in which role in the trail."""
    assert typed(f"throttle {queued.id} 5000 20MB", "U0HALF").endswith(
        "copies at most 5,000 entities/s and 20 MB/s."
    )
    limit = ledger.migration(queued.id).throttle
    assert str(limit) == "5,000 entities/s and 20 MB/s"
    (row,) = ledger.audit(AuditFilter(migration_id=queued.id, act=THROTTLED))
    assert (row.actor, row.role) == ("U0HALF", "Project Admin of acme/search")
    assert "You may not do this" in typed(f"throttle {queued.id} off", "U0STRANGER")
    assert ledger.migration(queued.id).throttle == limit
    assert typed(f"throttle {queued.id.lower()} OFF").endswith("copies as fast as it can.")
    assert ledger.migration(queued.id).throttle is None


def test_who_asked_and_has_no_role_may_stop_it_and_not_speed_it_up(
    typed: Type, ledger: Ledger, awaiting: Callable[..., Migration]
) -> None:
    """A throttle that an operator has set is not lifted by the requester alone; canceling is the safe side."""
    migration = awaiting("U0ASKED")
    assert typed(f"throttle {migration.id} 5000", "U0HALF").endswith("5,000 entities/s.")
    assert "You may not do this" in typed(f"throttle {migration.id} off", "U0ASKED")
    assert str(ledger.migration(migration.id).throttle) == "5,000 entities/s"
    assert typed(f"cancel {migration.id}", "U0ASKED").endswith("was canceled.")


@pytest.mark.parametrize("limit", ["", "fast", "-1", "0"])
def test_a_limit_that_is_none_is_answered_with_how_to_write_one(
    typed: Type, ledger: Ledger, queued: Migration, limit: str
) -> None:
    """The usage of the word and the forms of a limit; nothing is changed."""
    said = typed(f"throttle {queued.id} {limit}")
    assert said.startswith("*/migrate throttle ID 5000 | 20MB | off*")
    assert "Write entities per second (5000)" in said
    assert ledger.migration(queued.id).throttle is None


def test_what_has_ended_for_good_is_not_limited(
    typed: Type, ledger: Ledger, awaiting: Callable[..., Migration]
) -> None:
    """A rejected request copies nothing; whoever would limit it is told that it has ended."""
    migration = awaiting()
    with ledger.transaction() as act:
        act.apply(migration.id, EventName.REJECT, actor="U0OTHER")
    assert "nothing to throttle" in typed(f"throttle {migration.id} 5000")


@pytest.fixture
def ended(ledger: Ledger, queued: Migration) -> Migration:
    """A migration that ended well."""
    return ledger.finish(ledger.claim(queued.id, new_owner()), EventName.SUCCEED)


def test_an_undo_is_typed_twice_before_it_is_asked_for(
    typed: Type, ledger: Ledger, ended: Migration
) -> None:
    """Without "yes" it says what would be dropped and what not, and changes nothing; with it the undo is asked for, once."""
    said = typed(f"undo {ended.id.lower()}")
    assert "DROPS on new/default" in said
    assert "articles" in said
    assert f"/migrate undo {ended.id} yes" in said
    assert ledger.migration(ended.id).status is Status.SUCCESSFUL
    assert "You may not do this" in typed(f"undo {ended.id}", user="U0HALF")
    assert "You may not do this" in typed(f"undo {ended.id} yes", user="U0HALF")
    for wrong in ("undo", f"undo {ended.id} no", f"undo {ended.id} yes yes"):
        assert "*/migrate undo ID [yes]*" in typed(wrong)
    assert "waits to be undone" in typed(f"undo {ended.id} yes")
    assert ledger.migration(ended.id).status is Status.UNDO_ASKED
    assert "already asked for by <@U0OTHER>" in typed(f"undo {ended.id} yes", user="U0OWNER")
    assert "is complete and verified" in typed(f"cancel {ended.id}")


def test_a_verification_is_asked_for_by_typing(
    typed: Type, ledger: Ledger, ended: Migration
) -> None:
    """The word verify queues what has ended; what waits already is refused with how it stands."""
    assert "*/migrate verify ID*" in typed("verify")
    assert typed(f"verify {ended.id}").startswith("PENDING: ")
    assert ledger.asked_of(ended.id) is EventName.VERIFY
    assert "cannot be verified again" in typed(f"verify {ended.id}")


def test_the_doctor_looks_for_whoever_has_a_role(typed: Type) -> None:
    """What is not well is counted; who has no role is refused; a word too many is answered with the usage."""
    said = typed("doctor")
    assert said.startswith("Looking at Slack")
    assert "1 of 2 parts is not well" in said
    assert "You may not do this" in typed("doctor", user="U0NOBODY")
    assert "*/migrate doctor*" in typed("doctor now")
