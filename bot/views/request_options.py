"""The options of the request modal: what of the target is replaced, whose keys, when to start, how fast, which ticket.

Each stands there only where it means something. Nothing is checked here: `bot/intake.py` does that.
"""

from typing import Final

from bot import throttles
from bot.views import message as m
from bot.views import request_inputs as inputs
from bot.views import text as t
from bot.views.request_form import Field, RequestForm
from engine.model import AutoId, OnConflict

REASON_MAX = 1_000
TICKET_MAX = 100

_CONFLICTS: Final = (
    (OnConflict.FAIL, "Stop", "Nothing on the target is changed; the plan says what is in the way"),
    (OnConflict.REPLACE, "Replace", "DELETES the target's collection and all its data first"),
)
_KEYS: Final = (
    (AutoId.KEEP, "Keep keys, auto-id off", "Later entities need keys of their own on the target"),
    (AutoId.NEW, "New keys", "The target makes new primary keys; the old ones are lost"),
)
_STARTS: Final = (
    ("now", "As soon as it is approved", "And a worker is free"),
    ("at", "At a time", "In a maintenance window; once approved, it waits for it"),
)
_CHECK: Final = (
    "all",
    "Read all of the source once more after the copy",
    "Finds writes that leave its counts as they were; takes longer",
)


def keys(form: RequestForm) -> m.Block | None:
    """What becomes of keys that the source made: only where the target cannot both keep them and make later ones."""
    if not form.keys:
        return None
    hint = (
        "The source makes the primary keys of some of these collections, and this target cannot both keep those and make later "
        "ones. With new keys, what refers to the old ones finds nothing."
    )
    return inputs.field(
        Field.AUTO_ID, form, "Auto-ID keys", inputs.radio(_KEYS, form.auto_id), hint=hint
    )


def conflict(form: RequestForm) -> tuple[m.Block | None, ...]:
    """Whether what stands in the way stops the migration or is deleted, and plainly what deleting means."""
    hint = "When the target already has a collection of the same name. Whoever approves sees what would be deleted."
    element = inputs.radio(_CONFLICTS, form.on_conflict)
    block = inputs.field(Field.ON_CONFLICT, form, "On conflict", element, hint=hint)
    return (block, m.section(_deletes(form)))


def _deletes(form: RequestForm) -> str:
    if form.on_conflict is not OnConflict.REPLACE:
        return ""
    name = form.new_cluster_name if form.destination == "new" else form.target
    where = t.code(name, 72) if name else "the target"
    return (
        f":warning: *Replace deletes.* Every collection on {where} that has the name of one that is migrated is dropped, with all "
        "of its entities, before the copy begins. Nothing brings it back: neither Cancel nor Undo."
    )


def start(form: RequestForm) -> tuple[m.Block | None, ...]:
    """At once or at a time."""
    element = inputs.radio(_STARTS, form.start)
    return (inputs.field(Field.START, form, "Start", element), _start_at(form))


def _start_at(form: RequestForm) -> m.Block | None:
    if form.start != "at":
        return None
    zone = f" ({t.visible(form.zone)})" if form.zone else ""
    hint = f"In your own time zone{zone}. It starts by itself then; whoever may cancel can cancel it before."
    element = inputs.moment(form.start_at)
    return inputs.field(Field.START_AT, form, "Start at", element, hint=hint)


def pace(form: RequestForm) -> tuple[m.Block, ...]:
    """How fast it copies, and how closely it looks at the source afterwards."""
    limit = inputs.text(form.throttle, "e.g. 5000, or 20MB, or both", most=60)
    hint = (
        f"Left empty, it copies as fast as it can. {throttles.HOW} It can be changed while it runs."
    )
    check = inputs.box(_CHECK, ticked=form.check_source)
    return (
        inputs.field(Field.THROTTLE, form, "Throttle", limit, hint=hint, optional=True),
        inputs.field(Field.CHECK_SOURCE, form, "Check source thoroughly", check, optional=True),
    )


def reasons(form: RequestForm, ticket_pattern: str) -> tuple[m.Block, ...]:
    """The ticket, which the target's policy may require, and why."""
    hint = f"This target needs one that matches {ticket_pattern}" if ticket_pattern else ""
    ticket = inputs.text(form.ticket, "e.g. OPS-1312", most=TICKET_MAX)
    why = inputs.text(form.reason, "Why it is needed", most=REASON_MAX, lines=True)
    return (
        inputs.field(Field.TICKET, form, "Ticket", ticket, hint=hint, optional=not ticket_pattern),
        inputs.field(Field.REASON, form, "Reason", why, hint="Whoever approves reads it."),
    )
