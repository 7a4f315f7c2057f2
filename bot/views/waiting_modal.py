"""A window that opens at once, because Slack lets one open for three seconds only: what it waits for, or why no more comes."""

from typing import Any, TypeAlias

from bot.views import message as m

View: TypeAlias = dict[str, Any]


def waiting(title: str, for_what: str) -> View:
    """The window until Ferry knows what belongs into it.

    Args:
        title: At most 24 characters.
        for_what: What is being found out, finished mrkdwn.
    """
    return said(title, f":hourglass_flowing_sand: {for_what}")


def said(title: str, text: str) -> View:
    """The window with nothing but a text, finished mrkdwn."""
    return {
        "type": "modal",
        "title": m.plain(title, 24),
        "close": m.plain("Close", 24),
        "blocks": [m.section(text)],
    }
