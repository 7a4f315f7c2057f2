"""What was typed at the command line as what the engine takes: clusters to endpoints, a request, its tokens, a throttle.

A cluster is a name from the configuration, an address, or the path of a Milvus Lite file.
"""

import os
from pathlib import Path

from bot import settings as configuration
from engine import addresses
from engine.errors import ConfigurationInvalid
from engine.model import AutoId, Endpoint, OnConflict, Request, Secrets, Throttle


def throttle_of(entities: int | None, megabytes: float | None) -> Throttle | None:
    """A throttle of what was typed; None where nothing was."""
    if entities is None and megabytes is None:
        return None
    return Throttle(entities_per_second=entities, megabytes_per_second=megabytes)


def request_of(
    source: str,
    target: str,
    database: str,
    collections: list[str] | None,
    on_conflict: OnConflict,
    auto_id: AutoId | None = None,
) -> Request:
    """A request for what was typed: names from the configuration, URIs, or paths of Milvus Lite files."""
    return Request(
        source=_endpoint(source, database),
        target=_endpoint(target, database),
        collections=tuple(sorted(set(collections or ()))),
        on_conflict=on_conflict,
        auto_id=auto_id or AutoId.KEEP,
    )


def _endpoint(given: str, database: str) -> Endpoint:
    if "://" in given:
        addresses.host_and_port(given)  # before it is stored or shown: it may hold a password
        return Endpoint(name=given, uri=given, database=database)
    if given.endswith(".db"):
        return Endpoint(name=given, uri=str(Path(given).resolve()), database=database)
    settings = configuration.load()
    try:
        return settings.endpoint(given, database)
    except ConfigurationInvalid as unknown:
        unknown.next_step += " An address (http(s)://host:port) or the path of a .db will do too."
        raise


def secrets_of(request: Request) -> Secrets:
    """The tokens of both sides, from the environment or the configuration."""
    return Secrets(
        _token(request.source, "FERRY_SOURCE_TOKEN"), _token(request.target, "FERRY_TARGET_TOKEN")
    )


def _token(endpoint: Endpoint, variable: str) -> str:
    if endpoint.name == endpoint.uri or endpoint.name.endswith(".db"):
        return os.environ.get(variable, "")
    return configuration.load().token_of(endpoint)
