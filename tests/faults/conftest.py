"""The fault tests use the crash tests' lanes: the same small databases, the same comparison."""

from tests.crash.conftest import _quiet_client, lanes, say, until, workers

__all__ = ["_quiet_client", "lanes", "say", "until", "workers"]
