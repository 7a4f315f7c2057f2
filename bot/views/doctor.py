"""What was found of Ferry's parts, for the one person who asked: a line each, what is not well first."""

from collections.abc import Sequence
from typing import NamedTuple

from bot.views import message as m
from bot.views import text as t

LINES = 40
"""Parts that are listed; clusters beyond are a number."""
LINE_CHARS = 400


class Looked(NamedTuple):
    """A part that was looked at, what was found, and whether it is well; plain text."""

    subject: str
    said: str
    well: bool


def doctor_message(found: Sequence[Looked]) -> m.Message:
    """The findings; a sentence says how many are not well."""
    ill = [each for each in found if not each.well]
    if ill:
        verdict = f"{len(ill)} of {t.counted(len(found), 'part')} {'is' if len(ill) == 1 else 'are'} not well."
    else:
        verdict = f"All {t.counted(len(found), 'part')} are well."
    lines = [_line(each) for each in (*ill, *(each for each in found if each.well))]
    more = len(lines) - LINES
    return m.message(
        verdict,
        m.section(f"{':x:' if ill else ':white_check_mark:'} *{verdict}* Nothing was changed."),
        *(m.section("\n".join(lines[at : at + 6])) for at in range(0, min(len(lines), LINES), 6)),
        m.context(f"and {t.counted(more, 'more part')}; `ferry doctor` shows all")
        if more > 0
        else None,
    )


def _line(looked: Looked) -> str:
    mark = ":white_check_mark:" if looked.well else ":x:"
    said = t.clip(t.prose(looked.said), LINE_CHARS)
    return f"{mark} *{t.clip(looked.subject, 60)}*: {said}"
