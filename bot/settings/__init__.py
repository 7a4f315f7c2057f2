"""What Ferry is told by `ferry.yml` and the environment, checked when it starts; nothing here talks to Slack or to a cluster.

The environment wins over the file: `FERRY_DATABASE_URL`, `FERRY_SLACK__API_URL` and so on. Tokens are never in the file: a cluster
names the variable or the file that holds its token, and it is read at the moment of use and never kept.
"""

from bot.settings.base import Section
from bot.settings.policy import FreezeWindow, Policy
from bot.settings.reading import DEFAULT_FILE, load
from bot.settings.sections import (
    NAME,
    SLACK_API,
    Cluster,
    Name,
    NewClusters,
    Place,
    Roles,
    Slack,
    Web,
)
from bot.settings.tokens import read_token
from bot.settings.whole import Settings

__all__ = [
    "DEFAULT_FILE",
    "NAME",
    "SLACK_API",
    "Cluster",
    "FreezeWindow",
    "Name",
    "NewClusters",
    "Place",
    "Policy",
    "Roles",
    "Section",
    "Settings",
    "Slack",
    "Web",
    "load",
    "read_token",
]
