"""Who and what the demo's world consists of: people, channel, roles and clusters, as plain settings.

It starts nothing. Every id and token here opens nothing but the sandbox on this machine.
"""

from pathlib import Path
from typing import Final

from pydantic import SecretStr

from bot.sandbox.config import (
    AppConfig,
    ChannelConfig,
    CommandConfig,
    UserConfig,
    UsergroupConfig,
    WorkspaceConfig,
)
from bot.settings import Cluster, NewClusters, Roles, Settings, Slack

ADA: Final = "U0ADA"
GRACE: Final = "U0GRACE"
LINUS: Final = "U0LINUS"
ADMINS: Final = "S0ADMINS"
CHANNEL: Final = "C0MIGRATIONS"

SOURCE: Final = "search-2023"
TARGET: Final = "search-2026"
ORGANIZATION: Final = "acme"
PROJECT: Final = "search"
WARNING: Final = "search-2026 answers the shop's searches from Monday on."

FERRY: Final = AppConfig(
    name="Ferry",
    commands=(
        CommandConfig(command="/migrate", description="Migrate a database to another cluster"),
    ),
)

NAMES: Final = {
    ADA: "Ada",
    GRACE: "Grace",
    LINUS: "Linus",
    ADMINS: "search-admins",
    CHANNEL: "migrations",
    FERRY.bot_user: "Ferry",
    "USLACKBOT": "Slackbot",
}
"""What a transcript calls everyone."""


def workspace() -> WorkspaceConfig:
    """Ada owns the organization, Grace is among the project's admins, Linus has no role; all are in #migrations."""
    people = (
        UserConfig(id=ADA, name="ada", real_name="Ada", email="ada@acme.example"),
        UserConfig(id=GRACE, name="grace", real_name="Grace", email="grace@acme.example"),
        UserConfig(id=LINUS, name="linus", real_name="Linus", email="linus@acme.example"),
    )
    everyone = (*(person.id for person in people), FERRY.bot_user)
    return WorkspaceConfig(
        team_name="Acme",
        users=people,
        channels=(ChannelConfig(id=CHANNEL, name="migrations", members=everyone),),
        usergroups=(
            UsergroupConfig(id=ADMINS, handle="search-admins", name="Search", users=(GRACE,)),
        ),
        apps=(FERRY,),
    )


def new_clusters(directory: Path) -> Path:
    """Where clusters are made that a request names as new; the folder must be there."""
    return directory / "clusters"


def settings(directory: Path, *, slack_api: str, source: str, target: str) -> Settings:
    """Ferry's settings in this world.

    Args:
        directory: Where the ledger and new clusters are kept.
        slack_api: The sandbox's Web API, e.g. `http://127.0.0.1:8000/api/`.
        source: The URI of the filled cluster.
        target: The URI of the empty cluster.
    """
    place = {"organization": ORGANIZATION, "project": PROJECT}
    return Settings(
        database_url=f"sqlite:///{directory / 'ferry.db'}",
        approvals_channel=CHANNEL,
        slack=Slack(api_url=slack_api),
        clusters={
            SOURCE: Cluster(uri=source, **place),
            TARGET: Cluster(uri=target, warning=WARNING, **place),
        },
        new_clusters=NewClusters(folder=new_clusters(directory), **place),
        roles=Roles(
            organization_owners={ORGANIZATION: ("ada@acme.example",)},
            project_admins={f"{ORGANIZATION}/{PROJECT}": (ADMINS,)},
        ),
        slack_bot_token=SecretStr(FERRY.bot_token),
        slack_app_token=SecretStr(FERRY.app_token),
    )
