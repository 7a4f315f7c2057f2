"""All settings as one frozen record: the sections, how they fit together, and which cluster, project and warning belong to what.

It is made by `reading.load`; here is what may be asked of it. A token is read at the moment of use and never kept.
"""

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.settings.policy import Policy, channel_id
from bot.settings.sections import NAME, Cluster, Name, NewClusters, Place, Roles, Slack, Web
from bot.settings.tokens import read_token
from engine.errors import ConfigurationInvalid
from engine.model import Endpoint


class Settings(BaseSettings):
    """Everything that configures Ferry; `load` makes it from the file and the environment.

    Attributes:
        database_url: The ledger: `sqlite:///path` or `postgresql://…`.
        approvals_channel: The id (C… or G…) of the channel where requests are posted and decided.
        workers: How many migrations run at the same time.
        contact: Whom people ask about roles and configuration.
        slack_bot_token: From SLACK_BOT_TOKEN (xoxb-…).
        slack_app_token: From SLACK_APP_TOKEN (xapp-…), for Socket Mode.
        slack_signing_secret: From SLACK_SIGNING_SECRET, for Slack over HTTP.
        web: The bot's own web server; there is none when it is left out and Slack does not come over HTTP.
    """

    model_config = SettingsConfigDict(
        env_prefix="FERRY_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    database_url: str = Field(default="sqlite:///ferry.db", repr=False)
    approvals_channel: str = ""
    workers: int = Field(default=2, ge=1, le=64)
    contact: str = "whoever keeps Ferry's configuration"
    slack: Slack = Slack()
    web: Web | None = None
    policy: Policy = Policy()
    clusters: dict[Name, Cluster] = {}
    new_clusters: NewClusters | None = None
    roles: Roles = Roles()
    slack_bot_token: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("slack_bot_token", "SLACK_BOT_TOKEN"),
    )
    slack_app_token: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("slack_app_token", "SLACK_APP_TOKEN"),
    )
    slack_signing_secret: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("slack_signing_secret", "SLACK_SIGNING_SECRET"),
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before what the file says."""
        return env_settings, init_settings

    @field_validator("approvals_channel")
    @classmethod
    def _is_an_id(cls, channel: str) -> str:
        return channel_id(channel)

    @model_validator(mode="after")
    def _roles_fit_the_clusters(self) -> "Settings":
        organizations = {place.organization for place in self.places}
        for organization in self.roles.organization_owners:
            if organization not in organizations:
                raise ValueError(_no_such("organization_owners", organization, organizations))
        projects = {str(place) for place in self.places}
        for project in self.roles.project_admins:
            if project not in projects:
                raise ValueError(_no_such("project_admins", project, projects))
        return self

    @property
    def places(self) -> frozenset[Place]:
        """Every project that has a cluster or may get one."""
        known = {cluster.place for cluster in self.clusters.values()}
        return frozenset(known | ({self.new_clusters.place} if self.new_clusters else set()))

    @property
    def break_glass_channels(self) -> frozenset[str]:
        """Every channel that is told when somebody breaks the glass."""
        own = [cluster.policy for cluster in self.clusters.values()]
        own += [self.new_clusters.policy] if self.new_clusters else []
        found = (self.policy.changed_by(policy).break_glass_channel for policy in (None, *own))
        return frozenset(filter(None, found))

    def endpoint(self, cluster: str, database: str = "") -> Endpoint:
        """The endpoint of a configured cluster; raises ConfigurationInvalid when there is none of that name."""
        known = self.clusters.get(cluster)
        if known is None:
            raise _unknown_cluster(cluster, self.clusters)
        return Endpoint(name=cluster, uri=known.uri, database=database or "default")

    def new_endpoint(self, name: str) -> Endpoint:
        """The endpoint of a target cluster that does not exist yet.

        Raises:
            ConfigurationInvalid: New clusters are not configured, the name is not one, or something of that name is there.
        """
        if self.new_clusters is None:
            raise _new_refused("This Ferry makes no new clusters.", "Choose an existing cluster.")
        if not NAME.fullmatch(name):
            raise _new_refused(
                "That is not a name for a cluster.",
                "Use up to 48 letters, digits, dots, dashes and underscores, beginning with a letter or digit.",
            )
        path = self.new_clusters.folder / f"{name}.db"
        if name in self.clusters or path.exists():
            raise _new_refused(f"A cluster {name} exists already.", "Choose another name.")
        return Endpoint(name=name, uri=str(path.absolute()))

    def place_of(self, endpoint: Endpoint) -> Place:
        """The project an endpoint belongs to; raises ConfigurationInvalid when configuration no longer has it."""
        known = self.clusters.get(endpoint.name)
        if known is not None and known.uri == endpoint.uri:
            return known.place
        if self._is_new(endpoint) and self.new_clusters is not None:
            return self.new_clusters.place
        raise _unknown_cluster(endpoint.name, self.clusters)

    def warning_of(self, endpoint: Endpoint) -> str:
        """The warning that belongs to a target, or nothing."""
        known = self.clusters.get(endpoint.name)
        if known is not None:
            return known.warning
        return self.new_clusters.warning if self.new_clusters else ""

    def policy_of(self, target: Endpoint) -> Policy:
        """What an approval for this target needs; the general policy where configuration no longer has it."""
        known = self.clusters.get(target.name)
        if known is not None:
            return self.policy.changed_by(known.policy)
        return self.policy.changed_by(self.new_clusters.policy if self.new_clusters else None)

    def token_of(self, endpoint: Endpoint) -> str:
        """The endpoint's token, read now; "" when it has none.

        Raises:
            ConfigurationInvalid: Its variable is not set, or its file cannot be read.
        """
        known = self.clusters.get(endpoint.name)
        if known is None or known.uri != endpoint.uri:
            self.place_of(endpoint)
            return ""
        return read_token(endpoint.name, known)

    def _is_new(self, endpoint: Endpoint) -> bool:
        if self.new_clusters is None:
            return False
        folder = self.new_clusters.folder.absolute()
        return Path(endpoint.uri) == folder / f"{endpoint.name}.db"


def _no_such(section: str, name: str, known: set[str]) -> str:
    there = ", ".join(sorted(known)) or "none"
    return f"roles.{section}: no cluster belongs to {name!r} (there is {there})"


def _unknown_cluster(name: str, known: dict[str, Cluster]) -> ConfigurationInvalid:
    choice = f"Choose one of {', '.join(sorted(known))}, or add it" if known else "Add it"
    return ConfigurationInvalid(
        f"There is no cluster {name} in the configuration.",
        state="Nothing was done.",
        next_step=f"{choice} to ferry.yml.",
    )


def _new_refused(message: str, next_step: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(message, state="Nothing was made.", next_step=next_step)
