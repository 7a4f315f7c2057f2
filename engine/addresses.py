"""What counts as the address of a server, and its host and port; pure, and the one place that decides it.

An address is stored and shown (it is a bare cluster's name), so one that holds a password is refused before either happens, and no
refusal repeats what was given.
"""

from typing import Final
from urllib.parse import SplitResult, urlsplit

from engine.errors import ConfigurationInvalid

DEFAULT_PORT: Final = 19530

PASSWORD: Final = "it contains a password"  # noqa: S105  # a sentence about one
_NO_ADDRESS: Final = "it must be http(s)://host:port or the path of a Milvus Lite .db"
_CHOICE: Final = (
    "Use a cluster's name from ferry.yml, http(s)://host:port, or the path of a Milvus Lite .db."
)
_TOKENS: Final = (
    "Leave it out of the address: "
    "user:password or an API key goes into FERRY_SOURCE_TOKEN or FERRY_TARGET_TOKEN."
)


def flaw(uri: str) -> str:
    """Why this is not `http(s)://host[:port]`, as the end of a sentence; "" where it is."""
    parts = _split(uri)
    if parts is None:
        return _NO_ADDRESS
    if parts.username is not None or parts.password is not None:
        return PASSWORD
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return _NO_ADDRESS
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        return "it names more than a host and a port; a database has an option of its own"
    return ""


def host_and_port(uri: str) -> tuple[str, int]:
    """Where a server is; an address without a port has 443 for https and 19530 for http.

    Raises:
        ConfigurationInvalid: It is no such address.
    """
    reason, parts = flaw(uri), _split(uri)
    if reason or parts is None or parts.hostname is None:
        raise ConfigurationInvalid(
            f"An address of a cluster cannot be used: {reason or _NO_ADDRESS}.",
            state="Nothing was read or written.",
            next_step=_TOKENS if reason == PASSWORD else _CHOICE,
        )
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else DEFAULT_PORT)


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        _ = parts.port  # says only now that it is no number up to 65535
    except ValueError:
        return None
    return parts
