"""Texts for the person whose click or command was refused: why, in what state things are, and what to do instead.

The reasons are decided in `bot/approvals.py` and by the service; here they are plain strings, so that a reason without a text of
its own still gets a whole answer.
"""

from collections.abc import Iterable
from datetime import datetime

from bot.views import text as t
from bot.views.card import MigrationCard, place

_TEXTS: dict[str, str] = {
    "no_role": (
        "You may not do this: it takes the role Organization Owner or Project Admin{missing}. "
        "Nothing was changed. Ask {approvers}."
    ),
    "self_approval": (
        "You made this request, so another person has to approve it. Nothing was changed. Ask {approvers}."
    ),
    "nobody_can_approve": (
        "Nobody but you could approve this, and you may not approve your own request{missing}. Nothing was changed. "
        "Ask whoever keeps Ferry's configuration to name another approver."
    ),
    "plan_changed": (
        "The plan has changed since this message was drawn, so your approval would not be for what runs. "
        "Nothing was approved. Read the plan as it is now and decide again."
    ),
    "too_late": "{sentence}{attribution} Your click changed nothing.",
    "unknown_migration": "There is no migration of that name here. Nothing was changed; look for its name in the channel.",
    "not_configured": (
        "A cluster of this migration is not in Ferry's configuration any more. {sentence} Nothing was changed. "
        "Ask whoever keeps ferry.yml."
    ),
    "roles_unknown": (
        "Slack did not say which roles you have, so nothing was decided and nothing was changed. Try again in a minute."
    ),
    "duplicate": "{sentence}{attribution} No second request was made; follow the one that is under way.",
}
"""By the names of `bot.approvals.Reason`."""

_SENTENCES: dict[str, str] = {
    "too_late": "Somebody was faster.",
    "duplicate": "The same migration was already requested.",
}
"""What is said where the caller has no sentence of its own."""

_VERBS: dict[str, str] = {"too_late": "Decided", "duplicate": "Requested"}

REASONS = frozenset(_TEXTS)
"""The reasons that have a text of their own."""


def refusal(
    reason: str,
    card: MigrationCard | None = None,
    *,
    by: str = "",
    at: datetime | None = None,
    sentence: str = "",
    missing: Iterable[str] = (),
) -> str:
    """The answer to a refused click or request, finished mrkdwn, always with a full stop.

    Args:
        reason: A `bot.approvals.Reason`, or any other name: then `sentence` is the answer.
        card: The migration it was about, for who may approve and where it stands.
        by: Who was faster, a Slack user id.
        at: When that was.
        sentence: What the ledger or the service says of it, plain text.
        missing: The projects for which a role is missing.
    """
    said = t.sentence(t.clip(t.prose(sentence), 1_000)) or _SENTENCES.get(str(reason), "")
    text = _TEXTS.get(str(reason))
    if text is None:
        return t.joined((said or "That is not possible now.", "Nothing was changed."))
    approvers = t.keep_mentions(t.shorten(card.approvers, 600)) if card else ""
    filled = text.format(
        approvers=approvers or "an Organization Owner or Project Admin",
        attribution=_attribution(str(reason), by, at),
        sentence=said,
        missing=_of(missing),
    )
    return t.joined((" ".join(filled.split()), f"({_which(card)})" if card else ""))


def _attribution(reason: str, by: str, at: datetime | None) -> str:
    verb = _VERBS.get(reason, "Done")
    parts = (f"by {t.person(by)}" if by else "", t.when(at) if at else "")
    said = t.joined(parts, ", ")
    return f" {verb} {said}." if said else ""


def _of(missing: Iterable[str]) -> str:
    names = [t.code(str(place), 100) for place in missing]
    return f" of {' and '.join(names[:4])}" if names else ""


def _which(card: MigrationCard) -> str:
    return f"{t.code(card.migration.id)} to {place(card.target)}"
