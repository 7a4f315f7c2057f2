"""The way of a migration through Slack, over a real socket and between real clusters."""

import threading
from typing import Any

import pytest

from bot.notes import NOT_STARTED, REFUSED
from bot.sandbox import Sandbox, words_of
from bot.settings import Settings
from bot.views.buttons import APPROVE, CANCEL, PAUSE, REJECT, REMIGRATE, REPAIR, RESUME
from bot.views.request_modal import CALLBACK_ID
from engine.lifecycle import EventName, Status
from engine.milvus.client import preparing_client

ADA, GRACE, LINUS, OLGA, CHANNEL = "U0ADA", "U0GRACE", "U0LINUS", "U0OLGA", "C0MIGRATE"
WRITING = "writing:1"
COPIED = "loaded:4"
"""Crash points of the engine: before the first entities are written; when all four collections stand and none is verified."""


def offers(message: dict[str, Any], action_id: str) -> bool:
    """Whether a message has that button."""
    return any(
        element.get("action_id") == action_id
        for block in message["blocks"]
        for element in block.get("elements", ())
    )


def test_a_migration_is_requested_approved_run_and_proved(story: Any, world: Settings) -> None:
    """Ada asks for a new cluster; Linus and she herself may not approve, Grace does; the thread has the proof."""
    sandbox: Sandbox = story.sandbox
    root = story.request(ADA, destination="new", new_cluster_name="copy-1", reason="Move <out>")
    assert "&lt;out&gt;" in words_of(root)
    assert "825 entities" in words_of(root)
    assert not (world.new_clusters.folder / "copy-1.db").exists()  # type: ignore[union-attr]  # it is set
    sandbox.user(LINUS).click(root, APPROVE)
    assert "Organization Owner or Project Admin" in story.told(LINUS, "You may not do this")
    sandbox.user(ADA).click(root, APPROVE)
    assert "<@U0OLGA>" in story.told(ADA, "another person has to approve")
    sandbox.user(GRACE).click(root, APPROVE)
    report = story.wait_for_reply(root, "VERIFIED")
    assert "825" in words_of(report)
    story.wait_for_status(root, Status.SUCCESSFUL)
    sandbox.wait_for(lambda: not story.bot.records.pending(), 60, "everything told")
    final = words_of(story.root(root))
    assert "SUCCESSFUL" in final
    assert f"Approved by <@{GRACE}>" in final
    assert f"<@{ADA}>" in final
    assert not offers(story.root(root), APPROVE)
    said = [words_of(reply) for reply in story.replies(root)]
    assert [sum(text.startswith("SUCCESSFUL") for text in said)] == [3]
    assert sandbox.user(ADA).view["callback_id"] == CALLBACK_ID  # type: ignore[index]  # it is open


def test_a_double_click_counts_once(story: Any) -> None:
    """Two clicks on Approve are one approval, and the second is told so."""
    root = story.request()
    grace = story.sandbox.user(GRACE)
    grace.click(root, APPROVE)
    grace.click(root, APPROVE)
    assert f"<@{GRACE}>" in story.told(GRACE, "already approved")
    assert story.events(root, EventName.APPROVE) == 1


def test_a_repeated_delivery_counts_once_and_is_not_answered_twice(story: Any) -> None:
    """Slack delivers one click twice: one approval, and nobody is told of a second."""
    root = story.request()
    story.sandbox.duplicate_next_envelope()
    story.sandbox.user(GRACE).click(root, APPROVE)
    story.wait_for_reply(root, "Approved by")
    clicks = [
        e
        for e in story.sandbox.journal.envelopes("interactive")
        if e.args.get("type") == "block_actions"
    ]
    story.sandbox.wait_for(lambda: all(e.acked for e in clicks), what="both acknowledged")
    assert story.events(root, EventName.APPROVE) == 1
    assert story.events(root, REFUSED) == 0
    assert story.sandbox.user(GRACE).ephemerals(CHANNEL) == []


def test_of_two_approvers_at_once_one_wins_and_the_other_is_told(story: Any) -> None:
    """Grace and Olga click at the same moment: one approval, and the other learns whose."""
    root = story.request()
    gate = threading.Barrier(2)

    def click(user: str) -> None:
        gate.wait()
        story.sandbox.user(user).click(root, APPROVE)

    threads = [threading.Thread(target=click, args=(user,)) for user in (GRACE, OLGA)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    decisions = story.bot.records.decisions
    (decision,) = story.sandbox.wait_for(lambda: decisions(story.id_of(root)), 60, "a decision")
    loser = ({GRACE, OLGA} - {decision.user_id}).pop()
    assert f"<@{decision.user_id}>" in story.told(loser, "already approved")
    assert story.events(root, EventName.APPROVE) == 1


def test_a_rejection_ends_it_and_a_late_approval_is_told(story: Any) -> None:
    """Olga rejects; the thread says so, the buttons go, and Grace's click on the old message is answered."""
    root = story.request()
    story.sandbox.user(OLGA).click(root, REJECT)
    story.wait_for_reply(root, f"Rejected by <@{OLGA}>")
    story.sandbox.wait_for(lambda: not offers(story.root(root), APPROVE), 60, "no buttons")
    story.sandbox.user(GRACE).click(root, APPROVE)
    assert f"<@{OLGA}>" in story.told(GRACE, "already rejected")
    assert story.status(root) is Status.REJECTED


def test_a_running_migration_is_canceled_from_its_thread(story: Any) -> None:
    """The Cancel button of the progress message stops a running migration; the thread says what stands on the target."""
    root = story.request()
    story.hold_next(WRITING)
    story.sandbox.user(GRACE).click(root, APPROVE)
    worker = story.held(root)
    try:
        progress = story.sandbox.wait_for(
            lambda: next((m for m in story.replies(root) if offers(m, CANCEL)), None), 60, "Cancel"
        )
        story.sandbox.user(LINUS).click(progress, CANCEL)
        story.told(LINUS, "You may not do this")
        story.sandbox.user(GRACE).click(progress, CANCEL)
        story.wait_for_reply(root, "asked to cancel")
        assert story.status(root) is Status.RUNNING
        story.sandbox.user(OLGA).click(progress, CANCEL)
        assert f"<@{GRACE}>" in story.told(OLGA, "already under way")
    finally:
        worker.resume()
    story.wait_for_status(root, Status.CANCELED)
    story.wait_for_reply(root, "Canceled by")
    resume = story.sandbox.wait_for(lambda: offers(story.root(root), RESUME), 60, "Resume")
    assert resume
    story.sandbox.user(OLGA).click(story.root(root), RESUME)
    story.wait_for_status(root, Status.SUCCESSFUL)


def damage(uri: str) -> None:
    """Change one vector on the target and take another entity away."""
    client = preparing_client(uri)
    try:
        (row,) = client.query("products", filter="id == 7", output_fields=["*"])
        row["embedding"] = [0.5] * len(row["embedding"])
        client.upsert("products", [row])
        client.delete("products", ids=[8])
    finally:
        client.close()


def test_a_mismatch_is_shown_with_its_keys_and_migrated_again(story: Any, empty: str) -> None:
    """Entities changed on the target behind Ferry's back are named by key in the thread and in a file; Re-migrate repairs them."""
    root = story.request()
    story.hold_next(COPIED)
    story.sandbox.user(GRACE).click(root, APPROVE)
    worker = story.held(root)
    try:
        damage(empty)
    finally:
        worker.resume()
    report = story.wait_for_reply(root, "First mismatches")
    assert "MISMATCHED" in words_of(report)
    assert "*different* in `embedding`: `products` / `_default` key `7`" in words_of(report)
    assert "*missing*: `products` / `_default` key `8`" in words_of(report)
    file = story.sandbox.wait_for(
        lambda: next((f for f in story.sandbox.files if f.content and "-findings" in f.name), None),
        60,
        "the file",
    )
    assert "*\tproducts\t_default\t7\tembedding" in file.content.decode()
    assert story.status(root) is Status.MISMATCHED
    known = {m["ts"] for m in story.sandbox.messages(CHANNEL)}
    story.sandbox.user(OLGA).click(report, REMIGRATE)
    story.sandbox.user(OLGA).click(report, REMIGRATE)
    story.told(OLGA, "needs an approval")
    story.told(OLGA, "asked for already")
    again = story.sandbox.wait_for(
        lambda: next((m for m in story.sandbox.messages(CHANNEL) if m["ts"] not in known), None),
        60,
        "the new plan",
    )
    assert story.ledger.migration(story.id_of(again)).request.collections == ("products",)
    story.sandbox.user(GRACE).click(again, APPROVE)
    story.wait_for_status(again, Status.SUCCESSFUL)


def test_a_migration_rests_goes_on_and_is_repaired(story: Any, empty: str) -> None:
    """Paused in its thread it stops; Resume works under the next bot; Repair mends what then mismatches, without another plan."""
    root = story.request()
    story.hold_next(WRITING)
    story.sandbox.user(GRACE).click(root, APPROVE)
    worker = story.held(root)
    try:
        progress = story.sandbox.wait_for(
            lambda: next((m for m in story.replies(root) if offers(m, PAUSE)), None), 60, "Pause"
        )
        story.sandbox.user(GRACE).click(progress, PAUSE)
        story.wait_for_reply(root, f"<@{GRACE}> (Project Admin of acme/search) asked to pause")
    finally:
        worker.resume()
    story.wait_for_status(root, Status.PAUSED)
    story.wait_for_reply(root, "Paused.")
    resting = story.sandbox.wait_for(
        lambda: offers(story.root(root), RESUME) and story.root(root), 60, "Resume"
    )
    story.restart()
    story.sandbox.user(LINUS).click(resting, RESUME)
    story.told(LINUS, "You may not do this")
    story.hold_next(COPIED)
    story.sandbox.user(OLGA).click(resting, RESUME)
    story.wait_for_reply(root, f"Resumed by <@{OLGA}>")
    worker = story.held(root)
    try:
        damage(empty)
    finally:
        worker.resume()
    report = story.wait_for_reply(root, "First mismatches")
    story.sandbox.user(OLGA).click(report, REPAIR)
    story.wait_for_reply(root, f"Repair asked for by <@{OLGA}>")
    story.wait_for_status(root, Status.SUCCESSFUL)
    story.sandbox.user(OLGA).click(report, REPAIR)
    story.told(OLGA, "It cannot be repaired: it has already ended successfully")


def test_buttons_of_a_dead_bot_work_under_the_next(story: Any) -> None:
    """A request that was posted before a restart is approved after it; what happened meanwhile is told once."""
    root = story.request()
    canceled = story.request(OLGA, destination="new", new_cluster_name="other")
    story.stop()
    with story.ledger.transaction() as tx:
        tx.apply(story.id_of(canceled), EventName.CANCEL, actor=OLGA)
    story.start()
    story.sandbox.user(GRACE).click(root, APPROVE)
    story.wait_for_reply(root, "Approved by")
    story.wait_for_reply(canceled, "Canceled by")
    story.wait_for_status(root, Status.SUCCESSFUL)
    story.sandbox.wait_for(lambda: not story.bot.records.pending(), 60, "everything told")
    said = [words_of(reply) for reply in story.replies(canceled)]
    assert sum("Canceled by" in text for text in said) == 1
    assert sum("The plan is ready" in text for text in said) == 1


def test_a_killed_worker_is_replaced_at_once(story: Any) -> None:
    """A worker that is killed is noticed before its lease ends; another one finishes what it began."""
    root = story.request()
    story.hold_next(WRITING, lease_seconds=10)
    story.sandbox.user(GRACE).click(root, APPROVE)
    story.held(root).kill()
    story.wait_for_reply(root, "Another one takes over")
    story.wait_for_status(root, Status.SUCCESSFUL)
    assert story.events(root, EventName.CLAIM) == 2
    assert story.events(root, "worker_lost") == 1


def test_a_stopped_bot_hands_back_what_runs(story: Any) -> None:
    """Ending the bot ends its workers and puts their migrations back; the next bot goes on by itself."""
    root = story.request()
    story.hold_next(WRITING)
    story.sandbox.user(GRACE).click(root, APPROVE)
    worker = story.held(root)
    worker.resume()
    story.stop()
    assert not worker.is_running()
    assert story.status(root) in {Status.QUEUED, Status.SUCCESSFUL}
    story.start()
    story.wait_for_status(root, Status.SUCCESSFUL)


def test_a_missing_token_is_told_in_the_thread_and_tried_again(
    story: Any, world: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be started for want of a token says so once, with what to do, and starts by itself when that was done."""
    root = story.request()
    with_token = world.clusters["new"].model_copy(update={"token_env": "NEW_TOKEN"})
    story.restart(clusters={**world.clusters, "new": with_token})
    story.sandbox.user(GRACE).click(root, APPROVE)
    said = words_of(story.wait_for_reply(root, "cannot be started"))
    assert "NEW_TOKEN" in said
    assert "tried again by itself" in said
    story.restart()
    monkeypatch.setenv("NEW_TOKEN", "root:Milvus")
    story.wait_for_status(root, Status.SUCCESSFUL)
    assert story.events(root, NOT_STARTED) == 1
