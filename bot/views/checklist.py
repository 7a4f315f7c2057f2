"""The cut-over as a checklist in the thread: the seed document's steps, who did each and when, and what is to be done next.

It is rendered whole from the card with every change. Which step may be ticked when is decided in `bot/checklist.py`.
"""

from collections.abc import Callable
from typing import Any

from bot import checklist
from bot.checklist import Step
from bot.views import buttons
from bot.views import message as m
from bot.views import text as t
from bot.views.card import MigrationCard, Tick, place
from engine.lifecycle import Status

_OVER = frozenset(
    {Status.REJECTED, Status.EXPIRED, Status.UNDO_ASKED, Status.UNDOING, Status.UNDONE}
)


def checklist_message(card: MigrationCard) -> m.Message:
    """The checklist for the card's state."""
    done = sum(is_done(card, step) for step in Step)
    head = f"*Cut-over checklist* · {t.number(done)} of {len(Step)} steps done"
    return m.message(
        f"Cut-over checklist of migration {t.escape(card.migration.id)}: {done} of {len(Step)} steps are done.",
        m.section(head),
        *(_step(card, number, step) for number, step in enumerate(Step, 1)),
        m.context(_next(card)),
    )


def is_done(card: MigrationCard, step: Step) -> bool:
    """Whether a step is done, as far as Ferry knows it or somebody has said so."""
    if step is Step.RUN:
        return _ran(card)
    if step is Step.VALIDATE:
        return card.migration.status is Status.SUCCESSFUL
    return _tick(card, step) is not None


def _ran(card: MigrationCard) -> bool:
    if card.migration.status in {Status.SUCCESSFUL, Status.MISMATCHED}:
        return True
    progress = card.progress
    running = card.migration.status is Status.RUNNING and progress is not None
    return bool(running and progress and progress.phase in {"verify", "alias"})


def _tick(card: MigrationCard, step: Step) -> Tick | None:
    return next((each for each in card.ticks if each.step is step), None)


def _step(card: MigrationCard, number: int, step: Step) -> m.Block:
    done = is_done(card, step)
    mark = ":white_check_mark: Done" if done else _open_mark(card)
    lines = (f"{mark} · *{number}. {_TITLES[step](card)}*", _beside(card, step))
    block: m.Block = {"type": "section", "text": m.mrkdwn(t.joined(lines, "\n"))}
    status, cleared = card.migration.status, card.migration.cleared_at is not None
    if not checklist.may_be_ticked(step, status, cleared=cleared):
        return block
    return block | {
        "block_id": f"step {number}",
        "accessory": _button(card, number, step, done=done),
    }


def _open_mark(card: MigrationCard) -> str:
    """What is not done: still to do, or not any more."""
    canceled = card.migration.status is Status.CANCELED and card.migration.cleared_at is None
    over = canceled or card.migration.status in _OVER
    return ":heavy_minus_sign: Not done" if over else ":white_large_square: To do"


def _button(card: MigrationCard, number: int, step: Step, *, done: bool) -> dict[str, Any]:
    action = buttons.UNTICK if done else buttons.TICK
    label = "Take back" if done else "Done"
    says = f"Step {number}: {'it is not done after all' if done else 'it is done'}"
    return m.button(label, action, f"{card.migration.id} {step}", says=says)


_TITLES: dict[Step, Callable[[MigrationCard], str]] = {
    Step.PAUSE_WRITES: lambda card: f"Pause writes to {place(card.source)}",
    Step.RUN: lambda _: "Run the migration",
    Step.VALIDATE: lambda _: "Validate",
    Step.SWITCH: lambda card: f"Switch reads and writes to {place(card.target)}",
    Step.RESUME_WRITES: lambda _: "Resume writes, on the target only",
}


def _beside(card: MigrationCard, step: Step) -> str:
    """Who did it and when, or how it stands."""
    tick = _tick(card, step)
    if tick is not None:
        role = f" ({t.clip(tick.role, 120)})" if tick.role else ""
        return f"{t.person(tick.user_id)}{role}, {t.when(tick.at)}"
    if step is Step.RUN:
        return "Ferry copied everything." if _ran(card) else _RUNS.get(card.migration.status, "")
    return _validation(card) if step is Step.VALIDATE else ""


_RUNS: dict[Status, str] = {
    Status.PLANNING: "It is being planned. Ferry ticks this step.",
    Status.AWAITING_APPROVAL: "It waits for approval. Ferry ticks this step.",
    Status.QUEUED: "It is approved and waits to start. Ferry ticks this step.",
    Status.RUNNING: "It is running. Ferry ticks this step when everything is copied.",
    Status.PAUSED: "It is paused.",
    Status.FAILED: "It failed; the thread says why.",
    Status.CANCELED: "It was canceled.",
    Status.REJECTED: "It was rejected.",
    Status.EXPIRED: "Nobody approved it in time.",
    Status.UNDO_ASKED: "It waits to be undone.",
    Status.UNDOING: "It is being undone.",
    Status.UNDONE: "It was undone.",
}


def _validation(card: MigrationCard) -> str:
    status = card.migration.status
    if status is Status.SUCCESSFUL:
        return "Ferry compared every entity on both sides: they are equal."
    if status is Status.MISMATCHED:
        return ":warning: The target differs from the source; the report in this thread says where."
    return "" if status in _OVER else "Ferry ticks this step when the target is proved equal."


def _next(card: MigrationCard) -> str:
    """What is to be done now, in one or two sentences."""
    status = card.migration.status
    if status is Status.SUCCESSFUL:
        done = is_done(card, Step.SWITCH) and is_done(card, Step.RESUME_WRITES)
        keep = f"Keep {place(card.source)} until you are sure of the target."
        return keep if done else f"Next: switch over, then resume writes on the target. {keep}"
    if status is Status.RUNNING and not is_done(card, Step.PAUSE_WRITES):
        return _UNPAUSED
    if status is Status.CANCELED and card.migration.cleared_at is None:
        return _NOTHING
    return _NEXT[status]


_NOTHING = "The request has ended. Nothing was written, and nothing is left to do here."
_BEFORE = "Next: pause the writes before it starts. A tick records what people have done; it changes nothing on a cluster."
_UNPAUSED = (
    ":warning: It is running, and nobody has said here that the writes are paused. "
    "What is written now may not reach the target."
)
_STAYS = (
    "If it shall go on, keep the writes to the source paused. If you give it up, resume them there."
)
_BACK = "If reads or writes were switched already, switch them back to the source."
_NEXT: dict[Status, str] = {
    Status.PLANNING: "Next: wait for the new plan.",
    Status.AWAITING_APPROVAL: _BEFORE,
    Status.QUEUED: _BEFORE,
    Status.RUNNING: "Keep the writes paused until step 3 is done.",
    Status.PAUSED: "Keep the writes paused: it is not finished.",
    Status.MISMATCHED: "Do not switch over yet. Repair or Re-migrate, and keep the writes to the source paused meanwhile.",
    Status.FAILED: _STAYS,
    Status.CANCELED: _STAYS,
    Status.REJECTED: _NOTHING,
    Status.EXPIRED: _NOTHING,
    Status.UNDO_ASKED: _BACK,
    Status.UNDOING: _BACK,
    Status.UNDONE: "The source was not touched: use it as before. If reads or writes were switched already, switch them back.",
}
