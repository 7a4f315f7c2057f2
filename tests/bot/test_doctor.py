"""`ferry doctor`: one line for each part, and an exit code."""

import pytest
from pydantic import SecretStr

from bot.doctor import examine
from bot.sandbox import Sandbox
from bot.settings import Settings

CHANNEL = "C0MIGRATE"


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[str, str]]:
    """The printed lines: word and text by subject."""
    printed = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    parts = [(line[:7].strip(), *line[7:].strip().split(": ", 1)) for line in printed]
    return {subject: (word, said) for word, subject, said in parts}


def test_a_healthy_ferry_is_all_ok(world: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """With everything in place every line says ok, and the exit code is 0."""
    assert examine(world) == 0
    said = lines(capsys)
    assert {word for word, _ in said.values()} == {"ok"}
    assert {
        "database",
        "Slack bot token",
        "approvals channel",
        "cluster old",
        "cluster new",
    } <= set(said)


def test_what_is_wrong_is_named_with_the_way_out(
    world: Settings, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bot outside of its channel and a project without roles are told, each with what to do."""
    sandbox.set_members(CHANNEL, ["U0ADA"])
    roles = world.roles.model_copy(update={"organization_owners": {}, "project_admins": {}})
    assert examine(world.model_copy(update={"roles": roles})) == 2
    said = lines(capsys)
    assert said["approvals channel"][0] == "FAILED"
    assert "/invite" in said["approvals channel"][1]
    assert "Nobody has a role in acme/search" in said["roles"][1]
    assert said["database"][0] == "ok"


def test_too_few_approvers_are_found_before_anybody_asks(
    world: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A target whose policy takes more people than have a role is named; three with a role are enough for two approvals."""
    for approvals, word in ((2, "ok"), (3, "FAILED")):
        policy = world.policy.model_copy(update={"approvals": approvals})
        examine(world.model_copy(update={"policy": policy}))
        said = lines(capsys)["approvers"]
        assert said[0] == word
    assert "3 people in Slack have a role in acme/search, and it takes 4" in said[1]


def test_an_unreachable_cluster_is_worth_another_try(
    world: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cluster that does not answer gives exit code 5, and the others are checked all the same."""
    gone = world.clusters["new"].model_copy(update={"uri": "http://127.0.0.1:9"})
    assert examine(world.model_copy(update={"clusters": {**world.clusters, "new": gone}})) == 5
    said = lines(capsys)
    assert said["cluster new"][0] == "FAILED"
    assert said["cluster old"][0] == "ok"


def test_missing_tokens_are_named(world: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Without tokens the variables are named and nothing of Slack is guessed."""
    bare = world.model_copy(
        update={"slack_bot_token": SecretStr(""), "slack_app_token": SecretStr("")}
    )
    assert examine(bare) == 2
    said = lines(capsys)
    assert "SLACK_BOT_TOKEN is not set" in said["Slack bot token"][1]
    assert "SLACK_APP_TOKEN is not set" in said["Slack app token"][1]
