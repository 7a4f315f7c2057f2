"""The Home tab over a real socket: the jobs, their pages and filters, what a role is offered, and what a click there does."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.jobs import RIGHTS, Jobs
from bot.ledger import BotLedger
from bot.sandbox import words_of
from bot.sandbox.blocks import check_view
from bot.service import Service
from bot.settings import Settings
from bot.views import buttons, details, freeze, home
from bot.views.home import HomeState, home_view, parse
from engine.ledger import Ledger, new_owner
from engine.lifecycle import EventName, Status
from engine.model import CollectionReport, Migration, Plan
from tests.bot.requests import waiting, wish
from tests.bot.story import ADA, ADMINS, CHANNEL, GRACE, LINUS, OLGA, Story


def ended(ledger: Ledger, count: int, requester: str = ADA, target: str = "new") -> list[str]:
    """So many requests that were canceled, the newest first."""
    with ledger.transaction() as tx:
        made = [
            tx.add_migration(wish(number, target), requester=requester) for number in range(count)
        ]
        for each in made:
            tx.apply(each.id, EventName.CANCEL, actor=requester)
    return [each.id for each in made][::-1]


def paused(ledger: Ledger, requester: str = ADA) -> Migration:
    """A migration that was approved and rests."""
    migration = waiting(ledger, requester)
    with ledger.transaction() as tx:
        tx.apply(migration.id, EventName.APPROVE, actor=OLGA)
        return tx.apply(migration.id, EventName.PAUSE, actor=OLGA)


@pytest.fixture
def jobs(ledger: Ledger, records: BotLedger, service: Service) -> Jobs:
    """Pages of the jobs, for U0OWNER, U0ADMIN, U0HALF and strangers."""
    return Jobs(service._settings, ledger, records, service._directory, service._cards)


@pytest.mark.parametrize("count", [0, 1, 25, 500])
def test_any_number_of_jobs_is_shown_page_by_page(jobs: Jobs, ledger: Ledger, count: int) -> None:
    """Each page is a view that Slack takes; down and up again they hold each job once, and none has more blocks than fit."""
    ids = ended(ledger, count)
    state, seen = HomeState(), list[str]()
    for _ in range(count // home.JOBS + 1):
        page = jobs.page("U0ADMIN", state)
        view = home_view(page)
        assert check_view(view) == []
        assert len(view["blocks"]) <= 95
        seen += [job.card.migration.id for job in page.jobs]
        state = parse(view).model_copy(update={"before": parse(view).last})
    assert seen == ids
    last = jobs.page("U0ADMIN", parse(view))
    assert last.total == count
    state, up = parse(view), 0
    while state.before:
        state, up = jobs.above("U0ADMIN", state), up + 1
    assert up == max(0, (count - 1) // home.JOBS)


OFFERED: dict[str, set[str]] = {
    "U0OWNER": {buttons.CANCEL, buttons.PAUSE, buttons.RESUME, buttons.REPAIR, buttons.REMIGRATE},
    "U0ADMIN": {buttons.CANCEL, buttons.PAUSE, buttons.RESUME, buttons.REPAIR, buttons.REMIGRATE},
    "U0HALF": {buttons.CANCEL, buttons.PAUSE},
    "U0ASKED": {buttons.CANCEL, buttons.PAUSE},
    "U0STRANGER": set(),
}
"""A role in both projects; in one of them; who asked; nobody."""


@pytest.mark.parametrize("user", OFFERED)
def test_only_what_a_role_may_do_is_offered(
    user: str, jobs: Jobs, awaiting: Callable[..., Migration], service: Service
) -> None:
    """Acts on a job, a new migration, a freeze and its end: each for the roles that may."""
    awaiting("U0ASKED")
    page = jobs.page(user, HomeState())
    assert OFFERED[user] <= set(page.jobs[0].offered)
    assert bool(OFFERED[user]) == bool(page.jobs[0].offered)
    assert buttons.RESUME in OFFERED[user] or buttons.RESUME not in page.jobs[0].offered
    has_role = user in {"U0OWNER", "U0ADMIN", "U0HALF"}
    assert set(page.offered) == ({home.NEW_REQUEST, freeze.FREEZE} if has_role else set())
    assert ("You may look." in page.role) is not has_role
    assert service.freeze("U0OTHER", "audit").done
    frozen = jobs.page(user, HomeState())
    assert frozen.freeze is not None
    assert (frozen.freeze.by, frozen.freeze.reason) == ("U0OTHER", "audit")
    assert (freeze.THAW in frozen.offered) is (user == "U0OWNER")


def test_a_job_whose_cluster_is_configured_no_longer_can_be_stopped(
    served: Callable[..., Service],
    configured: Callable[..., Settings],
    awaiting: Callable[..., Migration],
) -> None:
    """Cancel and Pause are offered to whoever has a role; to others nothing, and nobody is offered more."""
    awaiting("U0ASKED")
    clusters = {f"{n}-2": c.model_dump() for n, c in configured().clusters.items()}
    service = served(clusters=clusters)
    jobs = Jobs(
        service._settings, service._ledger, service._records, service._directory, service._cards
    )
    for user, offered in (("U0HALF", {buttons.CANCEL, buttons.PAUSE}), ("U0STRANGER", set())):
        assert set(jobs.page(user, HomeState()).jobs[0].offered) == offered


def test_every_act_on_a_job_has_a_right() -> None:
    """What a message's buttons do to a job, the tab offers to whom it may; decisions and ticks stand where their plan does."""
    elsewhere = {buttons.APPROVE, buttons.REJECT, buttons.BREAK_GLASS, buttons.TICK, buttons.UNTICK}
    assert set(RIGHTS) == set(buttons.ACTION_IDS) - elsewhere


@pytest.fixture
def tab(story_of: Callable[[Settings], Story], quiet: Settings) -> Story:
    """The bot in the workspace, over clusters that are not there."""
    return story_of(quiet)


class Tab:
    """A person before their Home tab."""

    def __init__(self, story: Story, user: str) -> None:
        self.story = story
        self.person = story.sandbox.user(user)
        self.person.open_home()
        self.until("as of")

    @property
    def words(self) -> str:
        """All that stands there."""
        return words_of(self.person.home or {})

    def until(self, *containing: str, without: str = "\0") -> str:
        """Wait until all of it stands there, and something else does not."""
        self.story.sandbox.wait_for(
            lambda: all(each in self.words for each in containing) and without not in self.words,
            30,
            f"{containing} without {without!r} in the Home tab",
        )
        return self.words

    def click(self, action_id: str, value: Any = None) -> None:
        """Click something."""
        assert self.person.click("home", action_id, value)

    def offers(self, action_id: str) -> bool:
        """Whether it is there to be clicked."""
        return f"'{action_id}'" in str((self.person.home or {})["blocks"])

    def value_of(self, action_id: str) -> str:
        """What a button carries."""
        blocks = (self.person.home or {})["blocks"]
        found = [e for block in blocks for e in block.get("elements", ())]
        return str(next(e["value"] for e in found if e["action_id"] == action_id))


def test_filters_and_pages_are_kept_by_the_view_over_a_restart(tab: Story) -> None:
    """Grace filters and turns pages; another bot goes on where she was; jobs that are new meanwhile move nothing."""
    theirs = ended(tab.ledger, 40, ADA, "new")
    mine = ended(tab.ledger, 2, GRACE, "other")
    grace = Tab(tab, GRACE)
    grace.until("1–15 of 42 jobs", mine[0])
    offered = grace.person.suggest(home.TARGET, "", target="home")["options"]
    assert [each["text"]["text"] for each in offered] == ["Every target", "new", "other"]
    grace.click(home.TARGET, "new")
    grace.until("1–15 of 40 jobs", theirs[0], without=mine[0])
    grace.click(home.STATUS, "CANCELED")
    grace.click(home.NEXT)
    grace.until("16–30 of 40 jobs", theirs[15], without=theirs[14])
    tab.restart()
    ended(tab.ledger, 1, ADA, "new")
    grace.click(home.REFRESH)
    grace.until("17–31 of 41 jobs", theirs[15], theirs[29])
    grace.click(home.NEXT)
    grace.until("32–41 of 41 jobs", theirs[39])
    assert not grace.offers(home.NEXT)
    grace.click(home.PREVIOUS)
    grace.until("17–31 of 41 jobs")
    again = Tab(tab, GRACE)
    again.until("17–31 of 41 jobs")
    again.click(home.CREATED_BY, home.MINE)
    again.until("No job passes these filters")
    again.click(home.TARGET, home.EVERY)
    again.until("1–2 of 2 jobs", *mine)


def test_a_job_is_canceled_and_looked_into_from_the_home_tab(tab: Story) -> None:
    """View Details shows the log; Cancel asks, ends it, and its line says so at once, also under the next bot."""
    migration = paused(tab.ledger)
    grace = Tab(tab, GRACE)
    grace.until(migration.id, "Paused.")
    tab.restart()
    grace.click(buttons.DETAILS)
    seen = words_of(grace.person.wait_for_view(details.CALLBACK_ID))
    assert f"Pause asked for · <@{OLGA}>" in seen
    grace.person.close()
    assert not grace.person.click("home", buttons.CANCEL, confirm=False)
    assert tab.ledger.migration(migration.id).status is Status.PAUSED
    grace.click(buttons.CANCEL)
    grace.until("*CANCELED*", f"CANCELED: migration {migration.id}")
    assert tab.ledger.migration(migration.id).status is Status.CANCELED
    assert grace.offers(buttons.RESUME)
    grace.click(home.NEW_REQUEST)
    grace.person.wait_for_view("ferry_request")


def mismatched(ledger: Ledger, plan: Plan) -> str:
    """A migration that ended with a difference."""
    migration = waiting(ledger, OLGA, plan)
    with ledger.transaction() as tx:
        tx.apply(migration.id, EventName.APPROVE, actor=ADA)
    lease = ledger.claim(migration.id, new_owner())
    report = CollectionReport(name="articles", source_entities=10, missing=1)
    ledger.set_collection(lease, "articles", phase="verified", report=report)
    return ledger.finish(lease, EventName.MISMATCH).id


def test_every_button_is_refused_to_whose_role_is_gone(
    tab: Story, plan_for: Callable[..., Plan]
) -> None:
    """Each button of a tab that was drawn before the role was withdrawn: nothing happens, and the tab says why at the job."""
    resting, differing = paused(tab.ledger).id, mismatched(tab.ledger, plan_for())
    tab.sandbox.set_usergroup(ADMINS, [GRACE, LINUS])
    linus = Tab(tab, LINUS)
    linus.until(resting, differing)
    kept = linus.person.home
    assert kept is not None
    found = [e for block in kept["blocks"] for e in block.get("elements", ())]
    acts = [e for e in found if e.get("action_id") in buttons.ACTION_IDS]
    assert {(e["action_id"], e["value"].split()[0]) for e in acts} >= {
        (buttons.RESUME, resting),
        (buttons.CANCEL, resting),
        (buttons.REPAIR, differing),
        (buttons.REMIGRATE, differing),
    }
    tab.sandbox.set_usergroup(ADMINS, [GRACE])
    tab.restart()
    for number, act in enumerate(acts, 1):
        linus.click(home.REFRESH)
        linus.until("You may look.", without="You may not do this")
        assert linus.person.click(kept, act["action_id"], act["value"])
        linus.until("You may not do this", act["value"].split()[0])
        assert sum(e.outcome == "refused: no_role" for e in tab.ledger.audit()) == number
    assert linus.person.click(kept, freeze.FREEZE)
    linus.person.wait_for_view(freeze.CALLBACK_ID)
    assert linus.person.submit() is None
    linus.until(":no_entry_sign: You may not do this")
    assert tab.bot.records.open_freeze() is None
    assert tab.ledger.migration(resting).status is Status.PAUSED
    assert tab.ledger.migration(differing).status is Status.MISMATCHED
    assert len(tab.ledger.migrations()) == 2


def test_a_freeze_is_begun_and_ended_in_the_home_tab(tab: Story) -> None:
    """Olga freezes with a reason, everyone's tab says who and since when; she ends it; the channel is told of both."""
    olga = Tab(tab, OLGA)
    olga.click(freeze.FREEZE)
    olga.person.wait_for_view(freeze.CALLBACK_ID)
    olga.person.fill(freeze.REASON, "audit of <all>")
    assert olga.person.submit() is None
    olga.until(
        "*All migrations are frozen*", f"<@{OLGA}>", "audit of &lt;all&gt;", "Frozen: nothing"
    )
    linus = Tab(tab, LINUS)
    linus.until("*All migrations are frozen*", "You may look.")
    assert not linus.offers(freeze.THAW)
    assert not linus.offers(home.NEW_REQUEST)
    tab.restart()
    olga.click(freeze.THAW)
    olga.until("The freeze has ended", without="All migrations are frozen")
    tab.sandbox.wait_for(
        lambda: any("The freeze has ended" in words_of(m) for m in tab.sandbox.messages(CHANNEL)),
        30,
        "the end of the freeze in the channel",
    )


def test_a_doubled_freeze_and_thaw_of_the_tab_count_once(tab: Story) -> None:
    """Slack delivers the dialog and the click on End twice: one freeze, one end, and the tab says that it was done."""
    olga = Tab(tab, OLGA)
    olga.click(freeze.FREEZE)
    olga.person.wait_for_view(freeze.CALLBACK_ID)
    tab.sandbox.duplicate_next_envelope()
    assert olga.person.submit() is None
    olga.until("Frozen: nothing", without="already")
    tab.sandbox.duplicate_next_envelope()
    olga.click(freeze.THAW)
    olga.until("The freeze has ended", without="Nothing is frozen")
    envelopes = tab.sandbox.journal.envelopes
    tab.sandbox.wait_for(lambda: all(e.acked for e in envelopes("interactive")), 30, "all of it")
    tab.stop()
    told = [(row.act, row.outcome) for row in tab.ledger.audit() if row.actor == OLGA]
    assert told == [("freeze", "done"), ("thaw", "done")]
    assert "The freeze has ended" in olga.words


def test_the_tab_without_roles_is_still_a_list(tab: Story) -> None:
    """While Slack does not tell roles, the jobs are there, nothing is offered, and the tab says why."""
    ended(tab.ledger, 1)
    tab.restart()
    tab.sandbox.fail_next("usergroups.users.list", "fatal_error")
    linus = Tab(tab, LINUS)
    linus.until("Slack does not say at the moment which roles you have", "1 of 1 job")
    assert not linus.offers(home.NEW_REQUEST)
    linus.click(home.REFRESH)
    linus.until("You may look.")
