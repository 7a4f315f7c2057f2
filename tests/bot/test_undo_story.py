"""The undo of a migration and its second verification from Slack, over a real socket and between real clusters."""

from typing import Any

from bot.notes import WORKER_LOST
from bot.sandbox import words_of
from bot.views.buttons import APPROVE, CANCEL, UNDO
from engine.lifecycle import EventName, Status
from engine.milvus import definitions
from engine.milvus.client import preparing_client
from engine.milvus.connection import connect
from engine.model import Endpoint
from tests.bot.story import CHANNEL, GRACE, LINUS, OLGA

STRANGER = 900_001
"""A key that the sample does not have."""


def offers(message: dict[str, Any], action_id: str) -> bool:
    """Whether a message has that button."""
    rows = (block.get("elements", ()) for block in message["blocks"])
    return any(element.get("action_id") == action_id for row in rows for element in row)


def standing(uri: str) -> tuple[str, ...]:
    """The collections on the target."""
    with connect(Endpoint(name="target", uri=uri), "") as cluster:
        return definitions.collection_names(cluster)


def written_by_a_stranger(uri: str) -> None:
    """Somebody else writes one entity to the target."""
    client = preparing_client(uri)
    try:
        (row,) = client.query("products", filter="id == 7", output_fields=["*"])
        client.insert("products", [row | {"id": STRANGER}])
    finally:
        client.close()


def taken_back_by_the_stranger(uri: str) -> None:
    """And takes it away again."""
    client = preparing_client(uri)
    try:
        client.delete("products", ids=[STRANGER])
    finally:
        client.close()


def now(story: Any, message: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """A reply as it stands now."""
    return next(reply for reply in story.replies(root) if reply["ts"] == message["ts"])


def test_a_migration_is_refused_its_undo_verified_again_and_undone(story: Any, empty: str) -> None:
    """A write by someone else: the undo is refused, a verification finds it; afterwards everything is dropped, despite a kill.

    Linus may not; the buttons are those of a bot before; two clicks ask once; a report that is outdated keeps no button.
    """
    sandbox, ledger = story.sandbox, story.ledger
    root = story.request()
    migration_id = story.id_of(root)
    sandbox.user(GRACE).click(root, APPROVE)
    first = story.wait_for_reply(root, "VERIFIED")
    story.wait_for_status(root, Status.SUCCESSFUL)
    made = standing(empty)
    assert offers(first, UNDO)
    sandbox.user(LINUS).click(first, UNDO)
    story.told(LINUS, "You may not do this")

    written_by_a_stranger(empty)
    sandbox.user(GRACE).click(first, UNDO)
    refused = words_of(story.wait_for_reply(root, "the undo was not done"))
    assert f"ferry undo {migration_id} --force" in refused
    assert "Nothing was dropped" in refused
    assert story.status(root) is Status.SUCCESSFUL
    sandbox.wait_for(lambda: offers(now(story, first, root), UNDO), 60, "the button back")

    sandbox.user(GRACE).command("/migrate", f"verify {migration_id}", channel=CHANNEL)
    story.wait_for_reply(root, f"Verification asked for by <@{GRACE}>")
    second = story.wait_for_reply(root, f"*extra*: `products` / `_default` key `{STRANGER}`")
    story.wait_for_status(root, Status.MISMATCHED)
    sandbox.wait_for(lambda: "Outdated" in words_of(now(story, first, root)), 60, "an old report")
    assert not offers(now(story, first, root), UNDO)
    assert "825" in words_of(now(story, first, root))

    taken_back_by_the_stranger(empty)
    story.restart()
    story.hold_next("undo_begun:1", lease_seconds=20)  # which its successor outlasts
    sandbox.user(OLGA).click(second, UNDO)
    story.wait_for_reply(root, f"Undo asked for by <@{OLGA}>")
    sandbox.user(GRACE).click(second, UNDO)
    story.told(GRACE, f"already asked for by <@{OLGA}>")
    story.held(root).kill()
    sandbox.wait_for(lambda: story.events(root, WORKER_LOST), 60, "a dead worker")
    done = words_of(story.wait_for_reply(root, "Undone. Dropped on"))
    assert all(f"`{name}`" in done for name in made)
    story.wait_for_status(root, Status.UNDONE)
    assert standing(empty) == ()
    assert story.events(root, EventName.ASK_UNDO) == 2
    sandbox.wait_for(lambda: not story.bot.records.pending(), 60, "everything told")
    assert not offers(story.root(root), UNDO)
    assert not offers(now(story, second, root), UNDO)
    assert "Its process was lost" in words_of(story.wait_for_reply(root, "Its process was lost"))
    story.wait_for_reply(root, "It waits. Calls that were lost may still reach")
    sandbox.user(GRACE).click(second, UNDO)
    story.told(GRACE, "was undone")
    outcomes = {(row.act, row.actor, row.outcome) for row in ledger.audit()}
    assert ("ask_undo", OLGA, "undo_asked") in outcomes
    assert ("undo", LINUS, "refused: no_role") in outcomes


def test_an_undo_is_taken_back_while_it_is_frozen(story: Any, empty: str) -> None:
    """A freeze holds an undo that was asked for; its thread says so, and its first message takes it back."""
    root = story.request()
    story.sandbox.user(GRACE).click(root, APPROVE)
    story.wait_for_status(root, Status.SUCCESSFUL)
    report = story.wait_for_reply(root, "VERIFIED")
    assert story.bot.service.freeze(OLGA, "audit").done
    story.sandbox.user(GRACE).click(report, UNDO)
    story.wait_for_reply(root, "It does not start now")
    waiting = story.sandbox.wait_for(
        lambda: offers(story.root(root), CANCEL) and story.root(root), 60, "Do not undo"
    )
    story.sandbox.user(OLGA).click(waiting, CANCEL)
    story.wait_for_reply(root, "took the undo back")
    assert story.status(root) is Status.SUCCESSFUL
    assert "products" in standing(empty)
