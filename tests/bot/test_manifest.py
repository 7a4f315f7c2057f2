"""`manifest.yml` and the code agree: commands, events, interactivity, and a scope for everything the bot calls."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from slack_sdk import WebClient

from bot import app as bolt
from bot.doctor import SCOPES
from bot.jobs import Jobs
from bot.lanes import Lanes
from bot.ledger import BotLedger
from bot.listeners import home, route
from bot.listeners.command import _WORDS, COMMAND, HELP
from bot.listeners.desk import Desk
from bot.sandbox.methods import METHODS
from bot.service import Service
from bot.settings import Settings
from bot.sources import Sources
from bot.verbs import EngineVerbs
from bot.views import break_glass, buttons, freeze, request_modal

ROOT = Path(__file__).parents[2]
BOT = ROOT / "bot"

NEEDS: dict[str, set[str]] = {
    "apps_connections_open": set(),
    "auth_test": set(),
    "chat_getPermalink": set(),
    "chat_postEphemeral": {"chat:write"},
    "chat_postMessage": {"chat:write"},
    "chat_update": {"chat:write"},
    "conversations_info": {"channels:read", "groups:read"},
    "files_upload_v2": {"files:write"},
    "usergroups_users_list": {"usergroups:read"},
    "users_info": {"users:read"},
    "users_lookupByEmail": {"users:read.email"},
    "views_open": set(),
    "views_publish": set(),
    "views_update": set(),
}
"""Slack's scopes by Web API method (docs.slack.dev/reference/methods)."""
SANDBOX_NAMES = {"files_upload_v2": "files.completeUploadExternal"}
"""What is no method of Slack's but a helper of its SDK."""


@pytest.fixture
def manifest() -> dict[str, Any]:
    """The manifest as Slack reads it."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "manifest.yml").read_text())
    return loaded


def called() -> set[str]:
    """The Web API methods that the bot's code calls."""
    methods = {name for name in dir(WebClient) if "_" in name and not name.startswith("_")}
    files = [path for path in BOT.rglob("*.py") if not {"sandbox", "demo"} & set(path.parts)]
    nodes = (node for path in files for node in ast.walk(ast.parse(path.read_text())))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and node.attr in methods}


def test_every_call_has_its_scope(manifest: dict[str, Any]) -> None:
    """What the bot calls needs just the scopes that the manifest asks for, beside the command's."""
    needed = set().union(*(NEEDS[method] for method in called())) | {"commands"}
    assert needed == set(manifest["oauth_config"]["scopes"]["bot"]) == SCOPES


def test_the_sandbox_enforces_the_same_scopes() -> None:
    """Every method that the bot calls is one of the sandbox, which wants a scope of those that are named here, or none."""
    for name in called():
        known = METHODS[SANDBOX_NAMES.get(name, name.replace("_", "."))]
        assert NEEDS[name] <= set(known.scopes), name
        assert bool(NEEDS[name]) == bool(known.scopes), name


def test_the_usage_hint_names_the_words_that_are_heard(manifest: dict[str, Any]) -> None:
    """What Slack shows behind the command is what the command understands, and its help explains each word."""
    (command,) = manifest["features"]["slash_commands"]
    shown = {part.split()[0] for part in command["usage_hint"].strip("[]").split("|")}
    assert shown == {*_WORDS, route.USAGE.split()[0]}
    assert all(word in HELP for word in _WORDS)


def test_commands_events_and_interactivity_are_declared(manifest: dict[str, Any]) -> None:
    """The command and the event that the code listens for are those of the manifest."""
    assert [each["command"] for each in manifest["features"]["slash_commands"]] == [COMMAND]
    assert manifest["settings"]["event_subscriptions"]["bot_events"] == [home.EVENT]
    assert manifest["settings"]["interactivity"]["is_enabled"]
    assert manifest["settings"]["socket_mode_enabled"]
    assert manifest["features"]["app_home"]["home_tab_enabled"]


def test_every_element_that_is_drawn_is_heard(
    records: BotLedger, service: Service, configured: Callable[..., Settings]
) -> None:
    """Each button and select of the views has a listener: none of them is dead."""
    sources = Sources(configured(), EngineVerbs())
    cards = service._cards
    jobs = Jobs(configured(), service._ledger, records, service._directory, cards)
    soon, planned = (lambda work, **_: work()), (lambda _migration, _then: None)
    desk = Desk(configured(), service, cards, sources, soon, jobs, tuple, planned)
    with Lanes() as lanes:
        app = bolt.build(WebClient(), "xoxb-none", records, desk, lanes)
    heard = [listener.matchers for listener in app._listeners]
    texts = {
        cell for matchers in heard for matcher in matchers for cell in _closed_over(matcher.func)
    }
    drawn = {
        *buttons.ACTION_IDS,
        *(field.value for field in request_modal.EXTERNAL_SELECTS),
        *(field.value for field in request_modal.RESHAPES),
        request_modal.BACK,
        request_modal.CALLBACK_ID,
        *home.home.ACTION_IDS,
        buttons.DETAILS,
        freeze.FREEZE,
        freeze.THAW,
        freeze.CALLBACK_ID,
        break_glass.CALLBACK_ID,
    }
    assert drawn <= texts
    sources.close()


def _closed_over(function: Any) -> set[str]:
    """The texts that a matcher of Bolt compares with."""
    found: set[str] = set()
    for cell in getattr(function, "__closure__", None) or ():
        held = cell.cell_contents
        if isinstance(held, str):
            found.add(held)
        elif isinstance(held, dict):
            found |= {each for each in held.values() if isinstance(each, str)}
        elif callable(held):
            found |= _closed_over(held)
    return found
