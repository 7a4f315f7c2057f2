"""How long a connection to PostgreSQL may be silent before it counts as gone; it connects to nothing itself."""

from collections.abc import Mapping
from typing import Final

_PATIENCE: Final[Mapping[str, int]] = {
    "connect_timeout": 10,
    "tcp_user_timeout": 30_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
}


def patience(said: Mapping[str, object]) -> dict[str, int]:
    """What libpq is told, where the ledger's address says nothing else.

    A host that went away, or a network that this machine left while it was asleep, is noticed within 30 s. By the system's own rule
    that takes a quarter of an hour, in which a worker hears no cancel.

    Args:
        said: The parameters of the address.
    """
    return {name: number for name, number in _PATIENCE.items() if name not in said}
