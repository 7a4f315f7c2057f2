"""A Replace request in Slack: what it deletes is seen before it is approved, and what was not seen is not deleted."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymilvus import MilvusClient

from bot.sandbox import words_of
from bot.views.buttons import APPROVE, UNDO
from engine.lifecycle import EventName, Status
from engine.milvus.client import preparing_client
from tests.bot.story import ADA, CHANNEL, GRACE


@pytest.fixture
def target(empty: str) -> Iterator[MilvusClient]:
    """The target, with a collection `products` of 3 entities that no migration made."""
    client = preparing_client(empty)
    client.create_collection("products", dimension=4)
    write(client, range(3))
    yield client
    client.close()


def write(client: MilvusClient, keys: range) -> None:
    """Somebody writes to what stands on the target."""
    client.insert("products", [{"id": key, "vector": [0.1] * 4} for key in keys])


def dialog(message: dict[str, Any], action_id: str) -> dict[str, Any]:
    """The dialog before a button of a message."""
    rows = (block.get("elements", ()) for block in message["blocks"])
    elements = (element for row in rows for element in row)
    found = next(each for each in elements if each.get("action_id") == action_id)
    confirm: dict[str, Any] = found["confirm"]
    return confirm


def there(message: dict[str, Any]) -> dict[str, str]:
    """What the plan's table says of the target, by collection."""
    (table,) = [block for block in message["blocks"] if block["type"] == "table"]
    return {row[0]["text"]: row[-1]["text"] for row in table["rows"][1:]}


def test_what_replace_deletes_is_seen_before_it_is_approved(
    story: Any, target: MilvusClient
) -> None:
    """Table, list, file and red dialog name it with its count; if that grows before the start, it is approved anew."""
    sandbox = story.sandbox
    root = story.request(ADA, on_conflict="replace")
    deleted = "Will be DELETED on `new` / `default` before the copy: 1 collection, 3 entities"
    assert deleted in words_of(root)
    assert "products, 3 entities" in words_of(root)
    assert there(root) == {
        "products": "DELETED: 3 entities",
        **dict.fromkeys(("articles", "documents", "events"), "new"),
    }
    asked = dialog(root, APPROVE)
    assert asked["style"] == "danger"
    assert "Will be DELETED there: products (3 entities)." in asked["text"]["text"]
    file = sandbox.wait_for(
        lambda: next((f for f in sandbox.files if f.content and "-plan-" in f.name), None),
        60,
        "the plan's file",
    )
    listed = "Will be DELETED on the target:\n  - products, 3 entities"
    assert listed in file.content.decode()

    assert sandbox.user(ADA).command("/migrate", "freeze", channel=CHANNEL)
    sandbox.user(GRACE).click(root, APPROVE)
    story.wait_for_reply(root, "It does not start now")
    write(target, range(3, 5))
    assert sandbox.user(ADA).command("/migrate", "thaw", channel=CHANNEL)
    void = words_of(story.wait_for_reply(root, "the approvals are void"))
    changed = (
        "“products”: what would be DELETED on the target has changed: 3 entities → 5 entities."
    )
    assert changed in void
    sandbox.wait_for(lambda: "Changed since" in words_of(story.root(root)), 60, "the root")
    assert there(story.root(root))["products"] == "DELETED: 5 entities"
    assert target.query("products", output_fields=["count(*)"])[0]["count(*)"] == 5

    sandbox.user(GRACE).click(story.root(root), APPROVE)
    story.wait_for_status(root, Status.SUCCESSFUL)
    assert story.events(root, EventName.APPROVE) == 2
    report = story.wait_for_reply(root, "deleted on the target before the copy: products")
    lost = dialog(report, UNDO)["text"]["text"]
    assert "What it replaced is NOT brought back: products (5 entities)." in lost
    sandbox.wait_for(
        lambda: "Approved to be DELETED" in words_of(story.root(root)), 60, "the final root"
    )
