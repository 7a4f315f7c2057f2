"""The buttons of a migration and the dialogs before them: which there are in each state, and what each will do.

A button says what it does to the data before it does it. Whether the person who clicks may do it is decided by the service at the
click, never here.
"""

from collections.abc import Callable, Sequence

from bot.views import message as m
from bot.views import text as t
from bot.views.card import MigrationCard, action_value, amount, deleted_in_short, place_plain
from bot.views.undo import undo_text
from engine.lifecycle import Status
from engine.model import KeyPolicy

APPROVE = "ferry_approve"
REJECT = "ferry_reject"
CANCEL = "ferry_cancel"
PAUSE = "ferry_pause"
RESUME = "ferry_resume"
REPAIR = "ferry_repair"
REMIGRATE = "ferry_remigrate"
VERIFY = "ferry_verify"
UNDO = "ferry_undo"
BREAK_GLASS = "ferry_break_glass"

TICK = "ferry_tick"
UNTICK = "ferry_untick"
DETAILS = "ferry_details"
"""Changes nothing, so everyone may; not among the acts."""

ACTION_IDS = (
    *(APPROVE, REJECT, CANCEL, PAUSE, RESUME, REPAIR, REMIGRATE, VERIFY, UNDO, BREAK_GLASS),
    *(TICK, UNTICK),
)
"""Every action that a message's button can send."""

KEEP = "Go back"


def for_status(card: MigrationCard) -> Sequence[m.Block]:
    """The buttons that do something in the card's state, the most likely one first."""
    if card.canceling:
        return ()
    if card.pausing or card.migration.status is Status.PAUSED:
        return (resume(card), cancel(card))
    if card.resumable or card.undoable or card.migration.status is Status.SUCCESSFUL:
        return (*_going_on(card), *((undo(card),) if card.undoable else ()))
    drawn = tuple(draw(card) for draw in _BUTTONS.get(card.migration.status, ()))
    forcible = card.breakable and card.migration.status is Status.AWAITING_APPROVAL
    return (*drawn, break_glass(card)) if forcible else drawn


def _going_on(card: MigrationCard) -> tuple[m.Block, ...]:
    if card.migration.status is Status.MISMATCHED:
        mendable = _mendable(card)
        hopeless = mendable and not any(mendable)
        return (remigrate(card),) if hopeless else (repair(card), remigrate(card))
    if card.migration.status is Status.SUCCESSFUL:
        return (verify(card),)
    return (resume(card),) if card.resumable else ()


def approve(card: MigrationCard) -> m.Block:
    """Approve, the one primary button; the dialog names the target and what is deleted there."""
    what = amount(card.plan) if card.plan else "everything"
    copies = f"Copies {what} from {place_plain(card.source, 40)} to {place_plain(card.target, 40)}."
    paused = "Writes to the source must be paused."
    text = t.joined((copies, _deleted_there(card, len(copies) + len(paused)), paused))
    dialog = m.confirm("Approve this migration?", text, "Approve", KEEP, danger=card.replaces)
    return m.button(
        "Approve",
        APPROVE,
        action_value(card),
        style="primary",
        confirm=dialog,
        says=f"Approve migration {card.migration.id}",
    )


def _deleted_there(card: MigrationCard, taken: int) -> str:
    """What is deleted on the target, in what is left of the dialog's room; "" where nothing is."""
    if card.plan is None or not card.replaces:
        return ""
    said = "Will be DELETED there: {}."
    return said.format(deleted_in_short(card.plan, m.CONFIRM_CHARS - taken - len(said)))


def reject(card: MigrationCard) -> m.Block:
    """Reject: harmless to the data, so without the colour of danger."""
    text = "Nothing has been written and nothing will be. The request ends here; a new one can be made at any time."
    dialog = m.confirm("Reject this request?", text, "Reject", KEEP)
    return m.button(
        "Reject",
        REJECT,
        action_value(card),
        confirm=dialog,
        says=f"Reject migration {card.migration.id}",
    )


def break_glass(card: MigrationCard) -> m.Block:
    """Start it without the approvals; a dialog asks for the reason before anything happens."""
    return m.button(
        "Break the glass …",
        BREAK_GLASS,
        action_value(card),
        style="danger",
        says=f"Start {card.migration.id} without the approvals; asks for a reason",
    )


_STANDS = "The migration then stands as it had ended; nothing was written."
"""What the cancel of a new verification leaves."""


def withdraw(card: MigrationCard) -> m.Block:
    """Cancel before anything runs."""
    stays = (
        f"What has been copied before stays on {place_plain(card.target, 40)}."
        if card.migration.started_at
        else "Nothing has been written to the target."
    )
    verified = card.migration.stood is not None
    text = (
        f"It is not verified again. {_STANDS}"
        if verified
        else f"The migration will not start. {stays}"
    )
    dialog = m.confirm("Cancel this request?", text, "Cancel request", KEEP)
    return m.button(
        "Cancel request",
        CANCEL,
        action_value(card),
        confirm=dialog,
        says=f"Cancel the request for migration {card.migration.id}",
    )


def cancel(card: MigrationCard) -> m.Block:
    """Cancel while it runs; the dialog says what stays behind."""
    text = (
        "It stops within 5 seconds. What has been copied stays on "
        f"{place_plain(card.target, 40)} and must not be used before it is verified; Resume can continue from there. "
        "The source is not touched."
    )
    if card.migration.stood is not None:
        text = f"The verification stops within one chunk. {_STANDS}"
    dialog = m.confirm(
        "Cancel this migration?", text, "Cancel migration", "Let it run", danger=True
    )
    return m.button(
        "Cancel migration",
        CANCEL,
        action_value(card),
        style="danger",
        confirm=dialog,
        says=f"Cancel migration {card.migration.id}",
    )


def pause(card: MigrationCard) -> m.Block:
    """Let it rest; the dialog says what stays and that the source must still not be written to."""
    text = (
        f"It stops within seconds and gives its place to others. What has been copied stays on {place_plain(card.target, 40)}; "
        "do not use it before it is verified. Writes to the source must stay paused until it has ended."
    )
    dialog = m.confirm("Pause this migration?", text, "Pause", "Let it run")
    return m.button(
        "Pause",
        PAUSE,
        action_value(card),
        confirm=dialog,
        says=f"Pause migration {card.migration.id}",
    )


def resume(card: MigrationCard) -> m.Block:
    """Continue after a pause, a failure or a cancel."""
    text = (
        f"Continues the copy to {place_plain(card.target, 40)} from what is already there; nothing is copied twice. "
        "Then everything is verified. Writes to the source must be paused."
    )
    dialog = m.confirm("Resume this migration?", text, "Resume", KEEP)
    return m.button(
        "Resume",
        RESUME,
        action_value(card),
        style="primary",
        confirm=dialog,
        says=f"Resume migration {card.migration.id}",
    )


def repair(card: MigrationCard) -> m.Block:
    """Mend just the entities that differ; the dialog says that some are deleted."""
    mendable = _mendable(card)
    then = "Then they are verified again."
    if not all(mendable):
        then = "Where the target made the keys, nothing is mended: Re-migrate."
    text = (
        f"In {_differing(card, sum(mendable))}, entities that are missing or different are copied again, and those that the source "
        f"does not have are DELETED on {place_plain(card.target, 40)}. {then} "
        "Writes to the source must be paused."
    )
    dialog = m.confirm("Repair this migration?", text, "Repair", KEEP, danger=True)
    return m.button(
        "Repair",
        REPAIR,
        action_value(card),
        style="primary",
        confirm=dialog,
        says=f"Repair what differs in migration {card.migration.id}",
    )


def remigrate(card: MigrationCard) -> m.Block:
    """Ask to delete and copy again what did not verify, as the seed document says; it is a new request, so nothing happens yet."""
    text = (
        f"Makes a new request for {_differing(card, len(_mendable(card)))}. Only when it is approved, what is there on "
        f"{place_plain(card.target, 40)} is DELETED and copied again. Verified collections stay."
    )
    dialog = m.confirm("Request a re-migration?", text, "Request it", KEEP)
    return m.button(
        "Re-migrate",
        REMIGRATE,
        action_value(card),
        confirm=dialog,
        says=f"Request a re-migration of what differs in {card.migration.id}",
    )


def verify(card: MigrationCard) -> m.Block:
    """Compare both sides once more; nothing is written."""
    text = (
        f"Reads every entity on {place_plain(card.source, 40)} and {place_plain(card.target, 40)} once more and compares them; "
        "nothing is written. What was written to either since the migration shows as a difference."
    )
    dialog = m.confirm("Verify this migration again?", text, "Verify again", KEEP)
    return m.button(
        "Verify again",
        VERIFY,
        action_value(card),
        confirm=dialog,
        says=f"Verify again: migration {card.migration.id}",
    )


def details(card: MigrationCard) -> m.Block:
    """View Details, in the seed document's words: the log of what happened, in a modal."""
    says = f"View the details and the log of {card.migration.id}"
    return m.button("View Details", DETAILS, action_value(card), says=says)


def undo(card: MigrationCard) -> m.Block:
    """Drop what it made; the dialog says what, and what is not brought back."""
    dialog = m.confirm(
        "Undo this migration?", undo_text(card, m.CONFIRM_CHARS), "Undo", KEEP, danger=True
    )
    return m.button(
        "Undo",
        UNDO,
        action_value(card),
        style="danger",
        confirm=dialog,
        says=f"Undo migration {card.migration.id}: drop what it made on the target",
    )


def keep(card: MigrationCard) -> m.Block:
    """Take back an undo that has not begun."""
    text = "The undo is taken back. What is on the target stays as it stands now, and the migration as it had ended."
    dialog = m.confirm("Take the undo back?", text, "Do not undo", KEEP)
    return m.button(
        "Do not undo",
        CANCEL,
        action_value(card),
        confirm=dialog,
        says=f"Take the undo of migration {card.migration.id} back",
    )


def _differing(card: MigrationCard, differing: int) -> str:
    if card.report is None:
        return "the collections that differ"
    return t.counted(differing, "collection that differs", "collections that differ")


def _mendable(card: MigrationCard) -> list[bool]:
    """Of each collection that differs, whether its entities can be told from another: not where the target made the keys."""
    planned = card.plan.collections if card.plan else ()
    anew = {plan.name for plan in planned if plan.keys is KeyPolicy.NEW}
    if card.report is None:
        return [plan.name not in anew for plan in planned] or [True]
    return [each.name not in anew for each in card.report.collections if not each.verified]


_BUTTONS: dict[Status, tuple[Callable[[MigrationCard], m.Block], ...]] = {
    Status.PLANNING: (withdraw,),
    Status.AWAITING_APPROVAL: (approve, reject, withdraw),
    Status.QUEUED: (withdraw,),
    Status.RUNNING: (pause, cancel),
    Status.UNDO_ASKED: (keep,),
}
