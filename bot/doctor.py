"""`ferry doctor`: checks Slack, scopes, the channel, roles, clusters and database, one line each.

It changes nothing: no message is posted, no cluster is written to. Only the ledger's tables are made if there are none.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.text import Text
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.directory import Directory
from bot.ledger import BotLedger
from bot.settings import SLACK_API, Settings
from bot.slack_web import web_client
from bot.verbs import EngineVerbs, Verbs
from engine.errors import ConfigurationInvalid, FerryError, exit_code_of
from engine.ledger import Ledger

SCOPES: Final = frozenset(
    {
        "commands",
        "chat:write",
        "files:write",
        "users:read",
        "users:read.email",
        "usergroups:read",
        "channels:read",
        "groups:read",
    }
)
"""What the bot's token must be allowed; `manifest.yml` asks for the same."""


class Finding(NamedTuple):
    """A line: what was looked at, what was found, and the exit code that it is worth (0: it is well)."""

    subject: str
    said: str
    exit_code: int = 0


def examine(settings: Settings, verbs: Verbs | None = None) -> int:
    """Print a line for each part, and return the exit code: 0 if all is well, else that of the worst finding."""
    console = Console(highlight=False, soft_wrap=True)
    worst = 0
    for finding in findings(settings, verbs or EngineVerbs()):
        word = "ok" if finding.exit_code == 0 else "FAILED"
        style = "green" if finding.exit_code == 0 else "red"
        line = (f"{word:<7}", style), f"{finding.subject}: {finding.said}"
        console.print(Text.assemble(*line))
        worst = max(worst, finding.exit_code)
    return worst


def findings(settings: Settings, verbs: Verbs) -> Iterator[Finding]:
    """All findings, each as soon as it is known."""
    yield _finding("database", lambda: _database(settings))
    client = web_client(settings)
    token = _finding("Slack bot token", lambda: _token(settings, client))
    yield token
    if token.exit_code == 0:
        yield _finding("Slack scopes", lambda: _scopes(client))
        yield _finding("approvals channel", lambda: _approvals(settings, client))
        for channel in sorted(settings.break_glass_channels):
            yield _finding("break-glass channel", lambda at=channel: _channel(at, client))  # type: ignore[misc]  # bound now
        yield _finding("approvers", lambda: _approvers(settings, client))
    if settings.slack.transport == "socket":
        yield _finding("Slack app token", lambda: _app_token(settings))
    else:
        yield _finding("Slack signing secret", lambda: _signing_secret(settings))
    yield _finding("roles", lambda: _roles(settings))
    yield from _clusters(settings, verbs)


def _finding(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, look())
    except FerryError as error:
        return Finding(subject, str(error), exit_code_of(error.code))
    except SlackApiError as error:
        return Finding(subject, f"Slack answers {error.response.get('error')}.", 2)
    except (SlackClientError, OSError) as error:
        return Finding(subject, f"Slack does not answer ({error}). Try again later.", 5)


def _clusters(settings: Settings, verbs: Verbs) -> Iterator[Finding]:
    if not settings.clusters:
        yield Finding("clusters", "None is configured. Add clusters to ferry.yml.", 2)
    for name in sorted(settings.clusters):
        yield _finding(f"cluster {name}", lambda name=name: _cluster(settings, verbs, name))  # type: ignore[misc]  # bound now
    if settings.new_clusters:
        yield _finding("new clusters", lambda: _folder(settings))


def _database(settings: Settings) -> str:
    with Ledger.open(settings.database_url) as ledger:
        BotLedger(ledger)
        jobs = sum(ledger.status_counts().values())
    return f"it answers; its tables are up to date; it holds {jobs} migrations"


def _token(settings: Settings, client: WebClient) -> str:
    if not settings.slack_bot_token.get_secret_value():
        raise _missing("SLACK_BOT_TOKEN", "xoxb-…")
    answer = client.auth_test()
    where = "" if settings.slack.api_url == SLACK_API else f", at {settings.slack.api_url}"
    return f"it is {answer.get('user')} in {answer.get('team')}{where}"


def _scopes(client: WebClient) -> str:
    headers: dict[str, Any] = {
        str(name).lower(): value for name, value in client.auth_test().headers.items()
    }
    given = headers.get("x-oauth-scopes")
    if given is None:
        return "this Slack does not tell them"
    missing = SCOPES - {scope.strip() for scope in str(given).split(",")}
    if missing:
        raise ConfigurationInvalid(
            f"The app lacks {', '.join(sorted(missing))}.",
            next_step="Update the app from manifest.yml and install it again.",
        )
    return f"all {len(SCOPES)} are granted"


def _approvals(settings: Settings, client: WebClient) -> str:
    if not settings.approvals_channel:
        raise ConfigurationInvalid(
            "No approvals_channel is set.", next_step="Put the channel's id into ferry.yml."
        )
    return _channel(settings.approvals_channel, client)


def _channel(channel_id: str, client: WebClient) -> str:
    channel = client.conversations_info(channel=channel_id)["channel"]
    if not channel.get("is_member"):
        raise ConfigurationInvalid(
            f"The bot is not in #{channel.get('name')}.",
            next_step=f"Type /invite @Ferry in #{channel.get('name')}.",
        )
    return f"the bot is in #{channel.get('name')}"


def _signing_secret(settings: Settings) -> str:
    if not settings.slack_signing_secret.get_secret_value():
        raise _missing("SLACK_SIGNING_SECRET", "the app's Basic Information page")
    return "it is set; only a request from Slack can show that it is the right one"


def _app_token(settings: Settings) -> str:
    token = settings.slack_app_token.get_secret_value()
    if not token:
        raise _missing("SLACK_APP_TOKEN", "xapp-…")
    web_client(settings, token="").apps_connections_open(app_token=token)
    return "it opens a socket"


def _roles(settings: Settings) -> str:
    roles = settings.roles
    without = [
        str(place)
        for place in sorted(settings.places)
        if not roles.organization_owners.get(place.organization)
        and not roles.project_admins.get(str(place))
    ]
    if without:
        raise ConfigurationInvalid(
            f"Nobody has a role in {', '.join(without)}, so nobody can request or approve there.",
            next_step="Name an Organization Owner or a Project Admin in ferry.yml.",
        )
    if not settings.places:
        return "no project is configured yet"
    return f"each of {len(settings.places)} projects has somebody"


def _approvers(settings: Settings, client: WebClient) -> str:
    """Whether each target has as many people as an approval takes, beside whoever asks."""
    directory = Directory(client, settings.roles)
    people = {
        place: {each.user_id for each in directory.eligible([place]) if place in each.roles}
        for place in settings.places
    }
    for name, cluster in sorted(settings.clusters.items()):
        policy = settings.policy_of(settings.endpoint(name))
        needed = policy.approvals + (0 if policy.requester_may_approve else 1)
        there = len(people[cluster.place])
        if there < needed:
            raise ConfigurationInvalid(
                f"Nothing can be approved for {name}: {there} people in Slack have a role in {cluster.place}, and it takes "
                f"{needed}, whoever asks among them.",
                next_step="Name more people in ferry.yml, or lower the approvals of its policy.",
            )
    return "each cluster has enough of them"


def _cluster(settings: Settings, verbs: Verbs, name: str) -> str:
    endpoint = settings.endpoint(name)
    version = verbs.check(endpoint, settings.token_of(endpoint))
    return f"it answers, version {version}"


def _folder(settings: Settings) -> str:
    folder: Path = settings.new_clusters.folder if settings.new_clusters else Path()
    if not folder.is_dir():
        raise ConfigurationInvalid(
            f"There is no folder {folder}.", next_step="Make it, or change new_clusters.folder."
        )
    return f"they are made in {folder}"


def _missing(variable: str, shape: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        f"{variable} is not set.", next_step=f"Set it to the app's token ({shape})."
    )
