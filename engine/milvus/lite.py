"""Opens Milvus Lite `.db` directories inside this process, and lets go of them when nobody uses them any more.

A directory belongs to one process at a time: the bot surveys it, then the worker must be able to
open it. Nothing here speaks Milvus.
"""

import threading
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.errors import ConfigurationInvalid, InputRejected, ServiceUnavailable
from engine.model import Endpoint

_users: Counter[str] = Counter()
_lock = threading.Lock()


def is_lite_path(uri: str) -> bool:
    """Whether this names a Milvus Lite directory and not a server."""
    return uri.endswith(".db")


def unborn_version(endpoint: Endpoint) -> str | None:
    """The version that a `.db` will have which does not exist yet; None for every other endpoint.

    Opening it would make it, and a plan writes nothing.

    Raises:
        ConfigurationInvalid: milvus-lite is not installed, or the folder does not exist.
    """
    if not is_lite_path(endpoint.uri) or Path(endpoint.uri).exists():
        return None
    _manager(endpoint.uri)
    return f"milvus_lite-{metadata.version('milvus-lite')}"


def require_born(endpoint: Endpoint) -> None:
    """Raises InputRejected for a `.db` that does not exist: opening it would make it, and find it empty."""
    if unborn_version(endpoint) is not None:
        raise InputRejected(
            f"The Milvus Lite database “{endpoint.uri}” does not exist.",
            state="Nothing was read or written.",
            next_step="Correct the path.",
        )


def acquire(path: str) -> str:
    """Opens a directory, or joins those who have it open in this process; returns `host:port`.

    Raises:
        ConfigurationInvalid: milvus-lite is not installed, the folder does not exist, or this is a file.
        ServiceUnavailable: Another process holds it.
    """
    manager = _manager(path)
    if Path(path).is_file():
        raise ConfigurationInvalid(
            f"“{path}” is a file; Milvus Lite keeps a database in a folder since version 3.",
            state="Nothing was read or written.",
            next_step="Correct the path. A file of an older Milvus Lite must be copied with that version first.",
        )
    with _lock:
        uri = manager.start_and_get_uri(path)
        if not uri:
            raise ServiceUnavailable(
                f"Milvus Lite could not open “{path}”.",
                state="Nothing was read or written.",
                next_step="Check that no other process holds it open.",
            )
        _users[path] += 1
    return str(urlsplit(uri).netloc)


def release(path: str) -> None:
    """Ends one `acquire`; the last one closes the directory."""
    with _lock:
        _users[path] -= 1
        if _users[path] == 0:
            _manager(path).release_server(path)


def _manager(path: str) -> Any:
    try:
        from milvus_lite.server_manager import (  # noqa: PLC0415  # an extra: only who opens a .db needs it
            server_manager_instance,
        )
    except ImportError as error:
        raise ConfigurationInvalid(
            f"“{path}” is a Milvus Lite database, and milvus-lite is not installed.",
            state="Nothing was read or written.",
            next_step="Install it: pip install 'ferry[lite]'.",
        ) from error
    if not Path(path).absolute().parent.is_dir():
        raise ConfigurationInvalid(
            f"The folder of “{path}” does not exist.",
            state="Nothing was read or written.",
            next_step="Create it, or correct the path.",
        )
    return server_manager_instance
