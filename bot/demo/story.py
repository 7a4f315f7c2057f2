"""The story that `ferry demo --script` plays: people act in the sandbox as they would in Slack, and what they see is checked.

The people know nothing of Ferry's insides: they read messages, fill in the form and press buttons. Only how a migration ended, and
whether everything has been said, is asked of the ledger.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.demo.people import ADA, CHANNEL, GRACE, LINUS, SOURCE, TARGET
from bot.demo.world import World
from bot.sandbox import Actor, words_of
from bot.views import buttons
from bot.views.request_form import Field
from bot.views.request_modal import CALLBACK_ID, RESHAPES
from engine.lifecycle import Status, is_terminal, zilliz_word

STEP_SECONDS = 60.0
"""How long people wait for one answer; on a machine that does much else, a worker alone takes a quarter of a minute to start."""

RUN_SECONDS = 180.0
"""How long they wait for a migration's end."""

COPY_NAME = "search-rehearsal"
"""The new cluster of the second migration."""

Message = dict[str, Any]


class StoryFailed(RuntimeError):
    """A migration did not end as the story says; the message says how it did."""


def tell(world: World, say: Callable[[str], None]) -> Sequence[tuple[str, str]]:
    """Plays the story.

    Args:
        world: Where it is played.
        say: Called with a few lines for each thing that happens.

    Returns:
        The threads of both migrations as text, with their titles.

    Raises:
        StoryFailed: A migration ended otherwise.
        TimeoutError: An answer did not come; the message holds everything that stands in the workspace.
    """
    teller = _Teller(world, say)
    told = (
        ("A migration, approved and verified", teller.first()),
        ("A migration, canceled while it ran", teller.second()),
    )
    return [(title, world.sandbox.transcript(CHANNEL, ts)) for title, ts in told]


class _Teller:
    def __init__(self, world: World, say: Callable[[str], None]) -> None:
        self._say = say
        self._sandbox = world.sandbox
        self._bot = world.bot
        self._ada, self._grace, self._linus = map(world.sandbox.user, (ADA, GRACE, LINUS))

    def first(self) -> str:
        """A migration that is refused twice, approved, copied and verified; returns its thread's ts."""
        self._say(f"· Ada types /migrate and asks for all of {SOURCE} on {TARGET}.")
        reason = "The old cluster is switched off on Friday."
        root = self._request(self._ada, {Field.TARGET: TARGET, Field.REASON: reason})
        self._say("· The plan is in #migrations. Linus, who has no role, presses Approve.")
        self._refused(self._linus, root, "Organization Owner or Project Admin")
        self._say("· Ada presses Approve on her own request.")
        self._refused(self._ada, root, "another person has to approve it")
        self._say("· Grace, a project admin, approves.")
        self._grace.click(root, buttons.APPROVE)
        self._ends(root, Status.SUCCESSFUL)
        self._say("· It ran, and every entity was verified.")
        return str(root["ts"])

    def second(self) -> str:
        """A migration to a new cluster that is canceled from its thread while it runs; returns its thread's ts."""
        self._say(f"· Grace asks for the same on a new cluster, {COPY_NAME}.")
        fields = {
            Field.DESTINATION: "new",
            Field.NEW_CLUSTER_NAME: COPY_NAME,
            Field.REASON: "A rehearsal.",
        }
        root = self._request(self._grace, fields)
        self._say(
            "· Ada approves. When the thread shows entities copied, Grace presses Cancel there."
        )
        self._ada.click(root, buttons.APPROVE)
        progress = self._wait(lambda: self._copying(root), "progress with Cancel")
        self._grace.click(progress, buttons.CANCEL)
        self._ends(root, Status.CANCELED)
        self._say(
            "· It stopped between two chunks; the thread says what stands on the new cluster."
        )
        return str(root["ts"])

    def _request(self, person: Actor, fields: Mapping[Field, str]) -> Message:
        """Fills in and sends the form; returns the message that asks for approval."""
        before = {message["ts"] for message in self._sandbox.messages(CHANNEL)}
        person.command("/migrate", channel=CHANNEL)
        person.wait_for_view(CALLBACK_ID, timeout=STEP_SECONDS)
        for field, value in {Field.SOURCE: SOURCE, **fields}.items():
            self._fill(person, field, value)
        errors = person.submit()
        if errors:
            raise StoryFailed(f"The form was not taken: {errors}")
        root: Message = self._wait(lambda: self._asked(before), "the plan in #migrations")
        person.close()
        return root

    def _fill(self, person: Actor, field: Field, value: str) -> None:
        """Fills a field; where that reshapes the form, waits for the new shape as a person would."""
        seen = (person.view or {}).get("hash")
        person.fill(field, value)
        if field in RESHAPES:
            self._wait(lambda: (person.view or {}).get("hash") != seen, f"the form after {field}")

    def _asked(self, before: set[str]) -> Message | None:
        new = (each for each in self._sandbox.messages(CHANNEL) if each["ts"] not in before)
        return next((message for message in new if _offers(message, buttons.APPROVE)), None)

    def _refused(self, person: Actor, root: Message, why: str) -> None:
        person.click(root, buttons.APPROVE)
        answer = person.wait_for_ephemeral(CHANNEL, why, STEP_SECONDS)
        self._say(self._sandbox.transcript(CHANNEL, answer["ts"]))

    def _copying(self, root: Message) -> Message | None:
        """The progress message, once it shows entities copied and while it offers to cancel."""
        replies = self._sandbox.thread(CHANNEL, root["ts"])[1:]
        progress = next((reply for reply in replies if _offers(reply, buttons.CANCEL)), None)
        copied = re.search(r"([\d,]+) of [\d,]+ entities", words_of(progress))
        return progress if copied and copied[1] != "0" else None

    def _ends(self, root: Message, expected: Status) -> None:
        """Waits until a migration has ended and everything about it is said.

        Raises:
            StoryFailed: It ended otherwise.
        """
        found = re.search(r"M-[0-9A-Z]{7}", words_of(root))
        if found is None:
            raise StoryFailed(f"The request has no name:\n{words_of(root)}")
        migration_id = found[0]
        ledger = self._bot.ledger
        self._wait(
            lambda: is_terminal(ledger.migration(migration_id).status) and self._all_said(),
            f"the end of {migration_id}",
            RUN_SECONDS,
        )
        ended = ledger.migration(migration_id).status
        if ended is not expected:
            text = self._sandbox.transcript(CHANNEL, root["ts"])
            raise StoryFailed(
                f"{migration_id} should have ended as {zilliz_word(expected)}, not {zilliz_word(ended)}.\n{text}"
            )

    def _all_said(self) -> bool:
        """Whether the bot owes Slack nothing more."""
        records = self._bot.records
        return not self._bot.ledger.events(after_id=records.place()) and not records.pending()

    def _wait(self, condition: Callable[[], Any], what: str, seconds: float = STEP_SECONDS) -> Any:
        return self._sandbox.wait_for(condition, seconds, what)


def _offers(message: Message, action_id: str) -> bool:
    rows = (block for block in message["blocks"] if block["type"] == "actions")
    return any(element["action_id"] == action_id for row in rows for element in row["elements"])
