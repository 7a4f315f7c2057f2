"""Policy as people meet it in Slack: a ticket, two approvals, a reminder, a freeze, broken glass."""

from typing import Any

from bot.sandbox import Sandbox, words_of
from bot.settings import Settings
from bot.views import break_glass, buttons
from engine.lifecycle import EventName, Status
from engine.milvus.client import preparing_client

ADA, GRACE, LINUS, OLGA = "U0ADA", "U0GRACE", "U0LINUS", "U0OLGA"
CHANNEL, ALARM = "C0MIGRATE", "C0ALARM"
STRICT = {
    "approvals": 2,
    "requester_may_approve": True,
    "ticket_pattern": "OPS-[0-9]+",
    "break_glass_channel": ALARM,
    "reminders_hours": (23.99999, 1),
}


def start_with(story: Any, world: Settings, **policy: Any) -> None:
    """Start the bot again with a policy of the target `new`."""
    story.stop()
    given = {"clusters": {"new": {**world.clusters["new"].model_dump(), "policy": policy}}}
    changed = Settings.model_validate({"clusters": given["clusters"]}).clusters
    story.settings = world.model_copy(update={"clusters": {**world.clusters, **changed}})
    story.start()


def said(story: Any, channel: str, containing: str) -> dict[str, Any]:
    """Wait for a message in a channel."""

    def found() -> dict[str, Any] | None:
        return next((m for m in story.sandbox.messages(channel) if containing in words_of(m)), None)

    message: dict[str, Any] = story.sandbox.wait_for(found, 60, containing)
    return message


def test_two_approve_and_a_freeze_holds_it(story: Any, world: Settings) -> None:
    """Without a ticket it is refused; approvers are reminded; two approve; a freeze holds it until it is thawed, and says why."""
    start_with(story, world, **STRICT)
    sandbox: Sandbox = story.sandbox
    ada = story.open_form(ADA, source="old", target="new", reason="Move")
    assert "ferry_ticket" in (ada.submit() or {})
    ada.fill("ferry_ticket", "none")
    assert "OPS-[0-9]+" in (ada.submit() or {})["ferry_ticket"]
    ada.close()
    root = story.request(ticket="OPS-12", reason="Move")
    assert "OPS-12: Move" in words_of(root)
    assert "0 of 2" in words_of(root)
    assert "Freeze the shop first." in words_of(root)
    reminder = story.wait_for_reply(root, "Nobody has decided yet")
    assert "<@U0OLGA>" in words_of(reminder)
    assert sandbox.user(OLGA).command("/migrate", "freeze audit of <all>", channel=CHANNEL)
    assert "audit of &lt;all&gt;" in words_of(said(story, CHANNEL, "All migrations are frozen"))
    sandbox.user(GRACE).click(root, buttons.APPROVE)
    story.wait_for_reply(root, f"Approved by <@{GRACE}> (Project Admin of acme/search), 1 of 2")
    sandbox.wait_for(lambda: "1 of 2" in words_of(story.root(root)), 60, "the count")
    sandbox.user(GRACE).click(root, buttons.APPROVE)
    story.told(GRACE, "Your approval is there already")
    sandbox.user(ADA).click(root, buttons.APPROVE)
    held = story.wait_for_reply(root, "It does not start now")
    assert f"<@{OLGA}> has frozen all migrations" in words_of(held)
    assert "it does not start now" in words_of(story.root(root))
    assert sandbox.user(LINUS).command("/migrate", "thaw", channel=CHANNEL)
    story.told(LINUS, "You may not do this")
    assert story.status(root) is Status.QUEUED
    assert sandbox.user(OLGA).command("/migrate", "thaw", channel=CHANNEL)
    said(story, CHANNEL, "The freeze has ended")
    story.wait_for_reply(root, "it starts as soon as a worker is free")
    story.wait_for_status(root, Status.SUCCESSFUL)
    assert story.events(root, "reminded") == 1


def test_the_glass_is_broken_and_a_channel_is_told(story: Any, world: Settings) -> None:
    """Ada starts her own request without the approvals in a configured freeze; a reason is asked for, and #alarm is told."""
    always = {"start": "00:00", "end": "23:59", "timezone": "Etc/GMT-14", "reason": "inventory"}
    other = {"start": "23:59", "end": "00:00", "timezone": "Etc/GMT-14"}
    start_with(story, world, **(STRICT | {"freeze_windows": [always, other]}))
    sandbox: Sandbox = story.sandbox
    root = story.request(ticket="OPS-13")
    linus = sandbox.user(LINUS)
    linus.click(root, buttons.BREAK_GLASS)
    refused = linus.wait_for_view(title=break_glass.TITLE)
    sandbox.wait_for(lambda: "You may not do this" in words_of(linus.view), 60, words_of(refused))
    ada = sandbox.user(ADA)
    ada.click(root, buttons.BREAK_GLASS)
    ada.wait_for_view(break_glass.CALLBACK_ID)
    assert "Freeze the shop first." in words_of(ada.view)
    ada.fill(break_glass.REASON, "          .")
    assert (ada.submit() or {})[break_glass.REASON] == "Say why, in a sentence."
    ada.fill(break_glass.REASON, "The old disk fails <now>.")
    assert ada.submit() is None
    alarm = said(story, ALARM, "Break-glass")
    assert "The old disk fails &lt;now&gt;." in words_of(alarm)
    assert f"<@{ADA}> (Organization Owner of acme)" in words_of(alarm)
    story.wait_for_reply(root, "started it without the approvals")
    story.wait_for_status(root, Status.SUCCESSFUL)
    final = words_of(story.root(root))
    assert f"Started without the approvals (break-glass) by <@{ADA}>" in final
    assert story.events(root, EventName.APPROVE) == 1


def test_what_changed_after_the_approval_is_approved_again(
    story: Any, world: Settings, lite_server: Any
) -> None:
    """A collection is added to the source of an approved migration: it waits for approval again, the difference shown."""
    own = lite_server("own").uri
    client = preparing_client(own)
    try:
        client.create_collection("films", dimension=4)
        client.insert("films", [{"id": 1, "vector": [0.1] * 4}])
        old = world.clusters["old"].model_copy(update={"uri": own})
        story.stop()
        clusters = {**world.clusters, "old": old}
        story.settings = world.model_copy(update={"clusters": clusters})
        story.start()
        root = story.request()
        assert story.sandbox.user(ADA).command("/migrate", "freeze", channel=CHANNEL)
        said(story, CHANNEL, "All migrations are frozen")
        story.sandbox.user(GRACE).click(root, buttons.APPROVE)
        story.wait_for_reply(root, "It does not start now")
        assert "has frozen all migrations" in words_of(story.root(root))
        client.create_collection("people", dimension=4)
        client.insert("films", [{"id": 2, "vector": [0.2] * 4}])
    finally:
        client.close()
    assert story.sandbox.user(ADA).command("/migrate", "thaw", channel=CHANNEL)
    void = words_of(story.wait_for_reply(root, "the approvals are void"))
    assert "“people” is new, with 0 entities." in void
    assert "“films”: 1 → 2 entities." in void
    story.sandbox.wait_for(lambda: "Changed since" in words_of(story.root(root)), 60, "the root")
    assert "*void*: the plan changed after it" in words_of(story.root(root))
    assert story.ledger.migration(story.id_of(root)).cleared_at is None
    story.sandbox.user(GRACE).click(root, buttons.APPROVE)
    story.told(GRACE, "The plan has changed since this message was drawn")
    story.sandbox.user(GRACE).click(story.root(root), buttons.APPROVE)
    story.wait_for_status(root, Status.SUCCESSFUL)
    assert story.events(root, EventName.APPROVE) == 2
