"""Texts for the person whose click or command was refused: why, in what state things are, and what to do instead.

The reasons are decided in `bot/approvals.py` and by the service; here they are plain strings, so that a reason without a text of
its own still gets a whole answer.
"""

from datetime import datetime

from bot.views import text as t
from bot.views.card import MigrationCard, place
from bot.views.standing import headline

_TEXTS: dict[str, str] = {
    "no_role": (
        "You may not do this: it takes the role Organization Owner or Project Admin. {sentence} "
        "Nothing was changed. Ask {approvers}."
    ),
    "own_request": (
        "You made this request, so another person has to approve it. Nothing was changed. Ask {approvers}."
    ),
    "nobody_can_approve": "{sentence} Nothing was changed.",
    "already_counted": (
        "Your approval is there already, and each person counts once. {sentence} Somebody else has to approve too. "
        "Nothing was changed. Ask {approvers}."
    ),
    "plan_changed": (
        "The plan has changed since this message was drawn, so your approval would not be for what runs. "
        "Nothing was approved. Read the plan as it is now and decide again."
    ),
    "already_approved": "This was already approved{attribution}. Nothing was changed; there is nothing left to do.",
    "already_rejected": (
        "This was already rejected{attribution}. Nothing was changed; a new request can be made with /migrate."
    ),
    "already_canceled": "This was already canceled{attribution}. Nothing was changed.",
    "already_canceling": (
        "Canceling is already under way, asked{attribution}. It stops within 5 seconds, or, where its process was "
        "lost, once a worker has released the collections that were loaded only to be read. Nothing was changed."
    ),
    "already_undoing": (
        "An undo was already asked for{attribution}, and it happens once. {status} Your click changed nothing."
    ),
    "ticket_missing": "{sentence} Nothing was requested.",
    "no_break_glass": (
        "Nobody can start a migration to this target without its approvals: no channel is configured that would be told. "
        "Nothing was changed. Ask {approvers} to approve it."
    ),
    "reason_missing": "Breaking the glass takes a reason of at least a few words. Nothing was started.",
    "already_ticked": "This step was already ticked{attribution}. Nothing was changed; there is nothing left to do.",
    "not_ticked": "This step is not ticked: its tick was taken back{attribution}. Nothing was changed.",
    "already_frozen": "All migrations are frozen already{attribution}. {sentence} Nothing was changed.",
    "others_freeze": (
        "This freeze was begun{attribution}: only they or an Organization Owner may end it. It lasts; nothing was changed."
    ),
    "not_frozen": "Nothing is frozen by anyone. Nothing was changed.",
    "expired": "This request expired before anyone approved it. Nothing was written; make a new one with /migrate.",
    "wrong_state": "That cannot be done now. {sentence} {status} Nothing was changed.",
    "unknown_migration": "Ferry does not know this migration. {sentence} Nothing was changed.",
    "same_place": "Source and target are the same database. Nothing was changed; choose another target.",
    "no_clusters": (
        "No cluster is configured yet. Nothing was changed. "
        "Ask whoever keeps Ferry's configuration to add clusters to ferry.yml."
    ),
    "impossible": "{sentence} Nothing was changed.",
    "duplicate": "This was already received, and it counts once. There is nothing left to do.",
}
"""By the names of `bot.approvals.Reason`."""

REASONS = frozenset(_TEXTS)
"""The reasons that have a text of their own."""


def refusal(
    reason: str,
    card: MigrationCard | None = None,
    *,
    by: str = "",
    at: datetime | None = None,
    sentence: str = "",
) -> str:
    """The answer to a refused click or request: finished mrkdwn, whole sentences.

    Args:
        reason: A `bot.approvals.Reason`; another name is answered with `sentence`.
        card: The migration it was about, for who may approve and where it stands.
        by: Who was faster, a Slack user id.
        at: When that was.
        sentence: What the ledger or the service says of it, plain text.
    """
    approvers = t.keep_mentions(card.approvers) if card else ""
    filled = _TEXTS.get(str(reason), _TEXTS["impossible"]).format(
        approvers=approvers or "an Organization Owner or Project Admin",
        attribution=_attribution(by, at),
        sentence=t.sentence(t.clip(t.prose(sentence), 1_200)),
        status=f"{headline(card)}" if card else "",
    )
    said = " ".join(filled.split())
    return t.joined((said, f"({_which(card)})" if card else ""))


def _attribution(by: str, at: datetime | None) -> str:
    who = f" by {t.person(by)}" if by else ""
    return f"{who}, {t.when(at)}" if at else who


def _which(card: MigrationCard) -> str:
    return f"{t.code(card.migration.id)} to {place(card.target)}"
