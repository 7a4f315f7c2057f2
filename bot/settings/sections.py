"""The sections of `ferry.yml` below the top: clusters, roles, Slack's address; checked when they are made.

Each is frozen and refuses keys that it does not know. Nothing here reads a file, a token or another section.
"""

import re
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field, StringConstraints, field_validator, model_validator

from bot.settings.base import Section
from bot.settings.policy import Policy
from engine import addresses

SLACK_API: Final = "https://slack.com/api/"

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")
"""What a cluster, an organization and a project may be called: it stands in selects (75 characters) and in file names."""

_MEMBER: Final = re.compile(r"[UWS][A-Z0-9]{2,20}|[^@\s]+@[^@\s]+\.[^@\s]+")

Name = Annotated[str, StringConstraints(pattern=rf"^{NAME.pattern}$")]


class Place(NamedTuple):
    """A project in an organization: what roles are given for."""

    organization: str
    project: str

    def __str__(self) -> str:
        return f"{self.organization}/{self.project}"


class Cluster(Section):
    """A cluster that people choose by its name.

    Attributes:
        uri: `http(s)://host:port`, or the path of a Milvus Lite `.db`.
        token_env: The environment variable that holds its token.
        token_file: The file that holds its token.
        databases: The databases that people may choose; all of the server's when it is left out.
        warning: Shown to requester and approvers when this cluster is a target.
        policy: What is different from the general policy when this cluster is a target.
    """

    uri: str
    organization: Name = "default"
    project: Name = "default"
    token_env: str = ""
    token_file: Path | None = None
    databases: tuple[str, ...] = ()
    warning: str = ""
    policy: Policy | None = None

    @field_validator("uri")
    @classmethod
    def _is_reachable_by_name(cls, uri: str) -> str:
        reason = "" if uri.endswith(".db") else addresses.flaw(uri)
        if reason == addresses.PASSWORD:
            raise ValueError(f"{reason}; name it with token_env or token_file instead")
        if reason:
            raise ValueError(reason)
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
    policy: Policy | None = None

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

    organization_owners: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    project_admins: dict[str, tuple[str, ...]] = Field(default_factory=dict)

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


class Slack(Section):
    """Where Slack is, and how it reaches the bot.

    Attributes:
        api_url: Only the sandbox and tests set another address.
        transport: `socket`: the bot connects to Slack (Socket Mode). `http`: Slack sends requests to `web`.
    """

    api_url: str = SLACK_API
    transport: Literal["socket", "http"] = "socket"


class Web(Section):
    """Where the bot's own web server listens: health, readiness, metrics, Slack's requests over HTTP. 0 takes a free port."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
