"""Says an answer of the service to the person who acted: in a modal as plain text, under a button as an ephemeral message.

The words come from `views/refusals.py` and from the engine's failures. It decides nothing.
"""

from bot.approvals import Reason
from bot.service import Answer
from bot.views import text as t
from bot.views.card import MigrationCard
from bot.views.refusals import refusal
from engine.model import ErrorText

_ROLES = "Organization Owner or Project Admin"


def in_modal(answer: Answer) -> ErrorText:
    """Why a request was not made, for a modal: plain text."""
    if answer.reason is Reason.NO_ROLE:
        return ErrorText(
            code="E-NOT-PERMITTED",
            message=f"You may not request this: it takes the role {_ROLES}. {answer.sentence}",
            next_step="Ask an Organization Owner for the role, or to make the request.",
        )
    if answer.reason is Reason.NOBODY_CAN_APPROVE:
        return ErrorText(
            code="E-NO-APPROVER",
            message=answer.sentence,
        )
    if answer.reason is Reason.TICKET_MISSING:
        return ErrorText(code="E-NO-TICKET", message=answer.sentence)
    if answer.migration is not None:
        look = f"`/migrate status {answer.migration.id}` shows how it stands."
        return ErrorText(code="E-REFUSED", message=answer.sentence, next_step=look)
    return ErrorText(
        code="E-REFUSED",
        message=answer.sentence or "Ferry could not make this request.",
        state="" if answer.sentence else "Nothing was changed.",
        next_step="" if answer.sentence else "`/migrate jobs` shows what there is; then try again.",
    )


def at_field(answer: Answer) -> str:
    """The same, as the one sentence that stands at a field of the form."""
    said = in_modal(answer)
    return t.shorten(t.joined((said.message, said.next_step)), 300)


def ephemeral(answer: Answer, card: MigrationCard | None) -> str:
    """The answer to a click that changed nothing, finished mrkdwn."""
    return refusal(answer.reason.value, card, by=answer.by, at=answer.at, sentence=answer.sentence)
