"""A cluster's token: read from the place that the configuration names, at the moment of use, and never kept."""

import os
from pathlib import Path

from bot.settings.sections import Cluster
from engine.errors import ConfigurationInvalid


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
