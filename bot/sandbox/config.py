"""What a sandbox workspace consists of: people, channels, groups, apps; and how fast its clocks run.

Plain validated descriptions. Holds no state that changes and never opens anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class _Description(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class UserConfig(_Description):
    """A person. `tz` is an IANA name; a deleted user has left the workspace."""

    id: str
    name: str
    real_name: str = ""
    email: str | None = None
    tz: str = "Etc/UTC"
    deleted: bool = False

    @field_validator("tz")
    @classmethod
    def _tz_exists(cls, value: str) -> str:
        ZoneInfo(value)
        return value


class ChannelConfig(_Description):
    """A channel; `members` are ids of users and of bot users."""

    id: str
    name: str
    is_private: bool = False
    members: tuple[str, ...] = ()


class UsergroupConfig(_Description):
    """A user group such as @data-admins; `users` are user ids."""

    id: str
    handle: str
    name: str = ""
    users: tuple[str, ...] = ()


class CommandConfig(_Description):
    """A slash command as the manifest declares it."""

    command: str = Field(pattern=r"^/", min_length=2, max_length=32)
    description: str = Field(default="", max_length=2000)
    usage_hint: str = Field(default="", max_length=1000)
    should_escape: bool = False


class AppConfig(_Description):
    """An installed app. `scopes` None means that every scope is granted.

    Attributes:
        events: the bot events that the app subscribed to.
        home_tab: whether the app has an App Home tab.
    """

    id: str = "A0SANDBOX"
    name: str = "app"
    bot_user: str = "U0SANDBOXBOT"
    bot_id: str = "B0SANDBOX"
    bot_token: str = "xoxb-sandbox"  # noqa: S105  # opens nothing but this sandbox
    app_token: str = "xapp-sandbox"  # noqa: S105  # as above
    signing_secret: str = "sandbox-signing-secret"  # noqa: S105  # as above
    commands: tuple[CommandConfig, ...] = ()
    scopes: tuple[str, ...] | None = None
    events: tuple[str, ...] = ("app_home_opened",)
    home_tab: bool = True

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any], **overrides: Any) -> Self:
        """The app that Slack would create from a manifest (already parsed); `overrides` win."""
        features = manifest.get("features", {})
        settings = manifest.get("settings", {})
        commands = [
            {k: v for k, v in command.items() if k in CommandConfig.model_fields}
            for command in features.get("slash_commands", ())
        ]
        described: dict[str, Any] = {
            "name": features.get("bot_user", {}).get("display_name")
            or manifest["display_information"]["name"],
            "commands": commands,
            "scopes": manifest.get("oauth_config", {}).get("scopes", {}).get("bot", ()),
            "events": settings.get("event_subscriptions", {}).get("bot_events", ()),
            "home_tab": features.get("app_home", {}).get("home_tab_enabled", False),
        }
        return cls.model_validate(described | overrides)

    def command_named(self, command: str) -> CommandConfig | None:
        """The command of that name (with its slash), None when the app has none."""
        return next((known for known in self.commands if known.command == command), None)


class WorkspaceConfig(_Description):
    """A whole workspace; `WorkspaceConfig.model_validate(dict)` reads it from plain data.

    Every id named as a member must belong to a described user or to an app's bot user.
    """

    team_id: str = "T0SANDBOX"
    team_name: str = "Sandbox"
    domain: str = "sandbox"
    users: tuple[UserConfig, ...]
    channels: tuple[ChannelConfig, ...]
    usergroups: tuple[UsergroupConfig, ...] = ()
    apps: tuple[AppConfig, ...] = (AppConfig(),)

    @model_validator(mode="after")
    def _names_only_what_exists(self) -> Self:
        people = {user.id for user in self.users} | {app.bot_user for app in self.apps}
        groups = {channel.id: channel.members for channel in self.channels}
        groups |= {group.id: group.users for group in self.usergroups}
        for group, named in groups.items():
            if unknown := set(named) - people:
                raise ValueError(f"{group} names unknown members {sorted(unknown)}")
        for ids in (
            [user.id for user in self.users] + [app.bot_user for app in self.apps],
            [channel.id for channel in self.channels],
            [token for app in self.apps for token in (app.bot_token, app.app_token)],
        ):
            if doubled := {item for item in ids if ids.count(item) > 1}:
                raise ValueError(f"given twice: {sorted(doubled)}")
        return self


@dataclass
class Timing:
    """Slack's deadlines in seconds; tests shorten them. May be changed while the sandbox runs.

    Attributes:
        ack: an app has this long to acknowledge an envelope.
        trigger: life of a trigger_id.
        response_url: life of a response_url, which also has `response_url_uses` uses.
        event_retries: pause before each repetition of an unacknowledged event.
        live_push: the page's snapshots are at least this far apart.

    Source: Slack's documentation of interactivity and of the Events API.
    """

    ack: float = 3.0
    trigger: float = 3.0
    response_url: float = 1800.0
    response_url_uses: int = 5
    event_retries: tuple[float, ...] = (0.0, 60.0, 300.0)
    live_push: float = 0.05
