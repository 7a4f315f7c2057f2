"""What Ferry is told by `ferry.yml` and the environment, checked when it starts; nothing here talks to Slack or to a cluster.

The environment wins over the file: `FERRY_DATABASE_URL`, `FERRY_SLACK__API_URL` and so on. Tokens are never in the file: a cluster
names the variable or the file that holds its token, and it is read at the moment of use and never kept.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from engine.errors import ConfigurationInvalid
from engine.model import Endpoint

DEFAULT_FILE: Final = Path("ferry.yml")
SLACK_API: Final = "https://slack.com/api/"

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")
"""What a cluster, an organization and a project may be called: it stands in selects (75 characters) and in file names."""

_MEMBER: Final = re.compile(r"[UWS][A-Z0-9]{2,20}|[^@\s]+@[^@\s]+\.[^@\s]+")
_SECRET_KEYS: Final = frozenset({"slack_bot_token", "slack_app_token"})

Name = Annotated[str, StringConstraints(pattern=rf"^{NAME.pattern}$")]


class Place(NamedTuple):
    """A project in an organization: what roles are given for."""

    organization: str
    project: str

    def __str__(self) -> str:
        return f"{self.organization}/{self.project}"


class Section(BaseModel):
    """The base of all sections: frozen, and unknown keys are errors, so that a misspelt key is not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Cluster(Section):
    """A cluster that people choose by its name.

    Attributes:
        uri: `http(s)://host:port`, or the path of a Milvus Lite `.db`.
        token_env: The environment variable that holds its token.
        token_file: The file that holds its token.
        databases: The databases that people may choose; all of the server's when it is left out.
        warning: Shown to requester and approvers when this cluster is a target.
    """

    uri: str
    organization: Name = "default"
    project: Name = "default"
    token_env: str = ""
    token_file: Path | None = None
    databases: tuple[str, ...] = ()
    warning: str = ""

    @field_validator("uri")
    @classmethod
    def _is_reachable_by_name(cls, uri: str) -> str:
        parts = urlsplit(uri)
        if parts.username or parts.password:
            raise ValueError("it contains a password; name it with token_env or token_file instead")
        if not (parts.scheme in {"http", "https"} and parts.hostname) and not uri.endswith(".db"):
            raise ValueError("it must be http(s)://host:port or the path of a Milvus Lite .db")
        return uri

    @model_validator(mode="after")
    def _has_one_token(self) -> "Cluster":
        if self.token_env and self.token_file:
            raise ValueError("it has both token_env and token_file; keep one")
        return self

    @property
    def place(self) -> Place:
        """The project it belongs to."""
        return Place(self.organization, self.project)


class NewClusters(Section):
    """Where a new target cluster may be made: each is a Milvus Lite directory `<folder>/<name>.db` of this project."""

    folder: Path
    organization: Name = "default"
    project: Name = "default"
    warning: str = ""

    @property
    def place(self) -> Place:
        """The project that new clusters belong to."""
        return Place(self.organization, self.project)


class Roles(Section):
    """Who has which role: lists of Slack user ids (U…), user groups (S…) and e-mail addresses.

    Attributes:
        organization_owners: By organization.
        project_admins: By `organization/project`.
    """

    organization_owners: dict[str, tuple[str, ...]] = {}
    project_admins: dict[str, tuple[str, ...]] = {}

    @field_validator("organization_owners", "project_admins")
    @classmethod
    def _are_members(cls, given: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for place, members in given.items():
            for member in members:
                if not _MEMBER.fullmatch(member):
                    raise ValueError(
                        f"{place}: {member!r} is neither a Slack user id (U…), a user group (S…) nor an e-mail address"
                    )
        return given


class Policy(Section):
    """What an approval needs.

    Attributes:
        requester_may_approve: Whether the person who asked may also approve.
        request_expires_hours: How long a request waits for a decision.
    """

    requester_may_approve: bool = False
    request_expires_hours: float = Field(default=24.0, gt=0)


class Slack(Section):
    """Where Slack is; only the sandbox and tests set another address."""

    api_url: str = SLACK_API


class Settings(BaseSettings):
    """Everything that configures Ferry; `load` makes it from the file and the environment.

    Attributes:
        database_url: The ledger: `sqlite:///path` or `postgresql://…`.
        approvals_channel: The id (C… or G…) of the channel where requests are posted and decided.
        workers: How many migrations run at the same time.
        slack_bot_token: From SLACK_BOT_TOKEN (xoxb-…).
        slack_app_token: From SLACK_APP_TOKEN (xapp-…), for Socket Mode.
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
    slack: Slack = Slack()
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
        if channel and not re.fullmatch(r"[CG][A-Z0-9]{2,20}", channel):
            raise ValueError(
                "it must be a channel id (C…), not a name: see the channel's About tab"
            )
        return channel

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


def load(path: Path | None = None) -> Settings:
    """The settings from a file and the environment.

    Args:
        path: The file; without it `FERRY_CONFIG`, or `ferry.yml` in the working directory if there is one.

    Raises:
        ConfigurationInvalid: The file cannot be read, or a key in it (or a variable) is wrong; it names both.
    """
    given = path or (Path(os.environ["FERRY_CONFIG"]) if os.environ.get("FERRY_CONFIG") else None)
    file = given or DEFAULT_FILE
    values = _read(file) if given or file.exists() else {}
    held = _SECRET_KEYS & {str(key).lower() for key in values}
    if held:
        raise ConfigurationInvalid(
            f"{file} holds {', '.join(sorted(held))}.",
            state="Nothing was started.",
            next_step="Put Slack's tokens into the environment: SLACK_BOT_TOKEN and SLACK_APP_TOKEN.",
        )
    try:
        return Settings(**values)
    except ValidationError as error:
        raise ConfigurationInvalid(
            f"{file}: {'; '.join(_problem(entry) for entry in error.errors(include_input=False))}.",
            state="Nothing was started.",
            next_step="Correct it (ferry.example.yml shows every key), then start again.",
        ) from None


def read_token(name: str, cluster: Cluster) -> str:
    """A cluster's token, read now; raises ConfigurationInvalid when the place that should hold it does not."""
    if cluster.token_env:
        token = os.environ.get(cluster.token_env, "")
        where = f"the environment variable {cluster.token_env} is not set"
    elif cluster.token_file:
        token, where = (
            _file_text(cluster.token_file),
            f"{cluster.token_file} cannot be read or is empty",
        )
    else:
        return ""
    if not token:
        raise ConfigurationInvalid(
            f"There is no token for the cluster {name}: {where}.",
            state="Nothing was done on the cluster.",
            next_step=f"Put the token there, or correct clusters.{name} in ferry.yml.",
        )
    return token


def _file_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(file, error.strerror or "it cannot be read") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise _unreadable(file, f"{line}{getattr(error, 'problem', None) or 'not YAML'}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise _unreadable(file, "it must hold keys with values")
    return values


def _unreadable(file: Path, reason: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        f"{file} cannot be used: {reason}.",
        state="Nothing was started.",
        next_step="Correct the file, or name another one with FERRY_CONFIG.",
    )


def _problem(entry: Any) -> str:
    key = ".".join(str(part) for part in entry["loc"])
    message = str(entry["msg"]).removeprefix("Value error, ")
    if entry["type"] == "extra_forbidden":
        message = "there is no such key"
    return f"{key}: {message}" if key else message


def _no_such(section: str, name: str, known: set[str]) -> str:
    there = ", ".join(sorted(known)) or "none"
    return f"roles.{section}: no cluster belongs to {name!r} (there is {there})"


def _unknown_cluster(name: str, known: dict[str, Cluster]) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        f"There is no cluster {name} in the configuration.",
        state="Nothing was done.",
        next_step=f"Choose one of {', '.join(sorted(known)) or '(none is configured)'}, or add it to ferry.yml.",
    )


def _new_refused(message: str, next_step: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(message, state="Nothing was made.", next_step=next_step)
