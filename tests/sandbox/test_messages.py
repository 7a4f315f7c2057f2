"""Messages, threads and conversations behave as Slack's do."""

from collections.abc import Callable
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox import Sandbox

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*old*"}}


def test_timestamps_are_unique_and_increase(client: WebClient) -> None:
    """However fast messages come, each has a later ts with six decimals."""
    stamps = [client.chat_postMessage(channel="C1", text=str(n))["ts"] for n in range(20)]
    assert stamps == sorted(set(stamps))
    assert all(len(ts.partition(".")[2]) == 6 for ts in stamps)


@pytest.mark.parametrize("target", ["C1", "#data", "data"])
def test_channels_are_found_by_id_and_name(client: WebClient, target: str) -> None:
    """chat.postMessage accepts a channel's id and its name and answers the id."""
    assert client.chat_postMessage(channel=target, text="x")["channel"] == "C1"


def test_message_to_a_user_arrives_in_the_direct_message(
    client: WebClient, sandbox: Sandbox
) -> None:
    """A post to a user id lands in the conversation that conversations.open answers."""
    posted = client.chat_postMessage(channel="U1", text="psst")
    assert posted["channel"] == client.conversations_open(users="U1")["channel"]["id"]
    assert sandbox.user("U1").visible_messages(posted["channel"])[0]["text"] == "psst"
    assert posted["channel"] not in sandbox.user("U2").sees()["messages"]


def test_text_update_removes_blocks_and_marks_edited(client: WebClient, sandbox: Sandbox) -> None:
    """chat.update with text alone removes the blocks and shows "(edited)"."""
    ts = client.chat_postMessage(channel="C1", text="old", blocks=[SECTION])["ts"]
    client.chat_update(channel="C1", ts=ts, text="new")
    (shown,) = sandbox.messages("C1")
    assert (shown["text"], shown["blocks"]) == ("new", [])
    assert shown["edited"]["user"] == "UBOT"


def test_block_update_keeps_the_text_and_shows_no_mark(client: WebClient, sandbox: Sandbox) -> None:
    """chat.update with blocks alone keeps the text and is not marked as edited."""
    ts = client.chat_postMessage(channel="C1", text="old")["ts"]
    client.api_call("chat.update", json={"channel": "C1", "ts": ts, "blocks": [SECTION]})
    (shown,) = sandbox.messages("C1")
    assert (shown["text"], shown["edited"]) == ("old", None)
    assert shown["blocks"][0]["text"]["text"] == "*old*"


def test_attachment_update_keeps_text_and_blocks(client: WebClient, sandbox: Sandbox) -> None:
    """chat.update without text and blocks leaves both."""
    ts = client.chat_postMessage(channel="C1", text="old", blocks=[SECTION])["ts"]
    attached = [{"text": "more"}]
    client.api_call("chat.update", json={"channel": "C1", "ts": ts, "attachments": attached})
    (shown,) = sandbox.messages("C1")
    assert (shown["text"], len(shown["blocks"]), len(shown["attachments"])) == ("old", 1, 1)


def test_update_that_would_leave_nothing_is_refused(client: WebClient) -> None:
    """chat.update needs something to show."""
    ts = client.chat_postMessage(channel="C1", text="old")["ts"]
    with pytest.raises(SlackApiError, match="no_text"):
        client.api_call("chat.update", json={"channel": "C1", "ts": ts})
    with pytest.raises(SlackApiError, match="no_text"):
        client.api_call("chat.update", json={"channel": "C1", "ts": ts, "text": ""})


def test_only_own_messages_can_be_changed(client: WebClient, sandbox: Sandbox) -> None:
    """A person's message can neither be updated nor deleted by the app."""
    ts = sandbox.user("U1").say("C1", "mine")
    with pytest.raises(SlackApiError, match="cant_update_message"):
        client.chat_update(channel="C1", ts=ts, text="yours")
    with pytest.raises(SlackApiError, match="cant_delete_message"):
        client.chat_delete(channel="C1", ts=ts)


def test_overlong_text_is_cut_on_post_and_refused_on_update(
    client: WebClient, sandbox: Sandbox
) -> None:
    """40,000 characters are kept with a warning; an update beyond them is refused."""
    posted = client.chat_postMessage(channel="C1", text="x" * 40_001)
    assert posted["warning"] == "message_truncated"
    assert len(sandbox.messages("C1")[0]["text"]) == 40_000
    with pytest.raises(SlackApiError, match="msg_too_long"):
        client.chat_update(channel="C1", ts=posted["ts"], text="x" * 40_001)


def test_replies_stand_in_the_thread_only(client: WebClient, sandbox: Sandbox) -> None:
    """A reply is counted at its root and read by conversations.replies, not by history."""
    root = client.chat_postMessage(channel="C1", text="root")["ts"]
    reply = client.chat_postMessage(channel="C1", text="reply", thread_ts=root)["ts"]
    nested = client.chat_postMessage(channel="C1", text="nested", thread_ts=reply)
    assert nested["message"]["thread_ts"] == root
    replies = client.conversations_replies(channel="C1", ts=root)["messages"]
    assert [m["text"] for m in replies] == ["root", "reply", "nested"]
    history = client.conversations_history(channel="C1")["messages"]
    assert [(m["text"], m["reply_count"]) for m in history] == [("root", 2)]
    assert sandbox.messages("C1")[0]["latest_reply"] == nested["ts"]


def test_history_pages_newest_first(client: WebClient) -> None:
    """conversations.history gives pages with a cursor and obeys oldest and inclusive."""
    stamps = [client.chat_postMessage(channel="C1", text=str(n))["ts"] for n in range(5)]
    first = client.conversations_history(channel="C1", limit=3)
    assert [m["text"] for m in first["messages"]] == ["4", "3", "2"]
    cursor = first["response_metadata"]["next_cursor"]
    rest = client.conversations_history(channel="C1", limit=3, cursor=cursor)
    assert ([m["text"] for m in rest["messages"]], rest["has_more"]) == (["1", "0"], False)
    since = client.conversations_history(channel="C1", oldest=stamps[3])["messages"]
    assert [m["text"] for m in since] == ["4"]
    including = client.conversations_history(channel="C1", oldest=stamps[3], inclusive=True)
    assert [m["text"] for m in including["messages"]] == ["4", "3"]


def test_ephemeral_is_seen_by_one(client: WebClient, sandbox: Sandbox) -> None:
    """An ephemeral message is seen by its user only, and by no reading method."""
    client.chat_postEphemeral(channel="C1", user="U1", text="only you")
    assert [m["text"] for m in sandbox.user("U1").visible_messages("C1")] == ["only you"]
    assert sandbox.user("U2").visible_messages("C1") == []
    assert sandbox.messages("C1") == []
    assert client.conversations_history(channel="C1")["messages"] == []


def test_ephemeral_cannot_be_updated(client: WebClient) -> None:
    """chat.update does not find an ephemeral message."""
    ts = client.chat_postEphemeral(channel="C1", user="U1", text="only you")["message_ts"]
    with pytest.raises(SlackApiError, match="message_not_found"):
        client.chat_update(channel="C1", ts=ts, text="x")


def test_deleted_root_stays_while_it_has_replies(client: WebClient, sandbox: Sandbox) -> None:
    """A deleted message disappears; a deleted root with replies leaves a tombstone."""
    alone = client.chat_postMessage(channel="C1", text="alone")["ts"]
    root = client.chat_postMessage(channel="C1", text="root")["ts"]
    client.chat_postMessage(channel="C1", text="reply", thread_ts=root)
    client.chat_delete(channel="C1", ts=alone)
    client.chat_delete(channel="C1", ts=root)
    (tombstone,) = sandbox.messages("C1")
    assert (tombstone["ts"], tombstone["deleted"], tombstone["text"]) == (root, True, "")


def test_permalink_of_a_reply_names_its_thread(client: WebClient) -> None:
    """chat.getPermalink of a reply carries thread_ts and cid."""
    root = client.chat_postMessage(channel="C1", text="root")["ts"]
    reply = client.chat_postMessage(channel="C1", text="reply", thread_ts=root)["ts"]
    link = client.chat_getPermalink(channel="C1", message_ts=reply)["permalink"]
    assert link.endswith(f"/archives/C1/p{reply.replace('.', '')}?thread_ts={root}&cid=C1")


def test_reaction_counts_once(client: WebClient, sandbox: Sandbox) -> None:
    """reactions.add shows the app's reaction and refuses a second one of that name."""
    ts = client.chat_postMessage(channel="C1", text="x")["ts"]
    client.reactions_add(channel="C1", timestamp=ts, name="eyes")
    with pytest.raises(SlackApiError, match="already_reacted"):
        client.reactions_add(channel="C1", timestamp=ts, name=":eyes:")
    assert sandbox.messages("C1")[0]["reactions"] == [
        {"name": "eyes", "users": ["UBOT"], "count": 1}
    ]


def test_blocks_without_ids_get_some(
    client: WebClient, buttons: Callable[..., dict[str, Any]]
) -> None:
    """Slack fills in block_id and action_id where the app left them out."""
    block = buttons("go")
    del block["block_id"], block["elements"][0]["action_id"]
    (stored,) = client.chat_postMessage(channel="C1", blocks=[block], text="x")["message"]["blocks"]
    assert stored["block_id"]
    assert stored["elements"][0]["action_id"]


def test_people_and_groups_are_answered(client: WebClient) -> None:
    """users.*, usergroups.* and conversations.* describe the workspace."""
    ben = client.users_info(user="U2")["user"]
    assert (ben["real_name"], ben["tz"], ben["tz_offset"]) == ("Ben Ito", "Asia/Tokyo", 32_400)
    assert client.users_lookupByEmail(email="ADA@example.org")["user"]["id"] == "U1"
    assert client.users_info(user="UBOT")["user"]["is_bot"]
    assert [m["id"] for m in client.users_list()["members"]] == ["U1", "U2", "U3", "UBOT"]
    assert client.usergroups_users_list(usergroup="S1")["users"] == ["U1"]
    (group,) = client.usergroups_list(include_users=True)["usergroups"]
    assert (group["handle"], group["users"]) == ("admins", ["U1"])
    assert client.conversations_members(channel="C1")["members"] == ["U1", "U2", "UBOT"]
    info = client.conversations_info(channel="C2")["channel"]
    assert (info["name"], info["is_member"]) == ("botless", False)
    kinds = "public_channel,private_channel,im"
    listed = [c["id"] for c in client.conversations_list(types=kinds)["channels"]]
    assert listed[:3] == ["C1", "C2", "G2"]
    assert len(listed) == 6


def test_auth_test_names_the_bot(client: WebClient) -> None:
    """auth.test answers with team, bot user and bot id."""
    answer = client.auth_test()
    assert (answer["team"], answer["user_id"], answer["bot_id"]) == ("Harbour", "UBOT", "B0SANDBOX")
