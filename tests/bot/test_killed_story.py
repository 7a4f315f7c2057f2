"""A bot that is killed: every button that it left in Slack works under the next one."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple

from bot.runtime import running_bot
from bot.sandbox import Sandbox, words_of
from bot.settings import Settings
from bot.views import break_glass, buttons
from engine.ledger import AuditFilter, Ledger, new_owner
from engine.lifecycle import EventName
from engine.model import CollectionReport, Plan
from tests.bot.requests import waiting
from tests.bot.story import ALARM, CHANNEL, LINUS, OLGA, QUICK, Story

AWAITING, RUNNING, PAUSED, MISMATCHED, SUCCESSFUL = range(5)

LEFT: Mapping[str, tuple[int, str]] = {
    buttons.APPROVE: (AWAITING, "approve"),
    buttons.REJECT: (AWAITING, "reject"),
    buttons.BREAK_GLASS: (AWAITING, "approve"),
    buttons.TICK: (AWAITING, "tick"),
    buttons.UNTICK: (AWAITING, "untick"),
    buttons.CANCEL: (RUNNING, "cancel"),
    buttons.PAUSE: (RUNNING, "pause"),
    buttons.RESUME: (PAUSED, "resume"),
    buttons.REPAIR: (MISMATCHED, "repair"),
    buttons.REMIGRATE: (MISMATCHED, "remigrated"),
    buttons.VERIFY: (SUCCESSFUL, "verify"),
    buttons.UNDO: (SUCCESSFUL, "ask_undo"),
    buttons.DETAILS: (SUCCESSFUL, ""),
}
"""Where a migration stands that has the button, one for each, and what the audit trail calls a click on it."""


def _serve(settings: Settings) -> None:
    """The first bot, in a process of its own, until it is killed."""
    with running_bot(settings, pace=QUICK):
        threading.Event().wait()


@contextmanager
def _bot_to_be_killed(settings: Settings, sandbox: Sandbox) -> Iterator[None]:
    """A bot that is connected when the block begins and killed when it ends."""
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(settings,))
    process.start()
    try:
        sandbox.wait_for_app(timeout=90)
        yield
    finally:
        process.kill()
        process.join()


def _brought_to(ledger: Ledger, state: int, number: int, plan: Plan) -> str:
    """A migration that stands there; a running one is held by this process, which lives."""
    migration_id = waiting(ledger, plan=plan, number=number).id
    if state == AWAITING:
        return migration_id
    with ledger.transaction() as tx:
        tx.apply(migration_id, EventName.APPROVE, actor=OLGA)
    lease = ledger.claim(migration_id, new_owner(), lease_seconds=600)
    report = CollectionReport(name="articles", source_entities=10, missing=state == MISMATCHED)
    if state in {MISMATCHED, SUCCESSFUL}:
        ledger.set_collection(lease, "articles", phase="verified", report=report)
        ledger.finish(lease, EventName.MISMATCH if state == MISMATCHED else EventName.SUCCEED)
    elif state == PAUSED:
        with ledger.transaction() as tx:
            tx.apply(migration_id, EventName.PAUSE, actor=OLGA)
        ledger.finish(lease, EventName.RELEASE)
    return migration_id


class Button(NamedTuple):
    """A button of a message as it was once seen."""

    message: dict[str, Any]
    action_id: str
    value: str

    def click(self, sandbox: Sandbox, user: str) -> None:
        """Click it."""
        assert sandbox.user(user).click(self.message, self.action_id, self.value)


def _left(sandbox: Sandbox, action_id: str, migration_id: str) -> Button | None:
    """The button for that migration, wherever it is in the channel."""
    for root in sandbox.messages(CHANNEL):
        for message in sandbox.thread(CHANNEL, root["ts"]):
            rows = (block.get("elements", ()) for block in message["blocks"])
            accessories = (
                (block["accessory"],) for block in message["blocks"] if "accessory" in block
            )
            for element in chain.from_iterable((*rows, *accessories)):
                known = element.get("action_id"), str(element.get("value", "")).split(" ")[0]
                if known == (action_id, migration_id):
                    return Button(message, action_id, element["value"])
    return None


def _done(ledger: Ledger, action_id: str, migration_id: str) -> int:
    """How often the audit trail has that Olga did this to the migration."""
    wanted = AuditFilter(migration_id=migration_id, actor=OLGA, act=LEFT[action_id][1])
    return sum(not entry.outcome.startswith("refused") for entry in ledger.audit(wanted))


def test_every_button_of_a_killed_bot_works_under_the_next(
    story_of: Callable[[Settings], Story],
    quiet: Settings,
    ledger: Ledger,
    sandbox: Sandbox,
    plan_for: Callable[..., Plan],
) -> None:
    """Linus, who has no role, is refused at each of them; for Olga each does what it says, once."""
    assert set(LEFT) == {*buttons.ACTION_IDS, buttons.DETAILS}
    policy = quiet.policy.model_copy(update={"break_glass_channel": ALARM})
    settings = quiet.model_copy(update={"policy": policy})
    of = {a: _brought_to(ledger, at, n, plan_for()) for n, (a, (at, _)) in enumerate(LEFT.items())}
    with _bot_to_be_killed(settings, sandbox):
        tick = sandbox.wait_for(
            lambda: _left(sandbox, buttons.TICK, of[buttons.UNTICK]), 60, "tick"
        )
        tick.click(sandbox, OLGA)
        left = {a: sandbox.wait_for(lambda a=a: _left(sandbox, a, of[a]), 60, a) for a in of}
    story_of(settings)
    linus, olga = sandbox.user(LINUS), sandbox.user(OLGA)
    details = left.pop(buttons.DETAILS)
    for button in left.values():
        button.click(sandbox, LINUS)
    sandbox.wait_for(lambda: len(linus.ephemerals(CHANNEL)) == len(left) - 1, 60, "refusals")
    sandbox.wait_for(lambda: "You may not do this" in words_of(linus.view), 60, "the dialog's")
    assert {"You may not do this" in words_of(told) for told in linus.ephemerals(CHANNEL)} == {True}
    for button in left.values():
        button.click(sandbox, OLGA)
    olga.wait_for_view(break_glass.CALLBACK_ID)
    olga.fill(break_glass.REASON, "The disk of the old one fails.")
    assert olga.submit() is None
    for action_id in left:
        sandbox.wait_for(lambda a=action_id: _done(ledger, a, of[a]), 60, action_id)
    assert {
        action_id: _done(ledger, action_id, of[action_id]) for action_id in left
    } == dict.fromkeys(left, 1)
    details.click(sandbox, OLGA)
    assert of[buttons.DETAILS] in words_of(olga.wait_for_view())
