"""The parts of a running sandbox in one place, handed to everything that acts.

Only holds them together.
"""

from bot.sandbox.config import AppConfig, Timing, WorkspaceConfig
from bot.sandbox.errors import Json
from bot.sandbox.faults import Faults
from bot.sandbox.journal import Journal
from bot.sandbox.ratelimits import RateLimits
from bot.sandbox.socketmode import Hub
from bot.sandbox.tickets import Tickets
from bot.sandbox.workspace import Workspace


class Core:
    """State, journal, faults, tickets and sockets of one sandbox.

    Attributes:
        suggested: options that an app offered, by user, surface and action_id.
    """

    def __init__(self, config: WorkspaceConfig, timing: Timing) -> None:
        self.config = config
        self.timing = timing
        self.workspace = Workspace(config)
        self.journal = Journal()
        self.faults = Faults()
        self.rate_limits = RateLimits()
        self.tickets = Tickets(timing)
        self.suggested: dict[tuple[str, str, str], list[Json]] = {}
        self.hub = Hub(timing, self.journal, self.faults, self.workspace.changed)

    @property
    def origin(self) -> str:
        """The server's address, "http://host:port", without a slash at the end."""
        return self.workspace.origin

    def app_of_bot_token(self, token: str) -> AppConfig | None:
        """The app that this bot token belongs to."""
        return next((app for app in self.config.apps if app.bot_token == token), None)

    def app_of_app_token(self, token: str) -> AppConfig | None:
        """The app that this app-level token belongs to."""
        return next((app for app in self.config.apps if app.app_token == token), None)

    def response_url(self, app: AppConfig, user: str, channel: str, ts: str | None = None) -> str:
        """A new response_url for something that the user did in a channel."""
        return f"{self.origin}/response/{self.tickets.new_url(app.id, user, channel, ts)}"
