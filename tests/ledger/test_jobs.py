"""The list of jobs in pages: nothing is shown twice or left out, whatever is asked for meanwhile."""

from collections.abc import Callable

import pytest

from engine.ledger import JobFilter, Ledger
from engine.lifecycle import EventName, Status
from engine.model import Endpoint, Migration, Request


@pytest.fixture
def asked(ledger: Ledger) -> Callable[..., Migration]:
    """`asked(requester="U1", target="new")` records a request; each is for other collections."""

    def make(requester: str = "U1", target: str = "new", number: int = 0) -> Migration:
        wish = Request(
            source=Endpoint(name="old", uri="http://old:19530"),
            target=Endpoint(name=target, uri="http://x:19530"),
            collections=(f"c{number}",),
        )
        with ledger.transaction() as tx:
            return tx.add_migration(wish, requester=requester)

    return make


def test_pages_stand_still_while_jobs_are_added(
    ledger: Ledger, asked: Callable[..., Migration]
) -> None:
    """Down and up again over 25 jobs in pages of 10: each once, also when new ones come between two clicks."""
    ids = [asked(number=number).id for number in range(25)][::-1]
    everything = JobFilter()
    first = ledger.jobs(everything, limit=10)
    assert [each.id for each in first.migrations] == ids[:10]
    assert (first.newer, first.total, first.older) == (0, 25, 15)
    late = [asked(number=number).id for number in range(25, 28)][::-1]
    second = ledger.jobs(everything, limit=10, before=first.migrations[-1].id)
    assert [each.id for each in second.migrations] == ids[10:20]
    assert (second.newer, second.total, second.older) == (13, 28, 5)
    third = ledger.jobs(everything, limit=10, before=second.migrations[-1].id)
    assert [each.id for each in third.migrations] == ids[20:]
    assert third.older == 0
    above = ledger.page_above(everything, limit=10, before=second.migrations[-1].id)
    assert above == ids[9]
    top = ledger.page_above(everything, limit=10, before=above)
    assert top == late[-1]
    assert [each.id for each in ledger.jobs(everything, limit=10, before=top).migrations] == ids[
        :10
    ]
    assert ledger.page_above(everything, limit=10, before=top) == ""


def test_jobs_are_filtered_by_status_requester_and_target(
    ledger: Ledger, asked: Callable[..., Migration]
) -> None:
    """Each filter alone and all together; names are compared exactly."""
    mine = asked("U1", "New")
    theirs = asked("U2", "new", 1)
    odd = asked("U2", 'ne"w\\ü', 2)
    with ledger.transaction() as tx:
        tx.apply(theirs.id, EventName.CANCEL, actor="U2")

    def found(**wanted: object) -> set[str]:
        page = ledger.jobs(JobFilter(**wanted), limit=10)  # type: ignore[arg-type]  # as typed above
        assert page.total == len(page.migrations)
        return {each.id for each in page.migrations}

    assert found(requester="U1") == {mine.id}
    assert found(target="new") == {theirs.id}
    assert found(target='ne"w\\ü') == {odd.id}
    assert found(statuses={Status.CANCELED}) == {theirs.id}
    assert found(statuses={Status.CANCELED}, requester="U1", target="New") == set()
    assert found(statuses={Status.PLANNING}, requester="U2") == {odd.id}
    assert ledger.targets() == ("New", 'ne"w\\ü', "new")
    assert ledger.targets("NEW", limit=1) == ("New",)


def test_a_page_after_an_unknown_job_is_the_first(
    ledger: Ledger, asked: Callable[..., Migration]
) -> None:
    """A view of another ledger leads to the newest jobs instead of nowhere."""
    known = asked()
    page = ledger.jobs(JobFilter(), limit=10, before="M-GONE")
    assert [each.id for each in page.migrations] == [known.id]
    assert ledger.page_above(JobFilter(), limit=10, before="M-GONE") == ""
