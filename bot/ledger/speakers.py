"""Which bot posts to Slack, in the ledger: one row, changed only by who has read it as it stands.

It knows no time: how long a row that does not change is another bot's is `bot/floor.py`'s. SQL stays in here.
"""

from typing import Final, NamedTuple

from sqlalchemy import update
from sqlmodel import col

from bot.ledger.statements import insert_new
from bot.ledger.tables import PlaceRow
from engine.ledger.database import Database

NARRATOR: Final = "narrator"
"""The reader whose place among the events, and whose speaker, the row holds."""


class Speaker(NamedTuple):
    """Who posts ("" while nobody does), and a number that grows while that bot lives."""

    owner: str = ""
    beat: int = 0


class Speakers(Database):
    """The bot's methods about who posts."""

    def speaker(self) -> Speaker:
        """Who posts now."""
        with self._read() as session:
            row = session.get(PlaceRow, NARRATOR)
            return Speaker() if row is None else Speaker(row.speaker, row.beat)

    def follow(self, before: Speaker, owner: str) -> Speaker | None:
        """Let `owner` post from now on, or ("") nobody, if it still stands as it was read.

        Returns:
            How it stands now, or None if somebody was faster: then nothing was changed.
        """
        after = Speaker(owner, before.beat + 1)
        with self._write() as session:
            insert_new(session, PlaceRow, {"reader": NARRATOR, "event_id": 0})
            change = update(PlaceRow).where(
                col(PlaceRow.reader) == NARRATOR,
                col(PlaceRow.speaker) == before.owner,
                col(PlaceRow.beat) == before.beat,
            )
            changed = change.values(speaker=after.owner, beat=after.beat)
            return after if session.connection().execute(changed).rowcount == 1 else None
