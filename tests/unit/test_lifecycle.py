"""The table of states and events, read back from the pure function for every situation there is."""

from dataclasses import replace
from itertools import product

import pytest

from engine.lifecycle import (
    ATTEMPTS_MAX,
    Advance,
    EventName,
    Refused,
    Situation,
    Status,
    advance,
    canceling,
    is_resumable,
    is_terminal,
    zilliz_word,
)

E = EventName
S = Status

STOOD = {S.SUCCESSFUL, S.MISMATCHED, S.FAILED, S.CANCELED}
"""Where a migration may have stood when an undo was asked for."""
PROVED = {S.SUCCESSFUL, S.MISMATCHED}
"""Where it may have stood when a new verification was asked for."""

TABLE: dict[tuple[Status, EventName], set[Status]] = {
    (S.PLANNING, E.PLANNED): {S.AWAITING_APPROVAL},
    (S.PLANNING, E.ENQUEUE): {S.QUEUED},
    (S.PLANNING, E.FAIL): {S.FAILED},
    (S.PLANNING, E.CANCEL): {S.CANCELED},
    (S.AWAITING_APPROVAL, E.APPROVE): {S.QUEUED},
    (S.AWAITING_APPROVAL, E.REJECT): {S.REJECTED},
    (S.AWAITING_APPROVAL, E.EXPIRE): {S.EXPIRED},
    (S.AWAITING_APPROVAL, E.CANCEL): {S.CANCELED},
    (S.QUEUED, E.CLAIM): {S.RUNNING},
    (S.QUEUED, E.CANCEL): {S.QUEUED, S.CANCELED} | PROVED,
    (S.RUNNING, E.CLAIM): {S.RUNNING},
    (S.RUNNING, E.SUCCEED): {S.SUCCESSFUL},
    (S.RUNNING, E.MISMATCH): {S.MISMATCHED},
    (S.RUNNING, E.FAIL): {S.FAILED} | PROVED,
    (S.RUNNING, E.CANCELED): {S.CANCELED} | PROVED,
    (S.RUNNING, E.RELEASE): {S.QUEUED, S.CANCELED, S.PAUSED} | PROVED,
    (S.RUNNING, E.RESCUE): {S.QUEUED, S.CANCELED, S.FAILED, S.PAUSED} | PROVED,
    (S.RUNNING, E.CANCEL): {S.RUNNING, S.QUEUED, S.CANCELED} | PROVED,
    (S.FAILED, E.RESUME): {S.QUEUED},
    (S.CANCELED, E.RESUME): {S.QUEUED},
    (S.MISMATCHED, E.RESUME): {S.QUEUED},
    (S.FAILED, E.REPAIR): {S.QUEUED},
    (S.CANCELED, E.REPAIR): {S.QUEUED},
    (S.MISMATCHED, E.REPAIR): {S.QUEUED},
    (S.QUEUED, E.REOPEN): {S.PLANNING},
    (S.QUEUED, E.PAUSE): {S.PAUSED},
    (S.RUNNING, E.PAUSE): {S.RUNNING, S.PAUSED},
    (S.RUNNING, E.RESUME): {S.RUNNING},
    (S.PAUSED, E.RESUME): {S.QUEUED},
    (S.PAUSED, E.CANCEL): {S.QUEUED, S.CANCELED} | PROVED,
    (S.SUCCESSFUL, E.UNDO_NOW): {S.UNDOING},
    (S.MISMATCHED, E.UNDO_NOW): {S.UNDOING},
    (S.FAILED, E.UNDO_NOW): {S.UNDOING},
    (S.CANCELED, E.UNDO_NOW): {S.UNDOING},
    (S.UNDO_ASKED, E.UNDO): {S.UNDOING},
    (S.UNDOING, E.UNDO): {S.UNDOING},
    (S.UNDOING, E.DROP): {S.UNDOING},
    (S.UNDOING, E.UNDONE): {S.UNDONE},
    (S.UNDOING, E.FAIL): {S.FAILED},
    (S.UNDOING, E.UNDO_LEFT): STOOD,
    (S.UNDOING, E.RELEASE): {S.UNDO_ASKED},
    (S.UNDOING, E.RESCUE): STOOD | {S.UNDO_ASKED},
    (S.UNDO_ASKED, E.KEEP): STOOD,
    (S.SUCCESSFUL, E.ASK_UNDO): {S.UNDO_ASKED},
    (S.MISMATCHED, E.ASK_UNDO): {S.UNDO_ASKED},
    (S.FAILED, E.ASK_UNDO): {S.UNDO_ASKED},
    (S.CANCELED, E.ASK_UNDO): {S.UNDO_ASKED},
    (S.SUCCESSFUL, E.VERIFY): {S.QUEUED},
    (S.MISMATCHED, E.VERIFY): {S.QUEUED},
}
"""From (state, event) to every state that it may lead to; what is not here is refused."""


def situations(status: Status) -> list[Situation]:
    """All situations in a state, also those that cannot be reached."""
    flags = (False, True)
    undone = {S.UNDO_ASKED, S.UNDOING}
    stood = (
        STOOD if status in undone else PROVED if status in {S.QUEUED, S.RUNNING, S.PAUSED} else ()
    )
    borrowed = (False,) if status in {S.PLANNING, S.AWAITING_APPROVAL} else flags
    attempts = (0, 1, ATTEMPTS_MAX)
    return [
        Situation(status, *rest)
        for rest in product(flags, flags, attempts, flags, flags, (None, *stood), borrowed)
    ]


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("event", EventName)
def test_an_event_leads_where_the_table_says_and_nowhere_else(
    status: Status, event: EventName
) -> None:
    """Over all situations of a state, an event reaches exactly the states in the table; where there are none it is refused."""
    decisions = [advance(situation, event) for situation in situations(status)]
    reached = {decision.to.status for decision in decisions if isinstance(decision, Advance)}
    assert reached == TABLE.get((status, event), set())


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("event", EventName)
def test_a_refusal_is_a_sentence_for_people(status: Status, event: EventName) -> None:
    """Whatever is refused comes with one plain sentence."""
    for situation in situations(status):
        decision = advance(situation, event)
        if isinstance(decision, Refused):
            assert decision.sentence.startswith("It ")
            assert decision.sentence.endswith(".")
            assert "_" not in decision.sentence


def running(
    *,
    cancel_requested: bool = False,
    lease_live: bool = True,
    attempts: int = 1,
    pause_requested: bool = False,
) -> Situation:
    """A running migration."""
    return Situation(
        S.RUNNING,
        cancel_requested=cancel_requested,
        lease_live=lease_live,
        attempts=attempts,
        cleared=True,
        pause_requested=pause_requested,
    )


def ended(status: Status, *, cleared: bool) -> Situation:
    """A migration that was canceled after two attempts."""
    return Situation(status, cancel_requested=True, lease_live=False, attempts=2, cleared=cleared)


def test_cancel_of_a_live_worker_is_a_flag_only() -> None:
    """While its worker lives, a canceled migration goes on running with the flag set, until the worker stops."""
    decision = advance(running(), E.CANCEL)
    assert decision == Advance(running(cancel_requested=True))


def test_cancel_of_a_dead_worker_is_immediate() -> None:
    """A running migration whose lease is dead is canceled at once: nobody would see the flag."""
    decision = advance(running(lease_live=False), E.CANCEL)
    assert isinstance(decision, Advance)
    assert decision.to.status is S.CANCELED


def test_what_a_lost_worker_left_loaded_is_put_back_before_a_cancel_is_done() -> None:
    """A worker takes the canceled migration, puts back and ends it; a second cancel, or who keeps dying, ends it as it is."""
    left = replace(running(lease_live=False), borrowed=True)
    flagged = replace(left, cancel_requested=True)
    queued = replace(flagged, status=S.QUEUED)
    for status in (S.RUNNING, S.QUEUED, S.PAUSED):
        assert to_of(advance(replace(left, status=status), E.CANCEL)) == queued
    assert to_of(advance(flagged, E.RESCUE)) == queued
    assert to_of(advance(queued, E.CANCEL)).status is S.CANCELED
    assert isinstance(advance(queued, E.PAUSE), Refused)
    assert isinstance(advance(queued, E.REOPEN), Refused)
    taken = to_of(advance(queued, E.CLAIM))
    assert taken.cancel_requested
    assert to_of(advance(replace(taken, borrowed=False), E.CANCELED)).status is S.CANCELED
    dead = replace(taken, lease_live=False, attempts=ATTEMPTS_MAX)
    assert to_of(advance(dead, E.RESCUE)).status is S.CANCELED


@pytest.mark.parametrize("event", [E.SUCCEED, E.MISMATCH])
def test_cancel_wins_over_the_result(event: EventName) -> None:
    """Once cancel was requested no result is taken any more."""
    assert isinstance(advance(running(cancel_requested=True), event), Refused)
    assert isinstance(advance(running(), event), Advance)


def test_a_second_cancel_is_told_that_it_is_on_its_way() -> None:
    """Who cancels again is refused with the reason that it is already being canceled."""
    decision = advance(running(cancel_requested=True), E.CANCEL)
    assert isinstance(decision, Refused)
    assert "already being canceled" in decision.sentence


def test_a_rescue_gives_up_when_the_attempts_are_used_up() -> None:
    """The last worker's death fails the migration, the ones before it queue it again."""
    last = advance(running(lease_live=False, attempts=ATTEMPTS_MAX), E.RESCUE)
    before = advance(running(lease_live=False, attempts=ATTEMPTS_MAX - 1), E.RESCUE)
    assert isinstance(last, Advance)
    assert last.to.status is S.FAILED
    assert isinstance(before, Advance)
    assert before.to.status is S.QUEUED


def test_a_released_attempt_does_not_count() -> None:
    """A worker that hands the migration back on shutdown uses up no attempt."""
    decision = advance(running(attempts=3), E.RELEASE)
    assert isinstance(decision, Advance)
    assert decision.to.attempts == 2


@pytest.mark.parametrize("event", [E.RESUME, E.REPAIR, E.ASK_UNDO, E.UNDO_NOW])
def test_what_goes_on_cannot_go_around_the_approval(event: EventName) -> None:
    """What was canceled before it was approved is neither resumed, repaired nor undone; what was approved once is."""
    unapproved = ended(S.CANCELED, cleared=False)
    approved = ended(S.CANCELED, cleared=True)
    assert isinstance(advance(unapproved, event), Refused)
    if event in {E.ASK_UNDO, E.UNDO_NOW}:
        assert isinstance(advance(approved, event), Advance)
        return
    queued = Situation(S.QUEUED, cancel_requested=False, lease_live=False, attempts=0, cleared=True)
    assert advance(approved, event) == Advance(queued)


def test_a_cancel_takes_the_place_of_a_pause() -> None:
    """Who cancels what is being paused gets a cancel; who pauses what is being canceled is refused."""
    decision = advance(running(pause_requested=True), E.CANCEL)
    assert decision == Advance(running(cancel_requested=True))
    assert isinstance(advance(running(cancel_requested=True), E.PAUSE), Refused)


def test_a_result_is_not_held_back_by_a_pause() -> None:
    """What was proved before its worker heard of the pause has ended; there is nothing left to pause."""
    decision = advance(running(pause_requested=True), E.SUCCEED)
    assert isinstance(decision, Advance)
    assert (decision.to.status, decision.to.pause_requested) == (S.SUCCESSFUL, False)


@pytest.mark.parametrize("status", sorted(STOOD))
def test_an_undo_that_is_not_done_leaves_the_migration_as_it_stood(status: Status) -> None:
    """Taken back, refused or given up, it stands as before; from the first drop on it has failed, whoever lets go of it."""
    asked = to_of(advance(ended(status, cleared=True), E.ASK_UNDO))
    undoing = to_of(advance(asked, E.UNDO))
    dead = replace(undoing, lease_live=False)
    given_up = replace(dead, attempts=ATTEMPTS_MAX)
    for situation, event in ((asked, E.KEEP), (undoing, E.UNDO_LEFT), (given_up, E.RESCUE)):
        left = to_of(advance(situation, event))
        assert (left.status, left.stood) == (status, None)
    again = to_of(advance(dead, E.RESCUE))
    assert (again.status, again.attempts) == (S.UNDO_ASKED, 1)
    dropping = replace(to_of(advance(undoing, E.DROP)), lease_live=False)
    waiting = to_of(advance(dropping, E.RESCUE))
    assert to_of(advance(waiting, E.KEEP)).status is S.FAILED


@pytest.mark.parametrize("status", sorted(PROVED))
def test_a_verification_that_is_not_done_leaves_the_migration_as_it_stood(status: Status) -> None:
    """Canceled, failed, given up, also after a pause or a restart: it stands as before, and no cancel is left open."""
    ended = Situation(status, cancel_requested=False, lease_live=False, attempts=2, cleared=True)
    queued = to_of(advance(ended, E.VERIFY))
    assert (queued.status, queued.stood) == (S.QUEUED, status)
    assert isinstance(advance(queued, E.REOPEN), Refused)
    paused = to_of(advance(queued, E.PAUSE))
    again = to_of(advance(to_of(advance(paused, E.RESUME)), E.CLAIM))
    running = to_of(advance(to_of(advance(again, E.RELEASE)), E.CLAIM))
    canceling = to_of(advance(running, E.CANCEL))
    given_up = replace(running, lease_live=False, attempts=ATTEMPTS_MAX)
    ends = (
        (queued, E.CANCEL),
        (paused, E.CANCEL),
        (running, E.FAIL),
        (canceling, E.CANCELED),
        (canceling, E.RELEASE),
        (given_up, E.RESCUE),
    )
    for situation, event in ends:
        left = to_of(advance(situation, event))
        assert (left.status, left.stood, left.cancel_requested) == (status, None, False)
    other = {S.SUCCESSFUL: E.MISMATCH, S.MISMATCHED: E.SUCCEED}[status]
    assert {to_of(advance(running, other)).status} == PROVED - {status}


def to_of(decision: Advance | Refused) -> Situation:
    """Where an event leads that must not be refused."""
    assert isinstance(decision, Advance)
    return decision.to


def test_a_cancel_takes_back_an_undo_that_has_not_begun() -> None:
    """Of what waits to be undone a cancel is the wish's end; it is the cancel of everything else."""
    assert canceling(S.UNDO_ASKED) is E.KEEP
    assert {canceling(status) for status in set(Status) - {S.UNDO_ASKED}} == {E.CANCEL}


def test_ended_states_are_known() -> None:
    """Nine states are ends; three of those, and a paused one, can be resumed."""
    ends = {status for status in Status if is_terminal(status)}
    resumable = {S.MISMATCHED, S.FAILED, S.CANCELED}
    assert ends == resumable | {
        S.SUCCESSFUL,
        S.REJECTED,
        S.EXPIRED,
        S.UNDO_ASKED,
        S.UNDOING,
        S.UNDONE,
    }
    assert {s for s in Status if is_resumable(s)} == resumable | {S.PAUSED}


def test_people_read_zilliz_words() -> None:
    """Every state has one of the Jobs page's words, and Ferry's MISMATCHED."""
    words = {"PENDING", "IN PROGRESS", "SUCCESSFUL", "FAILED", "CANCELED", "MISMATCHED"}
    assert {zilliz_word(status) for status in Status} == words
    assert zilliz_word(S.RUNNING) == zilliz_word(S.PAUSED) == "IN PROGRESS"
    assert zilliz_word(S.AWAITING_APPROVAL) == "PENDING"
