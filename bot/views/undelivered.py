"""What a thread is told of a message beside it that does not arrive: what is missing, why, and what to do; said once.

When that is said is decided by the outbox. Nothing here decides anything.
"""

from typing import Final

from bot.views import message as m
from bot.views import text as t

UNMADE: Final = "unmade"
"""In the place of Slack's word: Ferry itself cannot make the message."""

_FILES: Final = {"plan": "The plan's file", "findings": "The file with all findings"}
_OF_FILES: Final = {
    "": "Slack's host for files does not answer. Let Ferry's machine reach files.slack.com; a proxy may block it.",
    "missing_scope": (
        "Ferry's Slack app lacks the scope `files:write`. Update the app from manifest.yml and install it again."
    ),
}
_OF_ALL: Final = {
    "": "Slack does not answer.",
    UNMADE: "Ferry itself failed over it. Show this to an administrator: its log says why (`message_unmade`).",
    "missing_scope": "Ferry's Slack app lacks a scope. Update the app from manifest.yml and install it again.",
    "is_archived": "That channel is archived. Unarchive it, or name another break_glass_channel in ferry.yml.",
    "account_inactive": "Slack says that this account is deactivated. Tell whoever took over.",
}
_UNINVITED: Final = {
    "not_in_channel": "Ferry is not in that channel.",
    "channel_not_found": (
        "Ferry is not in that channel, or there is none of that id (break_glass_channel in ferry.yml)."
    ),
}


def undelivered(
    migration_id: str, kind: str, where: str, word: str, *, given_up: bool = False
) -> m.Message:
    """The reply in the thread.

    Args:
        migration_id: Whose thread it is.
        kind: `plan`, `findings`, `direct` or `broadcast`.
        where: The channel (`broadcast`) or the person (`direct`) that is not told.
        word: Slack's error word, "" when it did not answer, or `UNMADE`.
        given_up: Slack will never take it, so it is not tried again.
    """
    what, why = _missing(kind, where), _why(kind, where, word)
    after = "It is not tried again." if given_up else "It follows by itself once that is mended."
    return m.message(
        f"Not delivered: migration {t.escape(migration_id)}: {what}. {why} {after}",
        m.section(
            f":warning: *Not delivered* · {what}. {why}\n{after} The migration itself is not held up."
        ),
    )


def _missing(kind: str, where: str) -> str:
    if kind in _FILES:
        return f"{_FILES[kind]} is not in this thread"
    if kind == "broadcast":
        return f"{_channel(where)} has not been told that this was started without the approvals (break-glass)"
    return f"{t.person(where)} has not been told in person"


def _why(kind: str, where: str, word: str) -> str:
    """The cause, and what to do about it."""
    if kind in _FILES and word in _OF_FILES:
        return _OF_FILES[word]
    if kind == "broadcast" and word in _UNINVITED:
        return f"{_UNINVITED[word]} Type `/invite @Ferry` in {_channel(where)}."
    other = f"Slack answers {t.code(word)}. `/migrate doctor` looks for the cause; Ferry's log has the whole answer."
    return _OF_ALL.get(word, other)


def _channel(channel: str) -> str:
    return f"<#{t.escape(channel)}>"
