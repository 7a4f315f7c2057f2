"""Every order of events that two workers, people, expiring leases and crashes can produce, walked to the end.

The world is the situation, what each worker believes to hold, and what was promised to people. Tokens are unbounded, so a worker's
is only "current" or "stale"; attempts are capped, because nothing asks for more than whether they are used up.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from engine.lifecycle import (
    ATTEMPTS_MAX,
    HELD,
    TAKING_EVENTS,
    WORKER_EVENTS,
    Advance,
    EventName,
    Refused,
    Situation,
    Status,
    advance,
    is_terminal,
)

Decide = Callable[[Situation, EventName], Advance | Refused]

PEOPLE = tuple(e for e in EventName if e not in TAKING_EVENTS | WORKER_EVENTS)
GO_ON = frozenset({EventName.RESUME, EventName.REPAIR, EventName.VERIFY})
UNDOS = ("ask_undo ", "undo_now ")
UNDO_STATES = frozenset({Status.UNDO_ASKED, Status.UNDOING})
RESULTS = frozenset({Status.SUCCESSFUL, Status.MISMATCHED})
FOUND = frozenset({EventName.SUCCEED, EventName.MISMATCH})


@dataclass(frozen=True)
class World:
    """One state of everything.

    Attributes:
        held: For each worker whether the token it holds is the ledger's ("current"), an old one ("stale"), or None.
        promised: A cancel was accepted, no resume, repair or verification since, and it did not end a verification.
        pausing: A pause of a running migration was accepted, and it still runs and nobody withdrew it.
        approved: Someone approved or queued it.
        before_undo: How it had ended when the undo began that is under way; None without one.
        dropped: Something of it was dropped, and it did not go on since.
        verified: How it had ended when the new verification began that is under way; None without one.
    """

    situation: Situation
    held: tuple[str | None, ...] = (None, None)
    promised: bool = False
    pausing: bool = False
    approved: bool = False
    before_undo: Status | None = None
    dropped: bool = False
    verified: Status | None = None


START = World(
    Situation(Status.PLANNING, cancel_requested=False, lease_live=False, attempts=0, cleared=False)
)


def steps(world: World, decide: Decide) -> Iterator[tuple[str, World]]:
    """Everything that can happen next."""
    situation = world.situation
    if situation.lease_live:
        yield "expiry", replace(world, situation=replace(situation, lease_live=False))
    for worker, holds in enumerate(world.held):
        if holds is not None:
            yield f"crash of {worker}", replace(world, held=put(world.held, worker, None))
        ends = WORKER_EVENTS if holds == "current" and situation.status in HELD else frozenset()
        if ends and situation.status is Status.RUNNING:
            borrowed = replace(situation, borrowed=not situation.borrowed)
            yield (
                f"{'load' if borrowed.borrowed else 'put back'} by {worker}",
                replace(world, situation=borrowed),
            )
        for event in TAKING_EVENTS | ends:
            yield from apply(world, event, decide, worker)
    for event in PEOPLE:
        yield from apply(world, event, decide, None)
    if situation.status is Status.PLANNING:
        yield from apply(world, EventName.FAIL, decide, None)


def apply(
    world: World, event: EventName, decide: Decide, worker: int | None
) -> Iterator[tuple[str, World]]:
    """The world after an event that was not refused, with the ledger's token moved as the ledger moves it."""
    decision = decide(world.situation, event)
    if isinstance(decision, Refused):
        return
    after = replace(decision.to, attempts=min(decision.to.attempts, ATTEMPTS_MAX))
    held = world.held
    left = world.situation.status in HELD and after.status is not world.situation.status
    if event in TAKING_EVENTS or left:
        held = tuple("stale" if each else None for each in held)
    if worker is not None:
        keeps = TAKING_EVENTS | {EventName.DROP}
        held = put(held, worker, "current" if event in keeps else None)
    verified = world.situation.status if event is EventName.VERIFY else world.verified
    over = is_terminal(after.status)
    promised = event is EventName.CANCEL or (world.promised and event not in GO_ON)
    promised = promised and not (world.verified and over and event not in FOUND)
    asked = event is EventName.PAUSE or (world.pausing and event is not EventName.RESUME)
    pausing = asked and after.status is Status.RUNNING and event is not EventName.CANCEL
    kept = world.approved and event is not EventName.REOPEN
    approved = kept or event in {EventName.APPROVE, EventName.ENQUEUE}
    waits = after.status in UNDO_STATES
    began = world.before_undo or world.situation.status if waits else None
    dropped = event is EventName.DROP or (world.dropped and event not in GO_ON)
    verified = None if over else verified
    yield (
        f"{event} ({worker})",
        World(after, held, promised, pausing, approved, began, dropped, verified),
    )


def put(held: tuple[str | None, ...], worker: int, value: str | None) -> tuple[str | None, ...]:
    """The holdings with one worker's changed."""
    return tuple(value if number == worker else each for number, each in enumerate(held))


Rule = Callable[[World, str, World], bool]

NEVER: dict[str, Rule] = {
    "two workers hold the current token": lambda _, __, after: after.held.count("current") > 1,
    "a lease of what nobody works on": lambda _, __, after: (
        after.situation.lease_live and after.situation.status not in HELD
    ),
    "a live lease was taken over": lambda before, step, _: (
        before.situation.lease_live and step.startswith(("claim", "rescue", "undo "))
    ),
    "an ended migration went on though nobody asked": lambda before, step, after: (
        is_terminal(before.situation.status)
        and not is_terminal(after.situation.status)
        and not step.startswith(("resume", "repair", "verify"))
    ),
    "an end without an exit was left": lambda before, _, after: (
        before.situation.status in {Status.REJECTED, Status.EXPIRED, Status.UNDONE}
        and after.situation != before.situation
    ),
    "a success was left otherwise than by an undo or a new verification": lambda before, step, after: (
        before.situation.status is Status.SUCCESSFUL
        and after.situation != before.situation
        and not step.startswith((*UNDOS, "verify "))
    ),
    "something else happened while it was undone": lambda before, _, after: (
        before.situation.status in UNDO_STATES
        and after.situation.status
        not in UNDO_STATES | {Status.UNDONE, Status.FAILED, before.before_undo}
    ),
    "it stands as if nothing had been dropped": lambda _, __, after: (
        after.dropped and after.situation.status in RESULTS | {Status.CANCELED}
    ),
    "an undo that dropped nothing changed how it stands": lambda before, step, after: (
        before.situation.status in UNDO_STATES
        and step.startswith(("keep", "undo_left", "rescue"))
        and not before.dropped
        and after.situation.status not in {Status.UNDO_ASKED, before.before_undo}
    ),
    "a verification that was not done changed how it stands": lambda before, step, after: (
        before.verified is not None
        and is_terminal(after.situation.status)
        and not step.startswith(("succeed", "mismatch"))
        and after.situation.status is not before.verified
    ),
    "it is planned anew though it has ended before": lambda before, step, _: (
        before.verified is not None and step.startswith("reopen")
    ),
    "an undo that nobody works on is forgotten": lambda before, step, after: (
        before.situation.status is Status.UNDOING
        and step.startswith("release")
        and after.situation.status is not Status.UNDO_ASKED
    ),
    "a worker drops what nobody asked to undo": lambda before, step, _: (
        step.startswith("undo ") and before.situation.status not in UNDO_STATES
    ),
    "dropped though it was never allowed to run": lambda _, __, after: (
        after.situation.status is Status.UNDOING and not after.approved
    ),
    "a paused migration went on without a resume": lambda before, step, after: (
        before.situation.status is Status.PAUSED
        and after.situation.status not in {Status.PAUSED, before.verified or Status.CANCELED}
        and not after.promised
        and not step.startswith("resume")
    ),
    "an acknowledged pause was forgotten by whoever let go of it": lambda before, step, after: (
        before.pausing
        and step.startswith(("release", "rescue"))
        and after.situation.status is not Status.PAUSED
    ),
    "paused though a cancel was acknowledged": lambda before, _, after: (
        before.promised and after.situation.status is Status.PAUSED
    ),
    "the pause's flag is not what was promised": lambda _, __, after: (
        after.pausing is not after.situation.pause_requested
    ),
    "a result after an acknowledged cancel": lambda _, __, after: (
        after.promised and after.situation.status in RESULTS
    ),
    "canceled and left loaded though no worker had tried to put it back": lambda before, step, after: (
        is_terminal(after.situation.status)
        and before.situation.status not in UNDO_STATES
        and after.situation.borrowed
        and step.startswith(("cancel ", "rescue"))
        and before.situation.attempts < ATTEMPTS_MAX
        and not (before.situation.status is Status.QUEUED and before.promised)
    ),
    "planned anew though a cancel was acknowledged": lambda _, __, after: (
        after.promised and after.situation.status is Status.PLANNING
    ),
    "canceled though nobody asked": lambda _, __, after: (
        after.situation.status is Status.CANCELED and not after.promised
    ),
    "running without approval": lambda _, __, after: (
        after.situation.status is Status.RUNNING and not after.approved
    ),
    "the flag is not what was promised": lambda _, __, after: (
        after.promised is not after.situation.cancel_requested
    ),
}
"""What must never be, seen in one step."""


def walk(decide: Decide) -> tuple[dict[World, list[tuple[str, World]]], list[str]]:
    """All reachable worlds with their steps, and what was wrong on the way."""
    graph: dict[World, list[tuple[str, World]]] = {}
    found: list[str] = []
    waiting = deque([START])
    while waiting:
        world = waiting.popleft()
        if world in graph:
            continue
        graph[world] = list(steps(world, decide))
        for step, after in graph[world]:
            found.extend(name for name, seen in NEVER.items() if seen(world, step, after))
            waiting.append(after)
    return graph, found


def test_no_order_of_events_breaks_a_promise() -> None:
    """Two workers, people, expiry and crashes in every order: one lease, ends stay, cancel and pause are kept."""
    graph, found = walk(advance)
    assert found == []
    assert {world.situation.status for world in graph} == set(Status)
    transitions = sum(len(following) for following in graph.values())
    print(f"{len(graph)} worlds, {transitions} transitions")  # noqa: T201  # the figure of the guarantee
    assert len(graph) > 200


def test_from_everywhere_there_is_a_way_to_an_end() -> None:
    """No migration can get stuck: from each reachable world an end is reachable, and it can be canceled."""
    graph, _ = walk(advance)
    backwards: dict[World, set[World]] = {world: set() for world in graph}
    for world, following in graph.items():
        for _, after in following:
            backwards[after].add(world)
    reached = {world for world in graph if is_terminal(world.situation.status)}
    waiting = deque(reached)
    while waiting:
        for before in backwards[waiting.popleft()] - reached:
            reached.add(before)
            waiting.append(before)
    assert reached == set(graph)
    for world, following in graph.items():
        if not is_terminal(world.situation.status) and not world.promised:
            assert any(step.startswith("cancel ") for step, _ in following)


def test_every_event_happens_somewhere() -> None:
    """No row of the table is dead: each event is accepted in some reachable world."""
    graph, _ = walk(advance)
    happened = {step.split(" ")[0] for following in graph.values() for step, _ in following}
    assert {event.value for event in EventName} <= happened


def without_cancel_guard(situation: Situation, event: EventName) -> Advance | Refused:
    """A table that forgets the flag when a result comes in."""
    blind = event in {EventName.SUCCEED, EventName.MISMATCH}
    return advance(replace(situation, cancel_requested=False) if blind else situation, event)


def without_lease_guard(situation: Situation, event: EventName) -> Advance | Refused:
    """A table that lets a second worker claim a live lease."""
    blind = event is EventName.CLAIM
    return advance(replace(situation, lease_live=False) if blind else situation, event)


def without_pause_flag(situation: Situation, event: EventName) -> Advance | Refused:
    """A table that queues again what someone paused, when its worker lets go of it."""
    blind = event in {EventName.RELEASE, EventName.RESCUE}
    return advance(replace(situation, pause_requested=False) if blind else situation, event)


def without_memory_of_loads(situation: Situation, event: EventName) -> Advance | Refused:
    """A table that cancels what nobody works on without a thought of what it left loaded."""
    decision = advance(replace(situation, borrowed=False), event)
    if isinstance(decision, Refused):
        return decision
    return Advance(replace(decision.to, borrowed=situation.borrowed))


def without_undo_guard(situation: Situation, event: EventName) -> Advance | Refused:
    """A table that lets two processes drop at once."""
    blind = event is EventName.UNDO
    return advance(replace(situation, lease_live=False) if blind else situation, event)


def without_memory_of_drops(situation: Situation, event: EventName) -> Advance | Refused:
    """A table that forgets that something was dropped."""
    blind = event is EventName.DROP
    return (
        Advance(situation)
        if blind and situation.status is Status.UNDOING
        else advance(situation, event)
    )


def without_memory_of_the_verified(situation: Situation, event: EventName) -> Advance | Refused:
    """A table that forgets how a migration had ended that is verified again."""
    blind = situation.status in {Status.QUEUED, Status.RUNNING, Status.PAUSED}
    return advance(replace(situation, stood=None) if blind else situation, event)


def without_approval_guard(situation: Situation, event: EventName) -> Advance | Refused:
    """A table that resumes what was never approved."""
    blind = event in GO_ON
    return advance(replace(situation, cleared=True) if blind else situation, event)


@pytest.mark.parametrize(
    ("broken", "finding"),
    [
        (without_cancel_guard, "a result after an acknowledged cancel"),
        (without_lease_guard, "a live lease was taken over"),
        (without_approval_guard, "running without approval"),
        (without_pause_flag, "an acknowledged pause was forgotten by whoever let go of it"),
        (without_undo_guard, "a live lease was taken over"),
        (
            without_memory_of_loads,
            "canceled and left loaded though no worker had tried to put it back",
        ),
        (without_memory_of_drops, "it stands as if nothing had been dropped"),
        (without_memory_of_the_verified, "a verification that was not done changed how it stands"),
    ],
)
def test_the_walk_finds_a_broken_table(broken: Decide, finding: str) -> None:
    """Each guard that is taken out of the table is found by the walk: it is no net with holes."""
    _, found = walk(broken)
    assert finding in found
